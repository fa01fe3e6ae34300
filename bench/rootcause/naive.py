"""What one would do without quell: rank the entities that reported, by one simple rule each.

All of them see what quell sees, and are told how many causes there are, which quell is not.
"""
from scenario import reach, reverse


def observed(scenario):
    """Entity -> earliest event time; and the known graph among bad entities, both ways."""
    first = {}
    for _, event in scenario.signals:
        entity, time = event["entity"], event["occurred_at"]
        first[entity] = min(first.get(entity, time), time)
    return first, scenario.known, reverse(scenario.known)


def first_by_time(scenario):
    first, _, _ = observed(scenario)
    return sorted(first, key=lambda entity: (first[entity], entity))


def most_upstream(scenario):
    """Who has the most of the bad entities downstream."""
    first, _, downstream = observed(scenario)
    below = {entity: len(reach(downstream, [entity]) & set(first)) for entity in first}
    return sorted(first, key=lambda entity: (-below[entity], first[entity], entity))


def random_walk(scenario, steps=30, damping=0.85):
    """PageRank of the bad entities' known graph, walking from dependants to what they need."""
    first, upstream, _ = observed(scenario)
    ways = {entity: [u for u in upstream[entity] if u in first] for entity in first}
    rank = {entity: 1 / len(first) for entity in first}
    for _ in range(steps):
        following = {entity: (1 - damping) / len(first) for entity in first}
        for entity, ups in ways.items():
            for up in ups or [entity]:
                following[up] += damping * rank[entity] / len(ups or [entity])
        rank = following
    return sorted(first, key=lambda entity: (-rank[entity], first[entity], entity))


RANKINGS = {"first-by-time": first_by_time, "most-upstream": most_upstream,
            "random-walk": random_walk}
