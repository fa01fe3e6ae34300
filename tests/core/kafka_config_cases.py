"""[[kafka]] in quell.toml: what is taken, and each error with its place."""
import os
import subprocess
import tempfile
import unittest

BINARY = os.environ["QUELL_BINARY"]
GOOD = '''[[kafka]]
brokers = ["127.0.0.1:9092", "127.0.0.1:9093"]
topics = ["orders", "^jobs-.*", { name = "otel", format = "otlp-proto", tenant = "acme", headers = true }]
group = "quell-prod"
format = "native"
start = "latest"
headers = false
[kafka.properties]
security.protocol = "SASL_SSL"
"sasl.username" = "quell"
sasl.password = "${env:KAFKA_PASSWORD}"
"fetch.min.bytes" = 1

[[kafka]]
brokers = "other:9092"
topics = "all"
'''


def check(text, **more):
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "quell.toml"), "w") as file:
            file.write(text)
        result = subprocess.run([BINARY, "check"], cwd=directory, capture_output=True, text=True,
                                env={**os.environ, **more})
    return result.returncode, result.stderr


class KafkaConfig(unittest.TestCase):
    def wrong(self, lines, *wanted):
        code, words = check("[[kafka]]\n" + lines)
        self.assertEqual(code, 1)
        for place, part in wanted:
            self.assertTrue(any(line.startswith(f"quell.toml:{place}: ") and part in line
                                for line in words.splitlines()), (place, part, words))
        self.assertEqual(len(words.splitlines()), len(wanted), words)

    def test_two_clusters_with_all_there_is(self):
        self.assertEqual(check(GOOD, KAFKA_PASSWORD="hunter2"), (0, ""))

    def test_all_errors_come_with_their_places(self):
        self.wrong('brokers = 5\ntopics = ["a b"]\nformat = "avro"\nstart = "middle"\n'
                   'headers = "no"\n',
                   ("2:1", "brokers = "), ("3:11", "a topic is"), ("4:1", '"otlp-json"'),
                   ("5:1", '"earliest", "latest"'), ("6:1", "true or false"))

    def test_unknown_keys_come_with_a_suggestion(self):
        self.wrong('brokers = "b:1"\ntopic = "a"\n', ("3:1", 'did you mean "topics"?'),
                   ("1:1", "reads nothing"))

    def test_brokers_and_topics_are_required(self):
        self.wrong('group = "g"\n', ("1:1", "reads nothing"), ("1:1", "no brokers"))

    def test_properties_are_checked_by_librdkafka_and_secrets_are_not_shown(self):
        self.wrong('brokers = "b:1"\ntopics = "a"\n[kafka.properties]\nsecurty.protocol = "SSL"\n'
                   '"fetch.min.bytes" = "many"\n',
                   ("5:9", 'no property "securty.protocol"'), ("6:1", "does not take this value"))
        code, words = check('[[kafka]]\nbrokers = "b:1"\ntopics = "a"\n[kafka.properties]\n'
                            '"fetch.min.bytes" = "${env:SECRET}"\n', SECRET="hunter2")
        self.assertEqual(code, 1)
        self.assertNotIn("hunter2", words)

    def test_what_quell_decides_itself_is_not_a_property(self):
        self.wrong('brokers = "b:1"\ntopics = "a"\n[kafka.properties]\n'
                   '"enable.auto.commit" = true\ngroup.id = "x"\n',
                   ("5:1", "behind the journal"), ("6:7", "is given as group"))

    def test_what_librdkafka_would_load_or_run_is_not_a_property(self):
        self.wrong('brokers = "b:1"\ntopics = "a"\n[kafka.properties]\n'
                   'plugin.library.paths = "/tmp/evil"\nsasl.kerberos.kinit.cmd = "evil"\n'
                   'sasl.kerberos.keytab = "x; evil"\nsasl.kerberos.principal = "a/b@C.D"\n',
                   ("5:16", "would load a shared object"), ("6:21", "would run a command"),
                   ("7:15", "a shell reads it"))

    def test_a_bad_pattern_and_a_bad_tenant(self):
        self.wrong('brokers = "b:1"\ntopics = ["^a(b", { name = "x", tenant = "a/b" }]\n',
                   ("3:11", "cannot be read"), ("3:33", "tenant"))

    def test_threads_are_bounded(self):
        self.wrong('brokers = "b:1"\ntopics = "b"\nthreads = 0\n', ("4:1", "from 1 to 64"))
        many = "".join(f'[[kafka]]\nbrokers = "b:{i}"\ntopics = "b"\nthreads = 33\n'
                       for i in (1, 2))
        code, words = check(many)
        self.assertEqual(code, 1)
        self.assertIn("all [[kafka]] together have at most 64 threads", words)

    def test_a_dead_letter_topic_is_not_read(self):
        self.wrong('brokers = "b:1"\ntopics = ["^ev.*", "b"]\ndead_letter_topic = "ev.dead"\n',
                   ("4:1", "come round for ever"))
        self.wrong('brokers = "b:1"\ntopics = ["b"]\ndead_letter_topic = "^ev"\n',
                   ("4:1", "not a pattern"))

    def test_the_same_group_twice_is_refused(self):
        one = '[[kafka]]\nbrokers = "b:1"\ntopics = "a"\n'
        code, words = check(one + one)
        self.assertEqual(code, 1)
        self.assertIn("quell.toml:4:1: two [[kafka]] read the same brokers", words)
        code, words = check(one * 4)  # each once, however many it is the same as
        self.assertEqual([line.split(": ")[0] for line in words.splitlines()],
                         ["quell.toml:4:1", "quell.toml:7:1", "quell.toml:10:1"])
        words = check('[[kafka]]\nname = "a"\ntopics = "a"\n' * 3)[1]
        self.assertEqual((words.count("have the name"), words.count("the same brokers"),
                          words.count("has no brokers")), (2, 0, 3), words)

    def test_a_tenants_file_has_no_clusters(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "tenants"))
            with open(os.path.join(directory, "tenants", "acme.toml"), "w") as file:
                file.write('[tenant]\nid = "acme"\n[[kafka]]\nbrokers = "b:1"\n')
            result = subprocess.run([BINARY, "check"], cwd=directory, capture_output=True,
                                    text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn('acme.toml:3:3: unknown key "kafka"', result.stderr)
        self.assertNotIn("did you mean", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
