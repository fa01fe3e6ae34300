#!/usr/bin/env python3
"""Makes docs/performance.md and its plots of results: bench/report.py micro.json end_to_end.json

micro.json comes from `quell-bench --json`, end_to_end.json from `bench/end_to_end.py --json`. The
words around the tables stand in docs/performance.in.md, where {{name}} is replaced. Plots are made
by gnuplot where it is installed.
"""
import json
import os
import re
import shutil
import subprocess
import sys

DOCS = os.path.join(os.path.dirname(__file__), "..", "docs")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def micro_table(results):
    rows = []
    for one in results:
        gigabytes = one["bytes_per_operation"] / one["ns_per_operation"]
        floor = f"{one['times_floor']:.1f}x {one['floor']}" if "floor" in one else ""
        rows.append([one["name"], f"{one['ns_per_operation']:,.1f} ns/{one['operation']}",
                     f"{gigabytes:.2f} GB/s", f"±{one['spread'] * 50:.0f} %", floor])
    return table(["stage", "cost", "bytes", "spread", "against its floor"], rows)


def protocols_table(results):
    rows = []
    for name, one in results.items():
        most, half = one["max"], one["half"]
        rows.append([name, f"{most['server']['records_per_cpu_second']:,}",
                     f"{most['records_per_second']:,}",
                     f"{most['server']['resident_bytes_max'] / 1e6:.0f} MB",
                     f"{half['latency_ns']['p50'] / 1e6:.2f} ms",
                     f"{half['latency_ns']['p99'] / 1e6:.2f} ms"])
    return table(["protocol", "records per CPU-second", "records/s", "peak resident",
                  "p50 at half", "p99 at half"], rows)


def growth_table(points):
    return table(["value", "records per CPU-second", "peak resident"],
                 [[f"{one['value']:,}", f"{one['server']['records_per_cpu_second']:,}",
                   f"{one['server']['resident_bytes_max'] / 1e6:.0f} MB"] for one in points])


def plot_growth(axis, points):
    data = "\n".join(f"{one['value']} {one['server']['records_per_cpu_second'] / 1e6}"
                     for one in points)
    path = os.path.join(DOCS, f"growth_{axis}.svg")
    script = f"""set terminal svg size 640,300 background 'white'
set output '{path}'
set logscale x
set yrange [0:*]
set xlabel '{axis}'
set ylabel 'million records per CPU-second'
unset key
plot '-' with linespoints pointtype 7
{data}
e
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return f"![{axis}](growth_{axis}.svg)"


def main():
    with open(sys.argv[1]) as file:
        micro = json.load(file)
    with open(sys.argv[2]) as file:
        whole = json.load(file)
    values = {"micro": micro_table(micro), "protocols": protocols_table(whole["protocols"])}
    telling = whole["telling"]
    values["telling"] = (f"{telling['told']} of {telling['signals']} signals told, p50 "
                         f"{telling['p50_ms']:.1f} ms, p99 {telling['p99_ms']:.1f} ms")
    values["keys"] = table(["live dedup keys", "memory", "bytes a key"],
                           [[f"{one['keys']:,}", f"{one['bytes'] / 1e6:.1f} MB",
                             f"{one['bytes'] / one['keys']:.0f}"] for one in whole["keys"]])
    for axis, points in whole["growth"].items():
        plot = plot_growth(axis, points) + "\n\n" if shutil.which("gnuplot") else ""
        values["growth_" + axis] = plot + growth_table(points)
    with open(os.path.join(DOCS, "performance.in.md")) as file:
        text = file.read()
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
    with open(os.path.join(DOCS, "performance.md"), "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
