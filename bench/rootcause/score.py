"""Holds what quell said against the labels. Definitions stand in docs/root-cause.md."""
import collections
import dataclasses

from naive import RANKINGS


@dataclasses.dataclass
class Score:
    causes: int = 0
    top1: int = 0
    top3: int = 0
    incidents: int = 0
    members: int = 0
    false_merges: int = 0
    mixed: int = 0
    victims: int = 0
    missed: int = 0
    signals: int = 0
    messages: int = 0
    brier: float = 0.0
    apply_ns: int = 0
    naive: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def row(self):
        """Shares, as the table of docs/root-cause.md gives them."""
        causes, incidents = max(self.causes, 1), max(self.incidents, 1)
        return {"top-1": self.top1 / causes, "top-3": self.top3 / causes,
                "false merges": self.false_merges / max(self.members, 1),
                "mixed": self.mixed / incidents,
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


def strangers(scenario, incident):
    """How many reported, and how many of them the incident's commonest cause has not brought down."""
    mine = [e for e in members_of(incident) if e in scenario.label]
    held = causes_held(scenario, incident)
    most = max(held.values(), default=0)
    return len(mine), len(mine) - most


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
        members, others = strangers(scenario, incident)
        score.members += members
        score.false_merges += others
        score.mixed += others > 0
        right = is_right(scenario, incident)
        score.brier += (incident["root_cause"]["confidence"] - right) ** 2
    score.signals += len(scenario.signals)
    score.messages += answer["messages"]
    score.apply_ns += answer["apply_ns"]
    for name, rank in RANKINGS.items() if scenario.signals and scenario.causes else ():
        guesses = rank(scenario)[:len(scenario.causes)]
        score.naive[name] += len(set(guesses) & set(scenario.causes))
