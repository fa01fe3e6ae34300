"""An oracle that finds nothing is worth nothing: it must see each kind of harm."""
import os
import tempfile
import unittest

from oracle import Oracle


def incident(number, *entities, signals=None):
    return {"id": f"inc_{number}", "root_cause": {"entity": "job:" + entities[0]},
            "affected": [{"entity": "job:" + one} for one in entities[1:]],
            "signals": {"total": signals or len(entities)}}


class OracleSees(unittest.TestCase):
    def judge(self, incidents, opened):
        with tempfile.TemporaryDirectory() as directory:
            oracle = Oracle(os.path.join(directory, "obligations"))
            oracle.write("sent", ["a", "b", "c"])
            oracle.write("acknowledged", ["a", "b"])
            verdict = oracle.judge(incidents, opened)
            oracle.file.close()
        return {kind: len(found) for kind, found in verdict.items()}

    def test_nothing_when_all_is_well_also_what_was_sent_but_not_acknowledged(self):
        none = {"lost": 0, "phantom": 0, "duplicate": 0}
        told = {"inc_1": {"m1": ""}}
        self.assertEqual(self.judge([incident(1, "a", "b")], told), none)
        self.assertEqual(self.judge([incident(1, "a", "b", "c")], told), none)

    def test_a_lost_event(self):
        self.assertEqual(self.judge([incident(1, "a")], {"inc_1": {"m1": ""}})["lost"], 1)

    def test_an_incident_that_was_never_told(self):
        self.assertEqual(self.judge([incident(1, "a", "b")], {})["lost"], 1)

    def test_an_entity_and_a_message_that_nobody_sent(self):
        self.assertEqual(self.judge([incident(1, "a", "b", "x")], {"inc_1": {"m1": ""},
                                                                   "inc_9": {"m2": ""}})
                         ["phantom"], 2)

    def test_two_incidents_of_one_cause(self):
        told = {"inc_1": {"m1": ""}, "inc_2": {"m2": ""}}
        self.assertEqual(self.judge([incident(1, "a", "b"), incident(2, "a")], told)
                         ["duplicate"], 1)

    def test_an_event_that_was_applied_twice(self):
        self.assertEqual(self.judge([incident(1, "a", "b", signals=3)], {"inc_1": {"m1": ""}})
                         ["duplicate"], 1)

    def test_one_telling_under_two_ids(self):
        self.assertEqual(self.judge([incident(1, "a", "b")], {"inc_1": {"m1": "", "m2": ""}})
                         ["duplicate"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
