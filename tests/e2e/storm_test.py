"""A cascade of forty jobs is one incident, whichever order its failures arrive in."""
import random
import time
import unittest

from harness import Story, failure, wait_for

JOBS = 40


def cascade(tenant, prefix="job"):
    def name(number):
        return f"{prefix}_{number:02}"
    return [failure(name(number), *([name((number - 1) // 2)] if number else []),
                    tenant_id=tenant, event_id=f"{prefix}-{number}") for number in range(JOBS)]


class Storm(Story):
    def check_one_incident(self, quell, tenant):
        incidents = quell.incidents("&tenant=" + tenant)
        self.assertEqual([incident["root_cause"]["entity"] for incident in incidents],
                         ["job:job_00"], tenant)
        self.assertEqual(len(incidents[0]["affected"]), JOBS - 1, tenant)
        self.assertEqual(incidents[0]["status"], "open")

    def test_every_order_gives_one_incident_with_its_root(self):
        quell = self.quell("notify.group_wait=1h")
        orders = {}
        for start in range(JOBS):
            events = cascade(f"rotation{start}")
            orders[f"rotation{start}"] = events[start:] + events[:start]
        seed = random.randrange(1 << 32)
        print("seed", seed)
        chance = random.Random(seed)
        for number in range(200):
            events = cascade(f"random{number}")
            chance.shuffle(events)
            orders[f"random{number}"] = events
        for events in orders.values():
            quell.events(*events)
        quell.settle()
        for tenant in orders:
            self.check_one_incident(quell, tenant)

    def test_failures_that_come_one_request_each_are_one_incident_too(self):
        quell = self.quell("notify.group_wait=1h")
        events = cascade("acme")
        for event in reversed(events):
            quell.events(event)
        quell.settle()
        self.check_one_incident(quell, "acme")

    def test_repeats_give_no_further_message(self):
        receiver = self.receiver()
        quell = self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + receiver.url)
        quell.events(failure("load"))
        self.assertTrue(wait_for(lambda: receiver.messages))
        for start in range(0, 1000, 100):
            quell.events(*[failure("load", event_id=f"r{start + i}") for i in range(100)])
        quell.settle()
        time.sleep(1)
        self.assertEqual(receiver.types(), ["opened"])
        self.assertEqual(receiver.errors, [])
        incident, = quell.incidents()
        self.assertEqual(incident["signals"], {"total": 1001, "unique": 1, "suppressed": 1000})

    def test_two_unrelated_cascades_are_two_incidents(self):
        quell = self.quell("notify.group_wait=1h")
        mixed = [event for pair in zip(cascade("acme", "a"), cascade("acme", "b"))
                 for event in pair]
        random.Random(7).shuffle(mixed)
        quell.events(*mixed)
        quell.settle()
        roots = sorted(i["root_cause"]["entity"] for i in quell.incidents())
        self.assertEqual(roots, ["job:a_00", "job:b_00"])
        self.assertEqual([len(i["affected"]) for i in quell.incidents()], [39, 39])


if __name__ == "__main__":
    unittest.main(verbosity=2)
