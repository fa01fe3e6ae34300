"""What gRPC asks of a server beside taking requests: health, backpressure, GOAWAY, pings, windows."""
import concurrent.futures
import signal
import struct
import time
import unittest

from harness import Story, wait_for
from http2_peer import *
from otlp_sdk import Exporters, grpc, python_packages
from otlp_wire import LOGS, SERVICES, log_request

python_packages.want("grpcio-health-checking==1.68.1", "protobuf<6")
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
WATCH = b"/grpc.health.v1.Health/Watch"
GRPC = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
LOCAL = ("grpc.use_local_subchannel_pool", 1)  # a connection of its own


class Grpc(Story):
    def channel(self, quell, *options):
        channel = grpc.insecure_channel(f"127.0.0.1:{quell.grpc}", options)
        self.addCleanup(channel.close)
        return channel

    def health(self, quell, *options):
        return health_pb2_grpc.HealthStub(self.channel(quell, *options))

    def request(self, service=""):
        return health_pb2.HealthCheckRequest(service=service)

    def export(self, channel, message, timeout=60, **more):
        invoke = channel.unary_unary(LOGS, lambda value: value, lambda value: value)
        return invoke(message, timeout=timeout, **more)

    # --- Health ---

    def test_watchers_hear_of_the_drain_and_hold_nobody_up(self):
        quell = self.quell()
        services = ("", SERVICES[1:] + "trace.v1.TraceService")
        watches = [self.health(quell, LOCAL).Watch(self.request(name)) for name in services]
        heard = [[next(watch).status] for watch in watches]
        self.assertEqual(heard, [[SERVING], [SERVING]])
        self.assertEqual(self.health(quell).Check(self.request()).status, SERVING)
        quell.process.send_signal(signal.SIGTERM)
        for watch, statuses in zip(watches, heard):
            with self.assertRaises(grpc.RpcError) as raised:
                statuses.extend(answer.status for answer in watch)
            self.assertEqual(raised.exception.code().name, "UNAVAILABLE")
        self.assertEqual(heard, [[SERVING, NOT_SERVING]] * 2)
        self.assertEqual(quell.process.wait(60), 0)

    def test_an_unknown_service_may_be_watched_but_not_checked(self):
        quell = self.quell()
        health = self.health(quell)
        for seconds in (1, 10, 60):  # the first answer, too, must come before its end
            watch = health.Watch(self.request("nobody"), timeout=seconds)
            try:
                self.assertEqual(next(watch).status, SERVICE_UNKNOWN)
                break
            except grpc.RpcError as error:
                self.assertEqual((error.code().name, seconds), ("DEADLINE_EXCEEDED", min(seconds, 10)))
        with self.assertRaises(grpc.RpcError) as raised:
            next(watch)
        self.assertEqual(raised.exception.code().name, "DEADLINE_EXCEEDED")  # it was kept open
        with self.assertRaises(grpc.RpcError) as raised:
            health.Check(self.request("nobody"))
        self.assertEqual(raised.exception.code().name, "NOT_FOUND")

    def test_a_client_that_asks_for_health_first_sends_its_logs(self):
        quell = self.quell()
        channel = self.channel(quell, ("grpc.service_config", '{"healthCheckConfig": '
                                       '{"serviceName": ""}, "loadBalancingConfig": '
                                       '[{"round_robin": {}}]}'))
        self.assertEqual(self.export(channel, log_request("api")), b"")
        self.assertEqual(quell.settle()["events_accepted"], 1)

    def test_watchers_are_bounded(self):
        quell = self.quell()
        stubs = [self.health(quell, LOCAL, ("grpc.channel_id", i)) for i in range(3)]
        watches = [stubs[i % 2].Watch(self.request()) for i in range(256)]
        for watch in watches:
            self.assertEqual(next(watch).status, SERVING)
        with self.assertRaises(grpc.RpcError) as raised:
            next(stubs[2].Watch(self.request()))
        self.assertEqual(raised.exception.code().name, "RESOURCE_EXHAUSTED")
        watches[100].cancel()

        def has_room():
            try:
                return next(stubs[2].Watch(self.request())).status == SERVING
            except grpc.RpcError:
                return False
        self.assertTrue(wait_for(has_room))
        self.assertEqual(self.export(self.channel(quell), log_request("api")), b"")

    def peer(self, quell):
        peer = Peer(quell.grpc)
        self.addCleanup(peer.socket.close)
        return peer

    def watch_by_hand(self, quell):
        peer = self.peer(quell)
        peer.send(frame(HEADERS, END_HEADERS, 1, head(WATCH, *GRPC)) +
                  frame(DATA, END_STREAM, 1, bytes(5)))
        frames = peer.read_frames(until=lambda kind, *_: kind == DATA)
        self.assertEqual(frames[-1], (DATA, 1, b"\0\0\0\0\2\x08\x01"))
        return peer

    def test_a_watcher_that_says_nothing_is_asked_whether_it_is_there(self):
        quell = self.quell("server.idle_timeout=1s")
        for _ in range(20):
            silent, present, late_seconds = self.watch_by_hand(quell), self.watch_by_hand(quell), 0
            deadline = time.time() + 6
            while time.time() < deadline and not present.ended:
                begun = time.time()
                for kind, _, payload in present.read_frames(0.2):
                    if kind == PING:
                        present.send(frame(PING, ACK, 0, payload))
                late_seconds = max(late_seconds, time.time() - begun - 0.2)
            if not present.ended or late_seconds < 0.5:  # else the machine stood still
                break
        self.assertFalse(present.ended)
        kinds = [kind for kind, *_ in silent.read_frames()]
        self.assertEqual(kinds.count(PING), 1)
        self.assertTrue(silent.ended)

    # --- Backpressure ---

    def test_overload_is_unavailable_with_the_time_to_wait(self):
        quell = self.quell(files={"tenants/acme.toml": '[tenant]\nid = "acme"\n[limits]\n'
                                                       "events_per_second = 2\n"})
        channel, metadata = self.channel(quell), [("x-scope-orgid", "acme")]
        for _ in range(2):
            self.export(channel, log_request("api"), metadata=metadata)
        with self.assertRaises(grpc.RpcError) as raised:
            for _ in range(1000):
                self.export(channel, log_request("api"), metadata=metadata)
        self.assertEqual(raised.exception.code().name, "UNAVAILABLE")
        details = dict(raised.exception.trailing_metadata())["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(details)
        self.assertEqual((status.code, status.message), (14, raised.exception.details()))
        retry = error_details_pb2.RetryInfo()
        self.assertTrue(status.details[0].Unpack(retry))
        self.assertIn(retry.retry_delay.seconds, (1, 2, 3))
        exporters = Exporters("grpc", quell.grpc, "plain", headers=(("x-scope-orgid", "acme"),))
        exporters.error_log("api", "after a while")  # the SDK waits and comes again
        self.assertEqual(exporters.results, ["SUCCESS"])

    # --- The connection ---

    def test_a_drain_says_goaway_and_answers_what_was_begun(self):
        quell = self.quell()
        peer, body = self.peer(quell), b'{"job_id":"load","status":"failed"}'
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, body[:10]))
        peer.send(frame(PING, 0, 0, bytes(8)))
        peer.read_frames(until=lambda kind, *_: kind == PING)  # all before it was taken
        quell.process.send_signal(signal.SIGTERM)
        frames = peer.read_frames(until=lambda kind, *_: kind == GOAWAY)
        self.assertEqual(frames[-1], (GOAWAY, 0, struct.pack(">II", 1, NO_ERROR)))
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, head()) +  # it is too late for that
                  frame(DATA, END_STREAM, 1, body[10:]))
        frames = peer.read_frames()
        self.assertIn((DATA, 1, b'{"accepted":1,"rejected":0,"errors":[]}'), frames)
        self.assertNotIn((HEADERS, 3), [one[:2] for one in frames])
        self.assertTrue(peer.ended)
        self.assertEqual(quell.process.wait(60), 0)

    def test_pings_are_answered_and_too_many_calm(self):
        quell = self.quell()
        peer = self.peer(quell)
        peer.read_frames(0.2)
        peer.send(frame(PING, 0, 0, bytes(8)) * 1200)  # one more than may come at once, by far
        self.assertEqual(peer.goaway(), CALM)
        pinging = self.channel(quell, LOCAL, ("grpc.keepalive_time_ms", 50),
                               ("grpc.keepalive_timeout_ms", 5000),
                               ("grpc.keepalive_permit_without_calls", 1),
                               ("grpc.http2.max_pings_without_data", 0))
        states = []  # told by a thread of the client's, some time later
        pinging.subscribe(lambda state: states.append(state.name))
        self.export(pinging, log_request("api"))
        self.assertTrue(wait_for(lambda: "READY" in states))
        del states[:]
        time.sleep(2)
        self.export(pinging, log_request("api"))
        self.assertEqual(states, [])

    def test_streams_of_a_connection_are_bounded_and_more_wait_at_the_client(self):
        quell = self.quell()
        channel = self.channel(quell)
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(self.request()) for _ in range(128)]
        for watch in watches:
            self.assertEqual(next(watch).status, SERVING)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            result = pool.submit(self.export, channel, log_request("api"))
            time.sleep(0.5)
            self.assertFalse(result.done())
            watches[0].cancel()
            self.assertEqual(result.result(), b"")
        for watch in watches:
            watch.cancel()

    def test_large_messages_pass_through_small_windows(self):
        quell = self.quell()
        channel = self.channel(quell, ("grpc.http2.write_buffer_size", 65536))
        message = log_request("api", b"m" * 1000) * 15000  # 17 MB, the windows are 1 and 8 MiB
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: self.export(channel, message, 200), range(3)))
        self.assertEqual(answers, [b""] * 3)
        self.assertEqual(quell.settle()["events_accepted"], 45000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
