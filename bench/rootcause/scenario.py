"""Labelled storms: a seeded world, what breaks in it, and what quell gets to see of that.

The truth: a layered graph of domains with some hubs; causes that are no upstream of one another;
failures that spread along true edges with chance and delay. What is seen of it: edges that are
known, signals with skewed, coarse or late times, in the order in which they arrive, and noise. The
label of an entity is the set of causes whose spread reached it; a noise entity is its own cause.
"""
import dataclasses
import json
import math
import random

SECOND = 10**9
START = 1_800_000_000 * SECOND  # of the first cause; the graph is told an hour before
BUCKET = 300 * SECOND
OUTAGE = 600 * SECOND
GENERIC = ["timeout after {n}s", "connection refused", "exit code {n}", "deadline exceeded",
           "no rows in batch {n}", "HTTP 503", "SLO burn {n}x"]
OWN = ["disk full", "out of memory: killed", "schema mismatch in column c{n}",
       "certificate expired", "bad deploy: nil dereference", "quota exhausted"]


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """How hard a scenario is; the defaults are the row that the goals speak of."""
    size: tuple = (50, 5000)  # nodes, log-uniform between
    missing: float = 0.10     # share of true edges that nobody declared
    skew: float = 5.0         # clocks of entities are off by up to this many seconds, either way
    late: float = 0.10        # share of reports that arrive 30 s to 5 min late
    noise: float = 1.0        # expected unrelated bad entities
    causes: int = 1
    silent: float = 0.0       # chance that a cause reports nothing itself
    gaps: float = 0.10        # share of failing entities, other than causes, that report nothing
    mentions: float = 0.30    # share of symptoms whose message names the upstream they failed by
    storm: float = 0.30       # chance that one symptom is a hundred times louder
    coarse: float = 0.0       # chance that all times are five-minute buckets
    scores: float = 0.30      # chance that signals carry a strength
    misled: float = 0.0       # share of errors whose words are of the other sort: a cause that says
                              # "timeout", a symptom that says "disk full"
    cycles: float = 0.0       # share of entities with an edge back to something downstream
    slow: float = 0.0         # share of failing entities that are noticed late, and dated so: by
                              # 30 s to 5 min


@dataclasses.dataclass
class Scenario:
    difficulty: Difficulty
    size: int
    known: dict      # entity -> its declared upstreams
    signals: list    # (arrival_ns, event), in order of arrival
    causes: list     # entities
    label: dict      # bad entity that reported -> set of causes
    end_ns: int
    upstream: dict   # the true edges
    failed: dict     # bad entity, whether it reported or not -> when
    named: dict      # entity -> the upstream that its error names


# --- The true graph ---

def pick_upstream(rng, layers, domain, layer, hubs):
    if hubs and rng.random() < 0.15:
        return rng.choice(hubs)
    below = layer - 1 if rng.random() < 0.7 else rng.randrange(layer)
    same = [n for n in layers[below] if domain[n] == domain[layers[layer][-1]]]
    return rng.choice(same if same and rng.random() < 0.85 else layers[below])


def make_graph(rng, size, cycles):
    depth = max(4, round(1 + math.log2(size) * 0.75))
    domains = max(2, size // 40)
    layers, domain, upstream, hubs = [[] for _ in range(depth)], {}, {}, []
    for number in range(size):
        layer = min(number * depth // size, depth - 1)
        home = rng.randrange(domains)
        kind = ["service", "job", "dataset", "check"][home % 2 + (2 if rng.random() < 0.2 else 0)]
        node = f"{kind}:d{home:03d}-{'abcdefghijklmnop'[layer]}{number:05d}"
        layers[layer].append(node)
        domain[node] = home
        wanted = 0 if layer == 0 else rng.choices([1, 2, 3, 4], [4, 3, 2, 1])[0]
        upstream[node] = sorted({pick_upstream(rng, layers, domain, layer, hubs)
                                 for _ in range(wanted)})
        if layer <= 1 and rng.random() < 0.02 + 2 / size:
            hubs.append(node)
    downstream = reverse(upstream)
    for node in rng.sample(sorted(upstream), round(cycles * size)):
        below = sorted(reach(downstream, [node]) - {node})
        if below:
            upstream[node].append(rng.choice(below))
    return upstream


def reverse(edges):
    back = {node: [] for node in edges}
    for node, others in edges.items():
        for other in others:
            back[other].append(node)
    return back


def reach(edges, starts):
    seen, front = set(starts), list(starts)
    while front:
        for other in edges[front.pop()]:
            if other not in seen:
                seen.add(other)
                front.append(other)
    return seen


# --- What breaks ---

class Storm:
    """Failures spreading from all causes at once. An entity fails once, at the first wave; an edge
    passes trouble on or does not, once, whoever's trouble it is."""

    def __init__(self, rng, downstream, starts):
        self.failed = {}   # entity -> (time, the upstream it failed by, hops)
        self.passed = {}   # entity -> dependants that its failure reached
        front = [(at, cause, None, 0) for cause, at in starts.items()]
        while front:
            front.sort(reverse=True)
            time, node, parent, hops = front.pop()
            if node in self.failed:
                continue
            self.failed[node] = (time, parent, hops)
            self.passed[node] = [other for other in downstream[node]
                                 if rng.random() < 0.8 * 0.9**hops]
            for other in self.passed[node]:
                median = 60 if other.startswith(("job", "dataset")) else 15
                delay = int(median * math.exp(rng.gauss(0, 0.7)) * SECOND)
                front.append((time + delay, other, node, hops + 1))
        self.label = {}
        for cause in starts:
            for node in reach(self.passed, [cause]):
                self.label.setdefault(node, set()).add(cause)

    def is_storm(self, causes, children_min):
        """Each cause brings down something, that much of it directly."""
        return all(len(reach(self.passed, [cause])) >= 4 and
                   sum(parent == cause for _, parent, _ in self.failed.values()) >= children_min
                   for cause in causes)


def choose_causes(rng, upstream, downstream, count, needs_fanout):
    """Nodes with something below them, none upstream of another, sharing victims half the time."""
    nodes = [n for n in sorted(upstream) if len(downstream[n]) >= (3 if needs_fanout else 1)]
    rng.shuffle(nodes)
    chosen, below = [], {}
    for shares in ([rng.random() < 0.5] + [False]):
        for node in nodes:
            if len(chosen) == count:
                return chosen
            mine = reach(downstream, [node])
            if len(mine) < 4 or any(node in below[c] or c in mine for c in chosen):
                continue
            if shares and chosen and not any(mine & below[c] for c in chosen):
                continue
            chosen.append(node)
            below[node] = mine
    return chosen


# --- What is seen of it ---

def name_of(entity):
    return entity.split(":", 1)[1]


class Reporter:
    """Turns a failing entity into events with the times and words that its sources give it."""

    def __init__(self, rng, difficulty):
        self.rng, self.difficulty = rng, difficulty
        self.coarse = rng.random() < difficulty.coarse
        self.scores = rng.random() < difficulty.scores
        self.signals, self.offsets, self.named = [], {}, {}

    def stamp(self, entity, time):
        skew = self.difficulty.skew
        offset = self.offsets.setdefault(entity, int(self.rng.uniform(-skew, skew) * SECOND))
        return (time + offset) // BUCKET * BUCKET if self.coarse else time + offset

    def words(self, entity, hops, parent):
        n = self.rng.randrange(2, 90)
        if self.difficulty.misled and self.rng.random() < self.difficulty.misled:
            return self.rng.choice(GENERIC if hops == 0 else OWN).format(n=n), "Other"
        if hops == 0:
            return self.rng.choice(OWN).format(n=n), "Own"
        if parent is not None and self.rng.random() < self.difficulty.mentions:
            self.named[entity] = parent
            return f"upstream {name_of(parent)} failed after {n}s", "Upstream"
        return self.rng.choice(GENERIC).format(n=n), "Generic"

    def report(self, entity, time, status, message, kind, score, repeats, gap_s):
        delay = self.rng.expovariate(1.0)
        if self.rng.random() < self.difficulty.late:
            delay += self.rng.uniform(30, 300)
        for i in range(repeats):
            when = time + int(i * gap_s * SECOND)
            event = {"entity": entity, "status": status, "error_type": kind, "message": message,
                     "occurred_at": self.stamp(entity, when),
                     "event_id": f"{entity}#{len(self.signals)}"}
            if self.scores:
                event["details"] = {"score": round(score * self.rng.uniform(0.9, 1.0), 2)}
            self.signals.append((when + int(delay * SECOND), event))

    def fail(self, entity, time, parent, hops, is_loud):
        message, kind = self.words(entity, hops, parent)
        is_service = entity.startswith("service")
        status = "failed" if hops == 0 or self.rng.random() < 0.8 else \
            self.rng.choice(["degraded", "down"] if is_service else ["late", "aborted"])
        score = self.rng.uniform(8, 30) * 0.8**hops
        repeats, gap = (10, 60) if is_service else (self.rng.randrange(1, 3), 120)
        if self.difficulty.slow and self.rng.random() < self.difficulty.slow:
            time += int(self.rng.uniform(30, 300) * SECOND)
        self.report(entity, time, status, message, kind, score, repeats, gap)
        if is_loud:
            self.report(entity, time, status, message, kind, score, 200, 0.6)

    def noise(self, entity, time):
        status = self.rng.choices(["failed", "degraded", "late"], [1, 2, 1])[0]
        message, kind = self.words(entity, self.rng.randrange(2), None)
        self.report(entity, time, status, message, kind, self.rng.uniform(2, 5), 1, 60)


def see_graph(rng, upstream, missing):
    return {n: [u for u in ups if rng.random() >= missing] for n, ups in upstream.items()}


def make(seed, difficulty):
    rng = random.Random(seed)
    low, high = difficulty.size
    size = round(math.exp(rng.uniform(math.log(low), math.log(high))))
    upstream = make_graph(rng, size, difficulty.cycles)
    downstream = reverse(upstream)
    silent = rng.random() < difficulty.silent
    causes = choose_causes(rng, upstream, downstream, difficulty.causes, silent)
    reporter = Reporter(rng, difficulty)
    starts = {cause: START + int(rng.uniform(0, 300) * SECOND) for cause in causes}
    for _ in range(50):
        storm = Storm(rng, downstream, starts)
        if storm.is_storm(causes, 3 if silent else 1):
            break
    symptoms = sorted(node for node in storm.failed if node not in causes)
    loud = rng.choice(symptoms) if symptoms and rng.random() < difficulty.storm else None
    label = {}
    for node in sorted(storm.failed):
        if (silent and node in causes) or \
                (node not in causes and node != loud and rng.random() < difficulty.gaps):
            continue
        label[node] = storm.label[node]
        time, parent, hops = storm.failed[node]
        reporter.fail(node, time, parent, hops, node == loud)
    healthy = sorted(set(upstream) - reach(downstream, causes))
    noisy = sum(rng.random() < difficulty.noise / 20 for _ in range(20))
    failed = {node: time for node, (time, _, _) in storm.failed.items()}
    for node in rng.sample(healthy, min(noisy, len(healthy))):
        label[node] = {node}
        failed[node] = START + int(rng.uniform(-600, 600) * SECOND)
        reporter.noise(node, failed[node])
    signals = sorted(reporter.signals, key=lambda signal: signal[0])
    end_ns = max([START] + [at for at, _ in signals]) + 60 * SECOND
    return Scenario(difficulty, size, see_graph(rng, upstream, difficulty.missing), signals,
                    causes, label, end_ns, upstream, failed,
                    reporter.named)


def lines(scenario):
    """What the driver is told: healthy runs that declare the graph, then the storm."""
    told = START - 3600 * SECOND
    for node, ups in scenario.known.items():
        status = "ok" if node.startswith("service") else "succeeded"
        event = {"entity": node, "status": status, "depends_on": ups, "occurred_at": told}
        yield f"@ {told} {json.dumps(event)}\n"
    yield "!\n"
    for at, event in scenario.signals:
        yield f"@ {at} {json.dumps(event)}\n"
    yield f". {scenario.end_ns}\n?\n"
