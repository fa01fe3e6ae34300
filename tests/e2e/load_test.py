"""`quell load` against a running quell: every record it says was taken was, and once."""
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BINARY, Story


def load(*flags):
    result = subprocess.run([BINARY, "load", "--json", *flags], capture_output=True, text=True,
                            timeout=120)
    return result, json.loads(result.stdout) if result.stdout else None


class Refusing(http.server.BaseHTTPRequestHandler):
    """Takes each request but for some of its records; the answer comes in two pieces."""
    protocol_version = "HTTP/1.1"
    body = b""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body[:3])
        self.wfile.flush()
        time.sleep(0.01)
        self.wfile.write(self.body[3:])

    def log_message(self, *arguments):
        pass


class Load(Story):
    def flags(self, quell, *more):
        return ["--url", f"http://127.0.0.1:{quell.http}", "--rate", "5000", "--duration", "2s",
                "--batch", "50", "--connections", "4", *more]

    def whole_load(self, *flags):
        """A quell, and a load that was sent it whole: on a machine that stands still meanwhile some
        is never sent, which `load` calls a failure."""
        for _ in range(20):
            quell = self.quell()
            result, report = load(*self.flags(quell, *flags))
            if report is None or report["requests_unsent"] == 0:
                break
            quell.stop()
        return quell, result, report

    def test_each_protocol_is_taken_whole_and_no_record_twice(self):
        for protocol in ["otlp-json", "otlp-proto", "native"]:
            with self.subTest(protocol):
                quell, result, report = self.whole_load("--protocol", protocol, "--errors", "0.1")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(report["requests_sent"], 200)
                self.assertEqual(report["records_accepted"], 10000)
                stats = quell.settle()
                self.assertEqual(stats["events_accepted"], 10000)
                self.assertEqual(stats["events_rejected"], 0)
                self.assertEqual(stats["events_duplicate"], 0)
                # A tenth are errors: half of them single ones, the rest in half of the requests.
                self.assertGreater(stats["signals_total"], 300)
                self.assertLess(stats["signals_total"], 1700)
                self.assertGreater(stats["incidents_opened"], 0)
                self.assertGreater(report["latency_ns"]["p50"], 0)
                self.assertLessEqual(report["latency_ns"]["p99"], report["latency_ns"]["max"])

    def test_duplicates_and_tenants_are_what_was_asked_for(self):
        quell, result, _ = self.whole_load("--duplicates", "0.5", "--tenants", "3")
        self.assertEqual(result.returncode, 0, result.stderr)
        stats = quell.settle()
        self.assertGreater(stats["events_duplicate"], 3000)
        self.assertLess(stats["events_duplicate"], 7000)
        self.assertEqual(set(stats["tenants"]) - {"default"}, {"load-0", "load-1", "load-2"})

    def test_a_kept_load_is_sent_again_byte_for_byte(self):
        folder = tempfile.mkdtemp(prefix="quell-test-")
        self.addCleanup(shutil.rmtree, folder)
        kept = os.path.join(folder, "kept.load")
        quell, result, first = self.whole_load("--record", kept)
        self.assertEqual(result.returncode, 0, result.stderr)
        result, again = load(*self.flags(quell, "--replay", kept))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(again["records_accepted"], first["records_accepted"])
        self.assertEqual(again["bytes_sent"], first["bytes_sent"])
        self.assertEqual(quell.settle()["events_duplicate"], first["records_accepted"])

    def test_a_request_that_is_taken_without_some_records_is_no_success(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for body in [b'{"accepted":47,"rejected":3,"errors":[]}',
                     b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}',
                     b"\x0a\x06\x08\x03\x12\x02no"]:
            Refusing.body = body
            for _ in range(20):
                result, report = load("--url", f"http://127.0.0.1:{server.server_port}", "--rate",
                                      "500", "--batch", "50", "--duration", "300ms")
                if report["requests_unsent"] == 0:  # else the machine stood still
                    break
            self.assertEqual(result.returncode, 1)
            self.assertEqual(report["requests_sent"], 3)
            self.assertEqual((report["requests_accepted"], report["requests_rejected"]), (0, 3))
            self.assertEqual(report["records_accepted"], 3 * 47)
            self.assertIn("without some of its records", report["trouble"])

    def test_a_second_of_load_takes_a_second_however_little_is_due_in_it(self):
        _, result, report = self.whole_load("--rate", "100", "--batch", "100", "--duration", "1s")
        self.assertEqual((result.returncode, report["records_accepted"]), (0, 100), result.stderr)
        self.assertGreaterEqual(report["took_ns"], 10 ** 9)
        self.assertLessEqual(report["records_per_second"], 100)

    def test_why_all_was_rejected_is_told(self):
        quell = self.quell("auth.mode=token")
        for port, protocol, told in (
                (quell.http, "native", "the server answered 401: .*a bearer token is required"),
                (quell.http, "otlp-proto", "the server answered 401: .*a bearer token is required"),
                (quell.console, "native", "the server answered 404: ")):
            result, report = load("--url", f"http://127.0.0.1:{port}", "--rate", "500", "--duration",
                                  "300ms", "--protocol", protocol)
            self.assertEqual((result.returncode, report["requests_accepted"]), (1, 0))
            self.assertRegex(report["trouble"], told)

    def test_a_kept_load_that_is_cut_is_told_and_no_success(self):
        quell = self.quell()
        kept = os.path.join(quell.directory, "kept.load")
        load(*self.flags(quell, "--record", kept, "--rate", "1000", "--duration", "500ms"))
        with open(kept, "rb") as file:
            whole = file.read()
        first = 13 + 16 + int.from_bytes(whole[25:29], "little")
        for size in [first + 5, first + 16, first + 16 + 100]:  # in a head, behind it, in a body
            with open(kept, "wb") as file:
                file.write(whole[:size])
            result, report = load(*self.flags(quell, "--replay", kept))
            self.assertEqual(result.returncode, 1)
            self.assertIn("kept.load is cut off or damaged after request 1\n", result.stderr)
            self.assertIsNone(report)

    def test_a_slow_server_cannot_hide_who_waited(self):
        quell = self.quell()
        flags = self.flags(quell, "--connections", "1", "--rate", "1000000", "--duration", "500ms",
                           "--batch", "10")
        result, report = load(*flags)
        self.assertEqual(result.returncode, 1)  # one connection cannot take 100,000 requests/s
        self.assertEqual(report["requests_sent"] + report["requests_unsent"], 50000)
        self.assertGreater(report["latency_ns"]["p50"], 50_000_000)

    def test_mistakes_are_told_in_words(self):
        for flags, words in [(["--rate", "fast"], "--rate wants N|max"),
                             (["--rate", "0"], "--rate wants N|max"), (["--bogus"], "unknown"),
                             (["--rte", "5"], 'did you mean "--rate"? see quell load'),
                             (["--url", "https://x"], "http:// only"), (["--batch"], "--batch"),
                             (["--url", "http://127.0.0.1:1"], "cannot connect"),
                             (["--topic", "x"], "--topic goes with --kafka LIST, which is missing"),
                             (["--property", "a=b"], "--property goes with --kafka LIST"),
                             (["--replay", "/nonexistent"], "cannot read")]:
            result, report = load(*flags)
            self.assertIn(result.returncode, (1, 2))
            self.assertIn(words, result.stderr)
            self.assertIsNone(report)


if __name__ == "__main__":
    unittest.main(verbosity=2)
