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
