"""A small run of the scoreboard with a fixed seed: floors below which no change may let it fall."""
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ["QUELL_SOURCE"], "bench", "rootcause"))
import scenario as scenarios  # noqa: E402
import score as scoring  # noqa: E402
import scoreboard  # noqa: E402

RUNS, SEED, SMALL = 60, "floor", (50, 300)


def row(**changes):
    drive = scoreboard.Drive(os.environ["QUELL_DRIVE"])
    try:
        return scoreboard.run_row(drive, scoreboard.vary(size=SMALL, **changes), RUNS, SEED).row()
    finally:
        drive.close()


class Floors(unittest.TestCase):
    def test_one_cause_is_named_with_missing_edges_and_skewed_clocks(self):
        found = row()
        self.assertGreaterEqual(found["top-1"], 0.92)
        self.assertLessEqual(found["false merges"], 0.02)
        self.assertLessEqual(found["Brier"], 0.18)
        self.assertGreater(found["signals/message"], 5)
        self.assertGreater(found["top-1"], found["first-by-time"])

    def test_two_causes_are_told_apart(self):
        found = row(causes=2)
        self.assertGreaterEqual(found["top-1"], 0.80)
        self.assertLessEqual(found["mixed"], 0.03)
        self.assertGreater(found["top-1"], found["most-upstream"])

    def test_unrelated_failures_stay_apart(self):
        found = row(noise=5.0)
        self.assertLessEqual(found["mixed"], 0.035)
        self.assertGreaterEqual(found["top-1"], 0.85)

    def test_who_could_be_of_either_cause_is_told_from_who_could_not(self):
        upstream = {"a": [], "b": [], "x": ["a", "b"], "y": ["a", "b"], "z": ["b"]}
        world = scenarios.Scenario(
            scenarios.Difficulty(), 5, upstream, [], ["a", "b"],
            {"a": {"a"}, "b": {"b"}, "x": {"b"}, "y": {"b"}, "z": {"b"}}, 0, upstream,
            {"a": 1, "b": 2, "x": 3, "y": 3, "z": 3}, {"y": "b"})
        self.assertEqual(scoring.reached_by(world, "a"), {"a", "x"})
        for entity, mixed, tellable in ("x", True, False), ("y", True, True), ("b", True, True):
            incident = {"root_cause": {"entity": "a"}, "affected": [{"entity": entity}]}
            world.label["a2"] = {"a"}
            incident["affected"].append({"entity": "a2"})
            self.assertEqual(bool(scoring.strangers(world, incident, "a")), mixed)
            self.assertEqual(scoring.is_tellable(world, incident), tellable)

    def test_a_mixed_incident_is_put_down_to_what_was_seen_of_it(self):
        def world(label, named, **said):
            signals = [(at, {"entity": entity, "occurred_at": at * scenarios.SECOND})
                       for entity, at in said.items()]
            upstream = {"a": [], "n": [], "silent": ["a"], "x": ["silent"], "y": ["x", "n"]}
            return scenarios.Scenario(
                scenarios.Difficulty(), 5, upstream, signals, ["a", "b"], label, 0,
                {entity: [] for entity in upstream}, said, named)

        def incident(root, *affected):
            return {"root_cause": {"entity": root}, "affected": [{"entity": e} for e in affected]}
        ours = {"a": {"a"}, "x": {"b"}, "y": {"a"}}
        for named, said, follows in (
                ({}, {"a": 100, "x": 200, "y": 300}, True),
                ({}, {"a": 225, "x": 200, "y": 300}, True),    # clocks differ
                ({}, {"a": 240, "x": 200, "y": 300}, False),
                ({}, {"a": 100, "x": 1010, "y": 1020}, False),  # not within the window
                ({"x": "silent"}, {"a": 100, "x": 200, "y": 300}, False),
                ({"y": "x"}, {"a": 100, "x": 200, "y": 300}, True)):
            found = scoring.reason_of(world(ours, named, **said), incident("a", "x", "y"))
            self.assertEqual(found, "two causes" + (", all follow the root" if follows else
                                                    ", not all follow the root"))
        mixed = world({"n": {"n"}, "y": {"a"}}, {}, n=1, y=2)
        self.assertEqual(scoring.reason_of(mixed, incident("n", "y")),
                         "an unrelated failure, all follow the root")
        suspected = world({"x": {"a"}, "y": {"b"}}, {}, x=1, y=2)
        self.assertEqual(scoring.reason_of(suspected, incident("silent", "x", "y")),
                         "two causes, not all follow the root")

    def test_who_is_noticed_late_dates_it_late(self):
        lags = []
        for slow in 0.0, 1.0:
            world = scenarios.make("late", scenarios.Difficulty(slow=slow, noise=0.0, skew=0.0))
            first = {event["entity"]: event["occurred_at"] for _, event in reversed(world.signals)}
            lags.append([(first[e] - world.failed[e]) / scenarios.SECOND for e in first])
        self.assertEqual(set(lags[0]), {0.0})
        self.assertTrue(all(30 <= lag <= 300 for lag in lags[1]))

    def test_with_the_whole_graph_nothing_stands_apart(self):
        found = row(missing=0.0, noise=0.0)
        self.assertEqual(found["top-1"], 1.0)
        self.assertEqual(found["missed merges"], 0.0)
        self.assertLess(found["Brier"], 0.05)

    def test_a_healthy_world_opens_no_incident(self):
        drive = scoreboard.Drive(os.environ["QUELL_DRIVE"])
        try:
            self.assertEqual(scoreboard.specificity(drive, 5, SEED), 1.0)
        finally:
            drive.close()

    def test_a_scenario_is_a_function_of_its_seed(self):
        one, same, other = (scenarios.make(seed, scenarios.Difficulty()) for seed in "aab")
        self.assertEqual(list(scenarios.lines(one)), list(scenarios.lines(same)))
        self.assertNotEqual(one.causes + [one.size], other.causes + [other.size])


if __name__ == "__main__":
    unittest.main(verbosity=2)
