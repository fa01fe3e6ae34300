"""The scoreboard: python3 bench/rootcause/scoreboard.py --drive build/bench/rootcause/quell-bench-drive

Each row of graded difficulty is `--runs` scenarios from `--seed`; the base row is what the goals
speak of. --rca FOLDER adds the real cases, --json prints numbers for machines, --rows picks rows.
"""
import argparse
import dataclasses
import glob
import json
import os
import subprocess
import sys
import tempfile

import scenario as scenarios
import score as scoring

BASE = scenarios.Difficulty()


def vary(**changes):
    return dataclasses.replace(BASE, **changes)


ROWS = {
    "base: 1 cause, 10 % missing, 5 s skew": BASE,
    "2 causes": vary(causes=2),
    "3 causes": vary(causes=3),
    "size 50": vary(size=(50, 50)),
    "size 500": vary(size=(500, 500)),
    "size 5000": vary(size=(5000, 5000)),
    "missing 0 %": vary(missing=0.0),
    "missing 20 %": vary(missing=0.2),
    "missing 30 %": vary(missing=0.3),
    "missing 10 %, no mentions": vary(mentions=0.0),
    "missing 30 %, no mentions": vary(missing=0.3, mentions=0.0),
    "skew 0 s": vary(skew=0.0),
    "skew 30 s": vary(skew=30.0),
    "late 0 %": vary(late=0.0),
    "late 50 %": vary(late=0.5),
    "noise 0": vary(noise=0.0),
    "noise 5": vary(noise=5.0),
    "silent cause": vary(silent=1.0),
    "silent cause, nothing missing": vary(silent=1.0, missing=0.0),
    "coarse times": vary(coarse=1.0),
    "coarse times, 2 causes": vary(coarse=1.0, causes=2),
    "scores always": vary(scores=1.0),
    "scores never": vary(scores=0.0),
    "storm always": vary(storm=1.0),
    "misleading words 30 %": vary(misled=0.3),
    "misleading words 30 %, 2 causes": vary(misled=0.3, causes=2),
    "cycles 5 %": vary(cycles=0.05),
    "noticed late 20 %": vary(slow=0.2),
    "noticed late 20 %, 2 causes": vary(slow=0.2, causes=2),
    "hard: 3 causes, 30 % missing, 30 s, late 50 %, noise 5":
        vary(causes=3, missing=0.3, skew=30.0, late=0.5, noise=5.0),
}
HEALTHY = vary(causes=0, noise=0.0)


class Drive:
    """The engine behind its virtual clock (drive.c)."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="quell-bench-")
        self.process = subprocess.Popen([binary, self.folder.name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def run(self, lines):
        self.process.stdin.writelines(lines)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the driver ended")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        code = self.process.wait()
        self.folder.cleanup()
        return code


def say_strangers(scenario, answer, seed):
    """Who stands where it does not belong, whose it is, and what it says."""
    said = {event["entity"]: event["message"] for _, event in reversed(scenario.signals)}
    for incident in answer["list"]["incidents"]:
        for cause in scoring.commonest_causes(scenario, incident)[:1]:
            tied = scoring.reached_by(scenario, cause)
            for entity in sorted(scoring.strangers(scenario, incident, cause)):
                print(f"  mixed: seed {seed}, storm of {cause}: {entity} of "
                      f"{sorted(scenario.label[entity])} says {said[entity]!r}"
                      f"{', could be of either' if entity in tied else ''}", file=sys.stderr)


def run_row(drive, difficulty, runs, seed, verbose=False):
    total = scoring.Score()
    for number in range(runs):
        scenario = scenarios.make(f"{seed}/{number}", difficulty)
        before, mixed = total.top1, total.mixed
        answer = drive.run(scenarios.lines(scenario))
        scoring.add(total, scenario, answer)
        if verbose and total.top1 - before < len(scenario.causes):
            print(f"  wrong: seed {seed}/{number}, {scenario.size} entities", file=sys.stderr)
        if verbose and total.mixed > mixed:
            say_strangers(scenario, answer, f"{seed}/{number}")
    if verbose:
        print(f"  {total.mixed} of {total.incidents} incidents mixed: {dict(total.reasons)}",
              file=sys.stderr)
    return total


def specificity(drive, runs, seed):
    """Share of healthy worlds in which no incident is opened."""
    quiet = 0
    for number in range(runs):
        answer = drive.run(scenarios.lines(scenarios.make(f"{seed}/{number}", HEALTHY)))
        quiet += not answer["list"]["incidents"]
    return quiet / runs


# --- The real cases ---

def run_case(drive, events):
    """The events in the order of the file, each received when it occurred, or later."""
    at, lines = scenarios.START, []
    for event in events:
        at += 10**6
        lines.append(f"@ {at} {json.dumps(event)}\n")
    return drive.run(lines + [f". {at + 20 * scenarios.SECOND}\n?\n"])["list"]["incidents"]


def blast_radius(incidents, events):
    """Names of what quell counts as failing or at risk: affected, and downstream of the root."""
    upstream = {event["entity"]: [] for event in events}
    for event in events:
        for other in event.get("depends_on", []):
            upstream.setdefault(other, [])
            upstream[event["entity"]].append(other)
    downstream = scenarios.reverse(upstream)
    names = set()
    for incident in incidents:
        root = incident["root_cause"]["entity"]
        mine = {a["entity"] for a in incident["affected"]} | scenarios.reach(downstream, [root])
        assert len(mine | {root}) == incident["blast_radius"]["total"], incident
        names |= mine - {root}
    return names


def jaccard(left, right):
    return len(left & right) / len(left | right) if left | right else 1.0


def run_cases(drive, folder, out):
    with open(os.path.join(folder, "ANSWERS.json"), encoding="utf-8") as file:
        answers = json.load(file)
    right, affected, blast = 0, [], []
    for tenant, answer in sorted(answers.items()):
        with open(os.path.join(folder, tenant + ".ndjson"), encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        incidents = run_case(drive, events)
        roots = [incident["root_cause"]["entity"] for incident in incidents]
        hit = {a["entity"] for i in incidents for a in i["affected"]}
        labelled = set(answer["blast_radius"])
        affected.append(jaccard(hit - {answer["root_cause"]}, labelled))
        blast.append(jaccard(blast_radius(incidents, events), labelled))
        right += roots == [answer["root_cause"]]
        print(f"  {tenant:42} {blast[-1]:.2f} {affected[-1]:.2f} {'' if roots == [answer['root_cause']] else roots}",
              file=out)
    return {"cases": len(answers), "roots": right, "jaccard": sum(blast) / len(blast),
            "jaccard of affected alone": sum(affected) / len(affected)}


# --- Printing ---

def print_table(rows, out):
    if not rows:
        return
    names = list(next(iter(rows.values())))
    print("| row | " + " | ".join(names) + " |", file=out)
    print("| --- |" + " ---: |" * len(names), file=out)
    for title, row in rows.items():
        cells = [f"{row[n]:.1f}" if n == "signals/message" else f"{row[n]:.2f}" if n ==
                 "ms/incident" else f"{row[n]:.3f}" for n in names]
        print(f"| {title} | " + " | ".join(cells) + " |", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drive", required=True, help="the driver that the build has made")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--rows", default="", help="only rows whose name contains this")
    parser.add_argument("--rca", default="", help="folder with ANSWERS.json and <case>.ndjson")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="say which scenarios went wrong")
    options = parser.parse_args()
    if options.rca and not os.path.exists(os.path.join(options.rca, "ANSWERS.json")):
        parser.error(f"--rca {options.rca}: there is no ANSWERS.json in it")
    drive = Drive(options.drive)
    rows = {}
    for title, difficulty in ROWS.items():
        if options.rows in title:
            rows[title] = run_row(drive, difficulty, options.runs, options.seed,
                                  options.verbose).row()
            print(title, file=sys.stderr)
    result = {"rows": rows, "specificity": specificity(drive, max(options.runs // 4, 5),
                                                       options.seed)}
    if options.rca:
        result["rca"] = run_cases(drive, options.rca, sys.stderr)
    code = drive.close()
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print_table(rows, sys.stdout)
        print(f"\nspecificity {result['specificity']:.3f}  rca {result.get('rca')}")
    return code


if __name__ == "__main__":
    sys.exit(main())
