"""The graph learned of spans: callers, consumers, leaf nodes; late parents, expiry, a bound."""
import http.client
import json
import time
import unittest

from harness import Story, wait_for

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)


def span(service, span_id, parent=None, kind=SERVER, trace="a" * 32, error=False, **attributes):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    one = {"traceId": trace, "spanId": f"{span_id:016x}", "name": "call", "kind": kind,
           "parentSpanId": f"{parent:016x}" if parent else "",
           "status": {"code": 2, "message": "refused"} if error else {},
           "attributes": [{"key": key.replace("_", "."), "value": {"stringValue": value}}
                          for key, value in attributes.items()]}
    return {"resource": resource, "scopeSpans": [{"spans": [one]}]}


class Learned(Story):
    def send(self, quell, *spans, **headers):
        status, answer = quell.post("/v1/traces", {"resourceSpans": list(spans)}, headers)
        self.assertEqual((status, answer), (200, {}))

    def edges(self, quell, tenant="default", origin="learned"):
        return {(edge["from"].split(":", 1)[1], edge["to"].split(":", 1)[1])
                for edge in quell.get(f"/api/v1/graph?tenant={tenant}")[1]["edges"]
                if edge["origin"] == origin}

    def expect(self, quell, *edges, **more):
        self.assertTrue(wait_for(lambda: self.edges(quell, **more) == set(edges)),
                        self.edges(quell, **more))

    def test_a_caller_depends_on_whom_it_calls(self):
        quell = self.quell()
        self.send(quell, span("shop", 1, kind=SERVER), span("shop", 2, 1, CLIENT),
                  span("cart", 3, 2), span("cart", 4, 3, INTERNAL), span("cart", 5, 3, CLIENT),
                  span("stock", 6, 5))
        self.expect(quell, ("shop", "cart"), ("cart", "stock"))

    def test_parents_may_come_later_and_by_another_request(self):
        quell = self.quell()
        self.send(quell, span("stock", 6, 5))
        self.send(quell, span("cart", 5, 3, CLIENT))
        self.send(quell, span("cart", 3, 2))
        self.send(quell, span("shop", 2, 1, CLIENT))
        self.expect(quell, ("shop", "cart"), ("cart", "stock"))

    def test_parents_and_children_may_come_to_different_threads(self):
        quell = self.quell("server.ingest_threads=2")
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                       for port in quell.thread_ports()]
        self.assertEqual(len(connections), 2)

        def send(connection, span):
            connection.request("POST", "/v1/traces", json.dumps({"resourceSpans": [span]}),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            self.assertEqual((response.status, response.read()), (200, b"{}"))

        wanted, number = set(), 1
        for i in range(20):
            for order in (False, True):
                k = 2 * i + order
                first, second = connections[i % 2], connections[(i + 1) % 2]
                caller, called = span(f"a-{i}", number, kind=CLIENT), span(f"b-{k}", number + 1, number)
                for connection, one in zip((first, second), (caller, called) if order
                                           else (called, caller)):
                    send(connection, one)
                wanted.add((f"a-{i}", f"b-{k}"))
                number += 2
        self.expect(quell, *wanted)
        for connection in connections:
            connection.close()

    def test_other_traces_and_tenants_do_not_match(self):
        quell = self.quell()
        self.send(quell, span("shop", 2, kind=CLIENT))
        self.send(quell, span("cart", 3, 2, trace="b" * 32))
        self.send(quell, span("cart", 3, 2), **{"X-Scope-OrgID": "other"})
        quell.settle()
        self.assertEqual(self.edges(quell) | self.edges(quell, "other"), set())
        self.send(quell, span("cart", 3, 2))
        self.expect(quell, ("shop", "cart"))

    def test_a_consumer_depends_on_the_producer(self):
        quell = self.quell()
        self.send(quell, span("shop", 1, kind=PRODUCER, messaging_system="kafka",
                              messaging_destination_name="orders"))
        self.send(quell, span("billing", 2, 1, CONSUMER, messaging_system="kafka",
                              messaging_destination_name="orders"))
        self.expect(quell, ("billing", "shop"), ("billing", "kafka/orders"),
                    ("kafka/orders", "shop"))

    def test_databases_and_peers_are_leaves(self):
        quell = self.quell()
        self.send(quell, span("shop", 1, kind=CLIENT, db_system="postgresql", db_name="orders"),
                  span("shop", 2, kind=CLIENT, peer_service="payments"),
                  span("cart", 3, kind=CLIENT, db_system_name="redis"),
                  span("cart", 4, kind=SERVER, peer_service="not-called"))
        self.expect(quell, ("shop", "postgresql/orders"), ("shop", "payments"), ("cart", "redis"))
        nodes = {node["entity"] for node in quell.get("/api/v1/graph")[1]["nodes"]}
        self.assertIn("db:postgresql/orders", nodes)
        self.assertIn("service:payments", nodes)

    def test_what_was_learned_joins_incidents(self):
        quell = self.quell("notify.group_wait=1s")
        self.send(quell, span("shop", 1, kind=CLIENT), span("cart", 2, 1, SERVER, error=True))
        self.send(quell, span("shop", 9, error=True))
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 1
                                 and quell.incidents()[0]["affected"]))
        incident = quell.incidents()[0]
        self.assertEqual(incident["root_cause"]["entity"], "service:cart")
        self.assertEqual([one["entity"] for one in incident["affected"]], ["service:shop"])

    def test_answers_count_spans_only_and_edges_are_told_once(self):
        quell = self.quell()
        for i in range(50):
            self.send(quell, span("shop", 2 * i + 1, kind=CLIENT), span("cart", 2 * i + 2, 2 * i + 1))
        self.assertEqual(quell.settle()["events_accepted"], 100)

    def test_what_is_not_seen_any_more_is_forgotten(self):
        quell = self.quell("graph.learned_ttl=8s")
        self.send(quell, span("shop", 1, kind=CLIENT), span("cart", 2, 1),
                  span("shop", 3, kind=CLIENT), span("mail", 4, 3))
        quell.events({"job_id": "load", "status": "ok", "depends_on": ["job:extract"]})
        self.expect(quell, ("shop", "cart"), ("shop", "mail"))

        def is_cart_alone():  # looks are 10 s apart: it is seen until the other is gone
            self.send(quell, span("shop", 10, kind=CLIENT), span("cart", 11, 10))
            time.sleep(1)
            return self.edges(quell) == {("shop", "cart")}
        self.assertTrue(wait_for(is_cart_alone, 90), self.edges(quell))
        self.assertTrue(wait_for(lambda: self.edges(quell) == set(), 90))
        self.assertEqual(self.edges(quell, origin="event"), {("load", "extract")})
        self.send(quell, span("shop", 30, kind=CLIENT), span("mail", 31, 30))
        self.expect(quell, ("shop", "mail"))

    def test_a_tenant_forgets_at_a_time_of_its_own_and_not_what_it_sees(self):
        quell = self.quell(files={"tenants/quick.toml": "[tenant]\nid = \"quick\"\n"
                                                        "[graph]\nlearned_ttl = \"6s\"\n"})
        for i in range(8):
            for tenant in ("quick", "usual"):
                self.send(quell, span("shop", 2 * i + 1, kind=CLIENT),
                          span("cart", 2 * i + 2, 2 * i + 1), **{"X-Scope-OrgID": tenant})
            time.sleep(1.2)
        for tenant in ("quick", "usual"):
            self.expect(quell, ("shop", "cart"), tenant=tenant)
        self.assertTrue(wait_for(lambda: self.edges(quell, "quick") == set(), 90))
        self.expect(quell, ("shop", "cart"), tenant="usual")

    def test_no_more_than_the_bound_is_learned(self):
        quell = self.quell("limits.learned_edges=3")
        for i in range(10):
            self.send(quell, span("shop", 2 * i + 1, kind=CLIENT), span(f"s-{i}", 2 * i + 2, 2 * i + 1))
        quell.events({"job_id": "load", "status": "ok", "depends_on": ["job:extract"]})
        self.expect(quell, ("shop", "s-0"), ("shop", "s-1"), ("shop", "s-2"))
        self.assertEqual(quell.settle()["events_rejected"], 0)
        self.assertEqual(len(quell.get("/api/v1/graph")[1]["nodes"]), 6)
        text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
        self.assertIn("quell_graph_edges_learned 3", text)

    def test_it_survives_a_restart(self):
        quell = self.quell()
        self.send(quell, span("shop", 1, kind=CLIENT), span("cart", 2, 1))
        self.expect(quell, ("shop", "cart"))
        quell.stop(9)
        quell.start()
        self.expect(quell, ("shop", "cart"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
