"""Holds what quell said against the labels. Definitions stand in docs/root-cause.md."""
import collections
import dataclasses

from naive import RANKINGS
from scenario import SECOND

WINDOW_NS = 900 * SECOND  # correlate.window, as shipped
CLOCKS_NS = 30 * SECOND   # what fails so much before its cause follows it: incident/bond.c


@dataclasses.dataclass
class Score:
    causes: int = 0
    top1: int = 0
    top3: int = 0
    incidents: int = 0
    members: int = 0
    false_merges: int = 0
    mixed: int = 0
    tellable: int = 0
    victims: int = 0
    missed: int = 0
    signals: int = 0
    messages: int = 0
    brier: float = 0.0
    apply_ns: int = 0
    naive: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def row(self):
        """Shares, as the table of docs/root-cause.md gives them."""
        causes, incidents = max(self.causes, 1), max(self.incidents, 1)
        return {"top-1": self.top1 / causes, "top-3": self.top3 / causes,
                "false merges": self.false_merges / max(self.members, 1),
                "mixed": self.mixed / incidents, "tellable": self.tellable / incidents,
                "missed merges": self.missed / max(self.victims, 1),
                "signals/message": self.signals / max(self.messages, 1),
                "Brier": self.brier / incidents, "ms/incident": self.apply_ns / incidents / 1e6,
                **{name: self.naive[name] / causes for name in RANKINGS}}


def members_of(incident):
    """Entities that reported: the root too, unless it is only suspected."""
    return {incident["root_cause"]["entity"]} | {a["entity"] for a in incident["affected"]}


def causes_held(scenario, incident):
    """Cause -> how many of the incident's reporting entities it has brought down."""
    held = collections.Counter()
    for entity in members_of(incident):
        held.update(scenario.label.get(entity, ()))
    return held


def main_incident(scenario, incidents, cause):
    """The incident that holds most of what this cause, and no other, has brought down."""
    def weight(incident):
        members = [e for e in members_of(incident) if cause in scenario.label.get(e, ())]
        return (sum(len(scenario.label[e]) == 1 for e in members), len(members),
                cause in members, incident["id"])
    best = max(incidents, key=weight, default=None)
    return best if best is not None and weight(best)[1] > 0 else None


def commonest_causes(scenario, incident):
    """As a rule one; several that hold as many."""
    held = causes_held(scenario, incident)
    return sorted(cause for cause in held if held[cause] == max(held.values()))


def strangers(scenario, incident, cause):
    """Who reported and was not brought down by the cause."""
    return {e for e in members_of(incident) if cause not in scenario.label.get(e, {cause})}


def reached_by(scenario, cause):
    """Who may have failed by the cause for all that can be seen from outside: it depends in truth
    on someone of whom that is so, who failed before it; its error names no one else; and it is no
    cause itself."""
    reached = {cause}
    for entity in sorted(scenario.failed, key=lambda e: (scenario.failed[e], e)):
        ways = reached & set(scenario.upstream[entity])
        is_cause = entity in scenario.causes or scenario.label.get(entity) == {entity}
        if not is_cause and scenario.named.get(entity) in ways | {None} and \
                any(scenario.failed[way] <= scenario.failed[entity] for way in ways):
            reached.add(entity)
    return reached


def is_tellable(scenario, incident):
    """Whether a stranger in it could have been told from the rest."""
    return any(strangers(scenario, incident, cause) - reached_by(scenario, cause)
               for cause in commonest_causes(scenario, incident))


def told_above(scenario, told, entity):
    """Who reported, upstream of it over known edges, with none between who reported."""
    found, seen, front = set(), {entity}, [entity]
    while front:
        for other in set(scenario.known[front.pop()]) - seen:
            seen.add(other)
            if other in told:
                found.add(other)
            else:
                front.append(other)
    return found


def is_followed(scenario, incident):
    """Whether its root explains all of it for all that quell sees: known edges lead up from each
    member, past silent ones, to one that is explained and failed before it, by what they say
    themselves, within the window; and its error names no one else."""
    told = {event["entity"]: event["occurred_at"] for _, event in reversed(scenario.signals)}
    explained, rest = {incident["root_cause"]["entity"]}, members_of(incident) & set(told)
    while True:
        found = {entity for entity in rest - explained
                 for above in told_above(scenario, told, entity) & explained
                 if scenario.named.get(entity) in explained | {None} and
                 -CLOCKS_NS <= told[entity] - told[above] <= WINDOW_NS}
        if not found:
            return rest <= explained
        explained |= found


def reason_of(scenario, incident):
    """Why an incident is mixed, in the words of docs/root-cause.md."""
    if not is_tellable(scenario, incident):
        return "could be of either"
    unrelated = any(scenario.label.get(entity) == {entity} and entity not in scenario.causes
                    for entity in members_of(incident))
    follow = "all" if is_followed(scenario, incident) else "not all"
    return f"{'an unrelated failure' if unrelated else 'two causes'}, {follow} follow the root"


def is_right(scenario, incident):
    """Its root is a cause, and the one of most of its members."""
    held = causes_held(scenario, incident)
    root = incident["root_cause"]["entity"]
    return held[root] > 0 and held[root] == max(held.values())


def add(score, scenario, answer):
    incidents = answer["list"]["incidents"]
    for cause in scenario.causes:
        score.causes += 1
        incident = main_incident(scenario, incidents, cause)
        mine = {e for e, causes in scenario.label.items() if causes == {cause}}
        score.victims += len(mine)
        if incident is None:
            score.missed += len(mine)
            continue
        score.missed += len(mine - members_of(incident))
        root = incident["root_cause"]
        ranked = [root["entity"]] + [a["entity"] for a in root["alternatives"]]
        score.top1 += ranked[0] == cause
        score.top3 += cause in ranked[:3]
    for incident in incidents:
        score.incidents += 1
        score.members += len(members_of(incident) & set(scenario.label))
        for cause in commonest_causes(scenario, incident)[:1]:
            others = strangers(scenario, incident, cause)
            score.false_merges += len(others)
            score.mixed += len(others) > 0
            score.tellable += len(others) > 0 and is_tellable(scenario, incident)
            if others:
                score.reasons[reason_of(scenario, incident)] += 1
        right = is_right(scenario, incident)
        score.brier += (incident["root_cause"]["confidence"] - right) ** 2
    score.signals += len(scenario.signals)
    score.messages += answer["messages"]
    score.apply_ns += answer["apply_ns"]
    for name, rank in RANKINGS.items() if scenario.signals and scenario.causes else ():
        guesses = rank(scenario)[:len(scenario.causes)]
        score.naive[name] += len(set(guesses) & set(scenario.causes))
