"""Local time by rule against Python's zoneinfo, for every zone of the system; and hostile rules."""
import datetime
import os
import random
import subprocess
import sys
import unittest
import zoneinfo

TOOL = sys.argv.pop()
FOLDER = "/usr/share/zoneinfo"


def rule_of(name):
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1].decode()


def offsets(lines):
    result = subprocess.run([TOOL], input="\n".join(lines) + "\n", text=True, check=True,
                            capture_output=True)
    return result.stdout.split()


class Zones(unittest.TestCase):
    def test_every_zone_of_the_system_agrees_with_zoneinfo(self):
        source = random.Random(11)
        lines, wanted = [], []
        names = sorted(name for name in zoneinfo.available_timezones()
                       if os.path.exists(os.path.join(FOLDER, name)))
        self.assertGreater(len(names), 300)
        for name in names:
            zone, rule = zoneinfo.ZoneInfo(name), rule_of(name)
            # From 2088 on, the rule alone says what holds in every zone file: Morocco's lists each
            # Ramadan until then.
            for _ in range(60):
                at = source.randrange(3800000000, 5000000000)
                lines.append(f"{rule} {at}")
                offset = datetime.datetime.fromtimestamp(at, zone).utcoffset()
                wanted.append(str(int(offset.total_seconds())))
        wrong = [line for line, offset, right in zip(lines, offsets(lines), wanted)
                 if offset != right]
        self.assertEqual(wrong[:3], [])

    def test_the_very_seconds_of_a_change(self):
        rule, zone = rule_of("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/Berlin")
        for year in (2026, 2027, 2028, 2100):
            for month in (3, 10):
                last = datetime.datetime(year, month, 31, 1, tzinfo=datetime.timezone.utc)
                sunday = last - datetime.timedelta(days=(last.weekday() + 1) % 7)
                for second in (-1, 0, 1):
                    at = int(sunday.timestamp()) + second
                    offset = datetime.datetime.fromtimestamp(at, zone).utcoffset()
                    self.assertEqual(offsets([f"{rule} {at}"]), [str(int(offset.total_seconds()))])

    def test_what_is_no_rule_is_refused(self):
        for rule in ("C", "CET", "CET-", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M1.1.1",
                     "CET-1CEST,M3.6.0,M1.1.1", "CET-1CEST,M3.5.7,M1.1.1", "<+03-3", "CET-999",
                     "CET-1x", ",,,", "CET-1CEST,J400,J1", "é", "CET-1CEST,M3.5.0/999,M10.5.0"):
            self.assertEqual(offsets([f"{rule} 0"]), ["bad"], rule)


if __name__ == "__main__":
    unittest.main(verbosity=2)
