"""Bad input gets a clear error, leaves the process well, and stands in the quarantine's count."""
import gzip
import http.client
import json
import os
import socket
import unittest

from harness import SHARED, Story, failure, wait_for


class BadInput(Story):
    def setUp(self):
        self.q = self.quell("notify.group_wait=1h", "server.max_request_bytes=\"1MiB\"")

    def be_impatient(self):
        """From here on: the other tests may take their time between head and body."""
        self.q.stop()
        self.q.overrides += ["server.header_timeout=\"1s\"", "server.body_timeout=\"1s\""]
        self.q.start()

    def is_well(self):
        try:
            return self.q.request("GET", "/healthz", port=self.q.console)[0] == 200
        except http.client.RemoteDisconnected:
            return False  # an impatient one: the machine stood still between connect and request

    def tearDown(self):
        self.assertTrue(wait_for(self.is_well))

    def raw(self, data, finish=True):
        with socket.create_connection(("127.0.0.1", self.q.http), timeout=60) as connection:
            connection.sendall(data)
            if finish:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                try:
                    part = connection.recv(65536)
                except ConnectionResetError:
                    return answer
                if not part:
                    return answer
                answer += part

    def test_otlp_that_is_no_json_is_400_with_a_place(self):
        for path in ("/v1/logs", "/v1/traces", "/v1/metrics"):
            status, answer = self.q.post(path, b'{"resourceLogs":[}')
            self.assertEqual(status, 400)
            self.assertEqual(answer["code"], 3)
            self.assertIn("line 1 column", answer["message"])

    def test_native_refusals_name_index_and_reason(self):
        status, answer = self.q.post("/v1/events", [failure("good"), {"job_id": "x"},
                                                    {"job_id": "x", "status": "exploded"}, 7])
        self.assertEqual(status, 200)
        self.assertEqual((answer["accepted"], answer["rejected"]), (1, 3))
        self.assertEqual([error["index"] for error in answer["errors"]], [1, 2, 3])
        self.assertEqual(answer["errors"][1]["reason"],
                         'unknown status "exploded": it is none of started running succeeded '
                         "failed aborted skipped late missed ok degraded down")
        self.assertEqual(self.q.settle()["events_rejected"], 3)

    def test_a_line_that_is_no_json_is_told_with_its_number(self):
        lines = [failure("one"), failure("two")]
        body = json.dumps(lines[0]) + "\r\n\n" + '{"job_id":}' + "\n" + json.dumps(lines[1])
        status, text, _ = self.q.request("POST", "/v1/events", body.encode(),
                                         {"Content-Type": "application/x-ndjson"})
        answer = json.loads(text)
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 2, 1))
        self.assertIn("line 3 column 11", answer["errors"][0]["reason"])

    def test_a_line_is_refused_alone_wherever_it_stands_and_whatever_the_type_says(self):
        """A file cut by a rotation begins in the middle of an event; curl names no NDJSON."""
        number = 0
        for kind in ("application/x-ndjson", "application/json", "text/plain"):
            for bad in ('us":"failed"}', '{"job_id', '{"job_id":"a","status":"failed"', "no json",
                        "7", "{bad\n{worse"):
                good = [json.dumps(failure(f"job {number + i}")) for i in range(2)]
                number += 2
                body = "\n\r\n" + bad + "\n" + good[0] + "  \r\n\n" + good[1] + "\n"
                status, answer = self.q.post("/v1/events", body, {"Content-Type": kind})
                refused = len(bad.split("\n"))
                self.assertEqual((status, answer["accepted"], answer["rejected"]),
                                 (200, 2, refused), (kind, bad))
                self.assertIn("line 3 " if bad != "7" else "object", answer["errors"][0]["reason"])
        stats = self.q.settle()
        self.assertEqual((stats["events_accepted"], stats["events_rejected"]), (36, 21))

    def test_blank_lines_before_the_first_and_between_are_passed_over(self):
        lines = [json.dumps(failure(name)) for name in ("one", "two")]
        self.assertEqual(self.q.post("/v1/events", "\n\r\n" + "  \n \n".join(lines) + "\n\n"),
                         (200, {"accepted": 2, "rejected": 0, "errors": []}))

    def test_a_damaged_value_of_several_lines_is_one_refusal(self):
        for body in ('{"job_id":"a",\n"status":"failed",\n"details":\n{"a":1},\n}',
                     '{\n"job_id":"a"\n"status":"failed"}\n\n', '[\n{"job_id":"a"},\n{bad}]'):
            status, answer = self.q.post("/v1/events", body)
            self.assertEqual((status, answer["accepted"], answer["rejected"]), (400, 0, 1), body)
        whole = '{"job_id":"a","status":"failed","details":\n{"a":1}\n}'
        self.assertEqual(self.q.post("/v1/events", whole)[1]["accepted"], 1)

    def test_nothing_accepted_is_400(self):
        self.assertEqual(self.q.post("/v1/events", {"status": "failed"})[0], 400)
        self.assertEqual(self.q.post("/v1/events", b'[{"job_id":"a","status":"failed"},')[0], 400)
        for nothing in (b"[]", b" "):
            status, answer = self.q.post("/v1/events", nothing)
            self.assertEqual((status, answer["accepted"], len(answer["errors"])), (400, 0, 1), nothing)
        self.assertEqual(self.q.incidents(), [])

    def test_nesting_and_bad_text_are_refused(self):
        self.assertEqual(self.q.post("/v1/logs", b"[" * 100000)[0], 400)
        self.assertEqual(self.q.post("/v1/logs", b'{"a":' * 5000 + b"1" + b"}" * 5000)[0], 400)
        self.assertEqual(self.q.post("/v1/events", b'{"job_id":"\xff","status":"failed"}')[0], 400)

    def test_sizes_and_types(self):
        status, answer, _ = self.q.request("POST", "/v1/logs", b"x" * (2 << 20),
                                           {"Content-Type": "application/json"})
        self.assertEqual(status, 413)
        self.assertIn(b"larger than max_request_bytes (1048576 bytes)", answer)
        bomb = gzip.compress(b" " * (8 << 20))
        status, answer, _ = self.q.request("POST", "/v1/logs", bomb,
                                           {"Content-Type": "application/json",
                                            "Content-Encoding": "gzip"})
        self.assertEqual(status, 413)
        self.assertIn(b"max_request_bytes (1048576 bytes) when inflated", answer)
        for kind in ("text/html", "application/xml"):
            self.assertEqual(self.q.request("POST", "/v1/logs", b"{}",
                                            {"Content-Type": kind})[0], 415)
        self.assertEqual(self.q.request("GET", "/v1/logs")[0], 405)
        self.assertEqual(self.q.request("GET", "/nothing")[0], 404)

    def test_what_is_too_large_is_refused_in_the_requests_own_form(self):
        status, answer, headers = self.q.request("POST", "/v1/logs", b"x" * (2 << 20),
                                                 {"Content-Type": "application/x-protobuf"})
        self.assertEqual((status, headers["Content-Type"]), (413, "application/x-protobuf"))
        self.assertTrue(answer.startswith(b"\x08\x08\x12"), answer)  # google.rpc.Status
        for path in ("/v1/events", "/api/v2/alerts", "/api/v1/lineage"):
            status, answer, headers = self.q.request("POST", path, b"x" * (2 << 20),
                                                     {"Content-Type": "application/json"})
            self.assertEqual((status, headers["Content-Type"]), (413, "application/json"))
            self.assertEqual(json.loads(answer)["error"]["code"], "too_large")

    def test_a_target_may_name_its_host(self):
        for target, status in (("http://quell:8418/healthz?x=1", 200), ("HTTPS://quell", 200),
                               ("http://quell:8418/nothing", 404)):
            self.assertEqual(self.q.request("GET", target, port=self.q.console)[0], status, target)

    def test_gzip_is_taken(self):
        body = gzip.compress(json.dumps(failure("zipped")).encode())
        status, _, _ = self.q.request("POST", "/v1/events", body,
                                      {"Content-Type": "application/json",
                                       "Content-Encoding": "gzip"})
        self.assertEqual(status, 200)

    def test_ambiguous_requests_are_400_and_close(self):
        for head in (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                     b"Content-Length: 3\r\nContent-Length: 4\r\n",
                     b"Content-Length: +3\r\n", b"X: a\r\n folded\r\n", b"X : a\r\n",
                     b"Transfer-Encoding: chunked, chunked\r\n"):
            answer = self.raw(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nabc",
                              finish=False)
            self.assertIn(answer[9:12], (b"400", b"501"), head)
        self.assertEqual(self.raw(b"GET / HTTP/1.1\nHost: x\n\n", finish=False)[9:12], b"400")
        chunk = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertEqual(self.raw(chunk + b"zz\r\nabc\r\n0\r\n\r\n", finish=False)[9:12], b"400")

    def test_slow_senders_are_cut_off(self):
        self.be_impatient()
        body = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"
        self.assertEqual(self.raw(body, finish=False)[9:12], b"408")
        answer = self.raw(body.replace(b"/v1/events", b"/v1/logs"), finish=False)
        self.assertEqual(answer[9:12], b"503")  # an exporter would drop it behind 408
        self.assertIn(b"Retry-After: ", answer)

    def test_who_is_too_slow_within_the_headers_may_send_again(self):
        self.be_impatient()
        for begun in (b"POST /v1/lo", b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Ty"):
            answer = self.raw(begun, finish=False)
            self.assertEqual(answer[9:12], b"503", begun)
            self.assertIn(b"Retry-After: 1\r\n", answer)
            self.assertIn(b'{"code":14,', answer)

    def test_clients_that_leave_do_no_harm(self):
        for size in (1, 10, 60, 200):
            self.raw((b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
                      + b"x" * 500)[:size])

    def test_chunked_bodies_and_pipelines_work(self):
        event = json.dumps(failure("chunked")).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(event[i:i + 7]), event[i:i + 7])
                          for i in range(0, len(event), 7)) + b"0\r\n\r\n"
        one = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        answer = self.raw(one * 5)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 5)

    def test_official_examples_are_taken(self):
        folder = os.path.join(SHARED, "otlp")
        if not os.path.isdir(folder):
            self.assertNotEqual(os.environ.get("CI"), "true", folder + " is missing")
            self.skipTest(folder + " is missing")
        for name, path in (("logs", "logs"), ("events", "logs"), ("trace", "traces"),
                           ("metrics", "metrics")):
            with open(os.path.join(folder, name + ".json"), "rb") as file:
                self.assertEqual(self.q.post("/v1/" + path, file.read()), (200, {}))


if __name__ == "__main__":
    unittest.main(verbosity=2)
