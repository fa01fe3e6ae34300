"""The labelled incidents of ../shared/data/rca: one incident each, with the labelled root; the mean
Jaccard index of the blast radius with the labelled one."""
import glob
import json
import os
import unittest

from harness import SHARED, Story


class RootCauses(Story):
    def test_every_labelled_root_is_found(self):
        folder = os.path.join(SHARED, "rca", "rootcausebench")
        if not os.path.isdir(folder):
            self.assertNotEqual(os.environ.get("CI"), "true", folder + " is missing")
            self.skipTest(folder + " is missing")
        with open(os.path.join(folder, "ANSWERS.json")) as file:
            answers = json.load(file)
        quell = self.quell("notify.group_wait=1h", "notify.resolve_after=2h")
        for path in sorted(glob.glob(os.path.join(folder, "*.ndjson"))):
            with open(path, "rb") as file:
                status, text, _ = quell.request("POST", "/v1/events", file.read(),
                                                {"Content-Type": "application/x-ndjson"})
            self.assertEqual((status, json.loads(text)["rejected"]), (200, 0), path)
        quell.settle()
        for tenant, answer in answers.items():
            roots = [i["root_cause"]["entity"] for i in quell.incidents("&tenant=" + tenant)]
            self.assertEqual(roots, [answer["root_cause"]], tenant)
        near = [self.nearness(quell, tenant, answer) for tenant, answer in answers.items()]
        self.assertGreaterEqual(sum(near) / len(near), 0.80)

    @staticmethod
    def nearness(quell, tenant, answer):
        incident, = quell.incidents("&tenant=" + tenant)
        graph = quell.get(f"/api/v1/graph?tenant={tenant}&direction=down&entity="
                          + answer["root_cause"])[1]
        hit = {entity["entity"] for entity in incident["affected"] + graph["nodes"]}
        hit -= {answer["root_cause"]}
        labelled = set(answer["blast_radius"])
        return len(hit & labelled) / len(hit | labelled) if hit | labelled else 1.0


if __name__ == "__main__":
    unittest.main(verbosity=2)
