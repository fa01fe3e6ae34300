#!/usr/bin/env python3
"""Makes docs/performance.md and its plots of results:

    bench/report.py micro.json whole.json peers.json

of `quell-bench --json`, `bench/end_to_end.py --json` and `bench/peers/compare.py --json`. The words
around the tables stand in docs/performance.in.md, where {{name}} is replaced. Plots are made by
gnuplot where it is installed.
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


def micro_table(results, instructions):
    rows = []
    for one in results:
        gigabytes = one["bytes_per_operation"] / one["ns_per_operation"]
        floor = f"{one['times_floor']:.1f}x {one['floor']}" if "floor" in one else ""
        rows.append([one["name"], f"{one['ns_per_operation']:,.1f} ns/{one['operation']}",
                     f"{gigabytes:.2f} GB/s", f"±{one['spread'] * 50:.0f} %", floor,
                     f"{instructions[one['name']]:,.0f}" if one["name"] in instructions else ""])
    return table(["stage", "cost", "bytes", "spread", "against its floor", "instructions"], rows)


def protocols_table(results):
    rows = []
    for name, one in results.items():
        most, half = one["max"], one["half"]
        rows.append([name, f"{most['bytes_sent'] / most['records_accepted']:.0f}",
                     f"{most['server']['records_per_cpu_second']:,}",
                     f"{most['records_per_second']:,}",
                     f"{most['server']['resident_bytes_max'] / 1e6:.0f} MB",
                     f"{half['latency_ns']['p50'] / 1e6:.2f} ms",
                     f"{half['latency_ns']['p99'] / 1e6:.2f} ms"])
    return table(["protocol", "bytes a record", "records per CPU-second", "records/s", "peak resident",
                  "p50 at half", "p99 at half"], rows)


def growth_table(points):
    return table(["value", "records per CPU-second", "peak resident"],
                 [[f"{one['value']:,}", f"{one['server']['records_per_cpu_second']:,}",
                   f"{one['server']['resident_bytes_max'] / 1e6:.0f} MB"] for one in points])


def plot(axis, label, lines):
    """Lines over one quantity: name -> points; an image, or nothing without gnuplot."""
    if not shutil.which("gnuplot"):
        return ""
    data = "".join("\n".join(f"{x} {y}" for x, y in points) + "\ne\n" for points in lines.values())
    curves = ", ".join(f"'-' with linespoints pointtype 7 title '{name}'" for name in lines)
    script = f"""set terminal svg size 640,300 background 'white'
set output '{os.path.join(DOCS, f"growth_{axis}.svg")}'
set logscale x
set yrange [0:*]
set xlabel '{axis.replace("_", " ")}'
set ylabel '{label}'
{"set key bottom left" if len(lines) > 1 else "unset key"}
plot {curves}
{data}"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return f"![{axis}](growth_{axis}.svg)\n\n"


def growth_part(axis, points):
    rates = [(one["value"], one["server"]["records_per_cpu_second"] / 1e6) for one in points]
    return plot(axis, "million records per CPU-second", {axis: rates}) + growth_table(points)


def keys_part(points):
    def cost(one, name):
        """CPU is counted in ticks of 10 ms: fewer than five say nothing."""
        return one[name] / one["keys"] * 1e6 if one[name] > 0.05 else None

    def words(one, name):
        return "–" if cost(one, name) is None else f"{cost(one, name):.2f} µs"

    lines = {title: [(one["keys"], cost(one, name)) for one in points if cost(one, name)]
             for title, name in (("a signal with a new key", "cpu_seconds"),
                                 ("a repeat", "cpu_seconds_one_key"))}
    rows = [[f"{one['keys']:,}", f"{one['bytes'] / 1e6:,.1f} MB",
             f"{one['bytes'] / one['keys']:.0f}", f"{one['bytes_all'] / 1e6:,.1f} MB",
             words(one, "cpu_seconds"), words(one, "cpu_seconds_one_key")] for one in points]
    return plot("dedup_keys", "µs of CPU a signal", lines) + table(
        ["live dedup keys", "memory for keys", "bytes a key", "all memory since the start",
         "CPU, a new key", "CPU, a repeat"], rows)


def edges_part(points):
    lines = {"added": [(one["edges"], one["ns_add"]) for one in points],
             "restored": [(one["edges"], one["ns_restore"]) for one in points],
             "searched": [(one["edges"], one["ns_search"]) for one in points],
             "searched, plain array": [(one["edges"], one["ns_search_plain"]) for one in points]}
    rows = [[f"{one['edges']:,}", f"{one['ns_add']} ns", f"{one['bytes']:.0f}",
             f"{one['fold_ms']} ms", f"{one['ns_search']:.1f} ns",
             f"{one['ns_search_plain']:.1f} ns", f"{one['ns_restore']:.0f} ns"] for one in points]
    return plot("graph_edges", "ns an edge", lines) + table(
        ["edges", "adding one", "bytes an edge", "folding all", "searching, an edge",
         "the plain array", "restoring one"], rows)


def peers_table(results):
    ours = {one["protocol"]: one["records_per_cpu_second"] for one in results
            if one["name"] == "quell"}
    rows = []
    for one in results:
        times = ours[one["protocol"]] / max(one["records_per_cpu_second"], 1)
        lost = one["requests_sent"] - one["requests_accepted"]
        rows.append([one["protocol"], one["name"], one["does"],
                     f"{one['records_per_cpu_second']:,}", f"{one['records_per_second']:,}",
                     f"{one['resident_bytes_max'] / 1e6:.0f} MB",
                     "" if one["name"] == "quell" else f"{times:.1f}×",
                     f"{lost / max(one['requests_sent'], 1) * 100:.1f} %" if lost else "none"])
    return table(["protocol", "program", "before it answers", "records per CPU-second",
                  "records/s", "peak resident", "quell does", "requests refused"], rows)


def main():
    with open(sys.argv[1]) as file:
        micro = json.load(file)
    with open(sys.argv[2]) as file:
        whole = json.load(file)
    with open(sys.argv[3]) as file:
        peers = json.load(file)
    with open(sys.argv[4]) as file:
        instructions = json.load(file)
    values = {"micro": micro_table(micro, instructions), "protocols": protocols_table(whole["protocols"]),
              "peers": peers_table(peers), "keys": keys_part(whole["keys"]),
              "edges": edges_part(whole["edges"])}
    telling = whole["telling"]
    values["telling"] = (f"{telling['told']} of {telling['signals']} signals told, p50 "
                         f"{telling['p50_ms']:.1f} ms, p99 {telling['p99_ms']:.1f} ms")
    for axis, points in whole["growth"].items():
        values["growth_" + axis] = growth_part(axis, points)
    with open(os.path.join(DOCS, "performance.in.md")) as file:
        text = file.read()
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
    with open(os.path.join(DOCS, "performance.md"), "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
