"""Edge lists by POST /v1/edges: CSV, JSON, what quell has printed; what is no edge is refused."""
import json
import os
import shutil
import signal
import subprocess
import unittest

from harness import BINARY, Story, failure

CSV = """from,to
# the night run
job:load,job:extract
"job:report, daily",job:load

job:load,platform/service:warehouse
job:x
job:y,job:y
no entity,job:extract
"""


class Edges(Story):
    def setUp(self):
        self.q = self.quell("notify.group_wait=1h")

    def send(self, body, content_type, **headers):
        status, text, _ = self.q.request("POST", "/v1/edges", body,
                                         {"Content-Type": content_type, **headers})
        return status, json.loads(text)

    def edges(self, tenant="default"):
        self.q.settle()
        graph = self.q.get("/api/v1/graph?tenant=" + tenant)[1]
        return {(edge["from"], edge["to"]) for edge in graph["edges"]}, graph

    def test_csv_makes_edges_that_explain_failures(self):
        status, answer = self.send(CSV, "text/csv")
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 3, 3), answer)
        self.assertEqual([error["index"] for error in answer["errors"]], [3, 4, 5])
        self.assertIn(("job:report, daily", "job:load"), self.edges()[0])
        self.q.events(failure("load"), failure("extract"))
        self.q.settle()
        incident, = self.q.incidents()
        self.assertEqual(incident["root_cause"]["entity"], "job:extract")

    def test_what_a_spreadsheet_saves_is_taken_as_it_is(self):
        lines = '\ufefffrom,to\r\n"job:a","job:b"\r\njob:b,"job:c"\r\n\r\njob:c,job:d'
        status, answer = self.send(lines.encode(), "text/csv")
        self.assertEqual((status, answer["accepted"]), (200, 3), answer)
        self.assertEqual(self.edges()[0], {("job:a", "job:b"), ("job:b", "job:c"),
                                           ("job:c", "job:d")})
        path = os.path.join(self.q.directory, "edges.json")
        with open(path, "w", encoding="utf-8-sig") as file:
            file.write('\r\n\t[{"from":"job:d","to":"job:e"}]\r\n')
        run = subprocess.run([BINARY, "graph", "import", path, "--to", f"127.0.0.1:{self.q.http}"],
                             capture_output=True, text=True, timeout=60)
        self.assertIn("1 edge taken, 0 refused", run.stdout, run.stderr)
        lines = '\ufeff{"from":"job:e","to":"job:f"}\r\n{"from":"job:f","to":"job:g"}\r\n'
        self.assertEqual(self.send(lines.encode(), "application/x-ndjson")[1]["accepted"], 2)
        self.assertEqual(len(self.edges()[0]), 6)

    def test_a_name_whose_quotes_end_within_it_is_refused_not_cut(self):
        lines = ['"job:a ""b""",job:c', '"job:q"xyz,job:r', 'job:s,"job:t', '"job:u" , "job:v"']
        status, answer = self.send("\n".join(lines), "text/csv")
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 1, 3), answer)
        self.assertIn("quotes", answer["errors"][0]["reason"])
        self.assertEqual(self.edges()[0], {("job:u", "job:v")})

    def test_the_command_line_imports_a_file_and_says_what_was_refused(self):
        path = os.path.join(self.q.directory, "edges.csv")
        with open(path, "w") as file:
            file.write(CSV)
        run = subprocess.run([BINARY, "graph", "import", path, "--tenant", "acme", "--to",
                              f"127.0.0.1:{self.q.http}"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("3 edges taken, 3 refused", run.stdout)
        self.assertIn("edge 3: ", run.stdout)
        self.assertIn(("job:load", "job:extract"), self.edges("acme")[0])
        run = subprocess.run([BINARY, "graph", "import", path + ".missing"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("edges.csv.missing", run.stderr)
        with open(path, "w"):
            pass
        run = subprocess.run([BINARY, "graph", "import", path, "--to",
                              f"127.0.0.1:{self.q.http}"], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stderr), (1, f"quell: {path} is empty\n"))

    def test_an_import_that_is_refused_says_why(self):
        path = os.path.join(self.q.directory, "edges.csv")
        with open(path, "w") as file:
            file.write("job:a,job:b\n")

        def words(quell, port, *more):
            run = subprocess.run([BINARY, "graph", "import", path, "--to", f"127.0.0.1:{port}",
                                  *more], capture_output=True, text=True, timeout=60)
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            return run.stderr
        self.assertEqual(words(self.q, self.q.console),
                         "quell: refused (404): there is no such path: GET / lists them\n")
        self.assertRegex(words(self.q, self.q.http, "--tenant", "a b"), r"refused \(400\): \w+")
        token = self.quell("auth.mode=token")
        self.assertEqual(words(token, token.http),
                         "quell: refused (401): a bearer token is required: say it by --token or"
                         " QUELL_TOKEN\n")
        self.assertIn("(401): no tenant has this token: ", words(token, token.http, "--token", "x"))

    def remove(self, *words, code=0):
        run = subprocess.run([BINARY, "graph", "remove", *words, "--by", "kim", "--console",
                              f"127.0.0.1:{self.q.console}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stdout + run.stderr

    def test_an_edge_that_a_list_should_not_have_brought_is_taken_out(self):
        lines = "job:a,job:b\njob:b,job:c\njob:b,platform/service:x\n"
        self.send(lines, "text/csv", **{"X-Scope-OrgID": "acme"})
        self.send("job:b,job:c\nplatform/service:x,platform/service:y,platform\n", "text/csv")
        self.assertEqual(len(self.edges("acme")[0]), 3)
        self.assertIn("404", self.remove("job:a", "job:c", "--tenant", "acme", code=1))
        self.assertIn("404", self.remove("job:b", "job:a", "--tenant", "acme", code=1))
        self.assertIn("which edge", self.remove("job:b", code=2))
        # What is the platform's own is for the platform.
        self.assertIn("404", self.remove("platform/service:x", "platform/service:y", "--tenant",
                                         "acme", code=1))
        self.assertEqual(self.remove("job:b", "job:c", "--tenant", "acme"), "removed\n")
        answer = self.remove("job:b", "platform/service:x", "--tenant", "acme", "--json")
        self.assertEqual(json.loads(answer), {"result": "removed"})
        self.assertEqual(self.edges("acme")[0], {("job:a", "job:b")})
        self.assertIn(("job:b", "job:c"), self.edges()[0])
        audit = self.q.get("/api/v1/audit?tenant=acme")[1]["audit"]
        self.assertEqual([(line["by"], line["what"], line["detail"]) for line in audit],
                         [("kim", "remove edge", "job:b -> platform/service:x"),
                          ("kim", "remove edge", "job:b -> job:c")])
        self.q.stop(signal.SIGKILL)
        shutil.rmtree(os.path.join(self.q.directory, "quell-data", "shard-0", "state"))
        self.q.start()
        self.assertEqual(self.edges("acme")[0], {("job:a", "job:b")})
        self.q.events({**failure("c"), "tenant_id": "acme"}, {**failure("b"), "tenant_id": "acme"})
        self.q.settle()
        self.assertEqual(len(self.q.incidents("&tenant=acme")), 2)  # nothing binds them any more
        self.q.events({**failure("b"), "tenant_id": "acme", "depends_on": ["job:c"]})
        self.q.settle()
        self.assertEqual(self.edges("acme")[0], {("job:a", "job:b"), ("job:b", "job:c")})

    def test_an_edge_of_the_configuration_is_taken_out_there(self):
        quell = self.quell(files={"quell.toml": '[[job]]\nid = "b"\ndepends_on = ["job:a"]\n'})
        status, answer, _ = quell.request(
            "POST", "/api/v1/graph/remove?from=job:b&to=job:a", '{"by":"kim"}', port=quell.console)
        self.assertEqual(status, 409, answer)
        self.assertIn(b"depends_on", answer)

    def test_what_one_quell_prints_another_takes(self):
        self.send("job:a,job:b\njob:b,job:c\n", "text/csv")
        told, graph = self.edges()
        status, answer = self.send(json.dumps(graph), "application/json",
                                   **{"X-Scope-OrgID": "copy"})
        self.assertEqual((status, answer["accepted"]), (200, 2))
        self.assertEqual(self.edges("copy")[0], told)

    def test_the_graph_of_all_tenants_is_taken_by_another_quell(self):
        lines = ["job:a,job:b,acme", "job:b,job:c,other", "job:a,platform/service:x,acme",
                 "platform/service:x,platform/service:y,platform"]
        self.assertEqual(self.send("\n".join(lines), "text/csv")[1]["accepted"], 4)
        self.q.settle()
        graph = self.q.get("/api/v1/graph")[1]
        told = {(edge["tenant_id"], edge["from"], edge["to"]) for edge in graph["edges"]}
        self.assertEqual(told, {
            ("acme", "job:a", "job:b"), ("other", "job:b", "job:c"),
            ("acme", "job:a", "platform/service:x"),
            ("platform", "platform/service:x", "platform/service:y")})
        dot = subprocess.run([BINARY, "graph", "--console", f"127.0.0.1:{self.q.console}"],
                             capture_output=True, text=True, timeout=60).stdout
        self.assertIn('"acme/job:a" -> "acme/job:b";', dot)
        self.assertIn('"other/job:b" -> "other/job:c";', dot)
        self.assertIn('"acme/job:a" -> "platform/service:x";', dot)
        self.assertIn('"platform/service:x" -> "platform/service:y";', dot)
        self.assertIn('"acme/job:b";', dot)
        self.q = self.quell("notify.group_wait=1h")
        self.assertEqual(self.send(json.dumps(graph), "application/json")[1]["accepted"], 4)
        self.q.settle()
        self.assertEqual({(edge["tenant_id"], edge["from"], edge["to"])
                          for edge in self.q.get("/api/v1/graph")[1]["edges"]}, told)

    def test_a_graph_that_is_not_shown_whole_says_so(self):
        wide = "".join(f"job:hub,job:d{number}\n" for number in range(4097))
        deep = "".join(f"job:hub,platform/job:d{number},deep\n" for number in range(4097))
        pairs = "".join(f"job:a{number},job:b{number},round\njob:b{number},job:a{number},round\n"
                        for number in range(101))
        few = "job:hub,job:a,few\njob:a,job:hub,few\n"
        self.assertEqual(self.send(wide + deep + pairs + few, "text/csv")[1]["rejected"], 0)
        self.assertEqual([self.edges(tenant)[1]["truncated"]
                          for tenant in ("default", "deep", "round", "few")],
                         [True, True, True, False])
        self.assertEqual(len(self.edges()[0]), 4096)

    def test_arrays_lines_and_tenants(self):
        one = {"from": "job:a", "to": "job:b", "tenant_id": "acme"}
        self.assertEqual(self.send(json.dumps([one]), "application/json")[1]["accepted"], 1)
        other = {"from": "job:b", "to": "job:c", "tenant_id": "acme"}
        lines = json.dumps(one) + "\n" + json.dumps(other) + "\n"
        self.assertEqual(self.send(lines, "application/x-ndjson")[1]["accepted"], 2)
        self.assertEqual(self.edges("acme")[0], {("job:a", "job:b"), ("job:b", "job:c")})
        self.assertEqual(self.edges("other")[0], set())

    def test_damaged_json_counts_for_nothing(self):
        self.assertEqual(self.send('[{"from":"job:a","to":"job:b"},', "application/json")[0], 400)
        self.assertEqual(self.send('[{"from":"job:a"}]', "application/json")[0], 400)
        self.assertEqual(self.send("[]x", "application/json")[0], 400)
        self.assertEqual(self.send("x", "application/xml")[0], 415)
        self.assertEqual(self.edges()[0], set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
