"""What a command would not look at is refused: nobody is to believe that it was done."""
import subprocess
import unittest

from harness import BINARY


class Words(unittest.TestCase):
    def test_a_word_too_many_and_flags_that_do_not_go_together_end_with_2(self):
        time = "2027-01-01T00:00:00Z"
        for words, told in ((("graph", "import", "a.csv", "b.csv"), 'not also "b.csv"'),
                            (("graph", "job:a", "job:b"), 'not also "job:b"'),
                            (("silence", "add", "--for", "1h", "--end", time), "not both"),
                            (("check", "--at", time), "--at goes with --explain"),
                            (("check", "a.toml", "--config", "b.toml"), 'not also "a.toml"'),
                            (("check", "--data", "x", "a.toml"), 'not also "a.toml"')):
            result = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual((result.returncode, result.stdout), (2, ""), words)
            self.assertIn(told, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


if __name__ == "__main__":
    unittest.main()
