#!/usr/bin/env python3
"""Instructions per operation of the hot stages: bench/instructions.py build-release/bench/micro/quell-bench

Counted by valgrind's callgrind, so the same on a busy machine as on a quiet one: each stage runs N
and 2N rounds, the difference is what the rounds cost without setting up. Valgrind knows no AVX-512:
where the CPU has it, the JSON index costs fewer than is told here. The engine maps more memory than
valgrind gives. `--json FILE` for bench/report.py.
"""
import argparse
import json
import re
import subprocess

STAGES = {"json_index": 20, "otlp_json_decode": 20, "otlp_proto_decode": 20, "native_decode": 20,
          "envelope_encode": 2000, "envelope_verify_read": 2000, "event_ids_admit_new": 20000,
          "dedup_admit_repeat": 20000, "hash128_record": 2000}


def count(binary, stage, rounds):
    """(operations, instructions) of a whole run."""
    result = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                             binary, "--only", stage, "--rounds", str(rounds)],
                            capture_output=True, text=True, check=True)
    operations = int(re.search(rf"^{stage} (\d+)$", result.stdout, re.M)[1])
    return operations, int(re.search(r"Collected : (\d+)", result.stderr)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--json")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    costs = {}
    for stage, rounds in STAGES.items():
        if not stage.startswith(options.only):
            continue
        few, more = count(options.binary, stage, rounds), count(options.binary, stage, 2 * rounds)
        costs[stage] = (more[1] - few[1]) / (more[0] - few[0])
        print(f"{stage:24} {costs[stage]:10,.1f}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(costs, file)


if __name__ == "__main__":
    main()
