"""The oracle of all reliability tests: what was acknowledged, what came of it, what was told.

A *cause* is a root job that fails with a few jobs behind it; every event has an id of its own. The
obligations file gets a line for each event that is about to be sent and one for each that was
acknowledged with a 2xx, before anything else happens. After the drain:

  lost       an acknowledged event whose entity is in no incident, or an incident never told
  phantom    an incident, or a message, about an entity that was never sent
  duplicate  one cause with two incidents, an event applied twice, one telling under two ids
"""
import json
import os
import threading


class Oracle:
    def __init__(self, path):
        self.file = open(path, "a")
        self.lock = threading.Lock()
        self.sent, self.acknowledged = set(), set()

    def write(self, kind, events):
        with self.lock:
            for event in events:
                self.file.write(f"{kind} {event}\n")
            self.file.flush()
            (self.sent if kind == "sent" else self.acknowledged).update(events)

    def judge(self, incidents, opened):
        """incidents: of the API; opened: incident id -> {message id: payload} of the receiver."""
        verdict = {"lost": [], "phantom": [], "duplicate": []}
        home = {}
        for incident in incidents:
            members = [incident["root_cause"]["entity"]]
            members += [one["entity"] for one in incident["affected"]]
            for entity in members:
                name = entity.removeprefix("job:")
                if name not in self.sent:
                    verdict["phantom"].append(entity)
                if name in home:
                    verdict["duplicate"].append(f"{entity} in {home[name]} and {incident['id']}")
                home[name] = incident["id"]
            total = incident["signals"]["total"]
            if total != len(members):
                verdict["duplicate"].append(f"{total} signals of {len(members)} entities in "
                                            + incident["id"])
        known = {incident["id"] for incident in incidents}
        verdict["lost"] += sorted(self.acknowledged - set(home))
        verdict["lost"] += [f"{one} was never told" for one in sorted(known - set(opened))]
        verdict["phantom"] += [f"a message about {one}" for one in sorted(set(opened) - known)]
        verdict["duplicate"] += [f"{one} told as {sorted(messages)}"
                                 for one, messages in opened.items() if len(messages) > 1]
        return verdict


def report(verdict, oracle, incidents, opened):
    """One line of numbers, then what is wrong; True when nothing is."""
    print(f"acknowledged {len(oracle.acknowledged)} of {len(oracle.sent)} sent, "
          f"{len(incidents)} incidents, {len(opened)} told; "
          + ", ".join(f"{kind} {len(found)}" for kind, found in verdict.items()), flush=True)
    for kind, found in verdict.items():
        for line in found[:10]:
            print(f"  {kind}: {line}")
    return not any(verdict.values())


def cause(name, count):
    """Names of a root job and the jobs behind it."""
    return [f"{name}.{number}" for number in range(count)]


def native_body(names):
    events = [{"job_id": name, "status": "failed", "event_id": name, "error_type": "Boom",
               "message": "boom", "depends_on": ["job:" + names[0]] if number else []}
              for number, name in enumerate(names)]
    return "/v1/events", json.dumps(events).encode()


def text_attribute(key, value):
    return {"key": key, "value": {"stringValue": value}}


def otlp_body(names):
    """OTLP knows no dependencies, so each of its causes is one job."""
    records = [{"timeUnixNano": "1700000000000000000", "severityNumber": 17,
                "body": {"stringValue": "boom"},
                "attributes": [text_attribute("job.id", name), text_attribute("event.id", name),
                               text_attribute("job.status", "failed"),
                               text_attribute("error.type", "Boom")]} for name in names]
    scope = {"scopeLogs": [{"logRecords": records}]}
    return "/v1/logs", json.dumps({"resourceLogs": [scope]}).encode()


def free_space(path):
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize
