"""Every TOML 1.0 case of ../shared/data/toml: valid ones give the expected values, invalid ones are
refused with file, line and column."""
import json
import math
import os
import re
import subprocess
import sys

dump, folder = sys.argv[1], os.path.join(sys.argv[2], "..", "shared", "data", "toml")
if not os.path.isdir(folder):
    print(folder, "is missing")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


def plain(value):
    """Tagged values in a form in which equal things are equal."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if set(value) != {"type", "value"} or not isinstance(value["value"], str):
        return {key: plain(item) for key, item in value.items()}
    kind, text = value["type"], value["value"]
    if kind == "float":
        number = float(text)
        return kind, "nan" if math.isnan(number) else number
    if kind == "integer":
        return kind, int(text)
    if kind in ("datetime", "datetime-local", "time-local"):
        # Fractions: no digits beyond nanoseconds, no zeroes at the end.
        text = re.sub(r"(\.\d{1,9})\d*", r"\1", text.upper().replace(" ", "T"))
        text = re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", text)
        text = re.sub(r"\.(?=\D|$)", "", text)
        return kind, text.replace("+00:00", "Z").replace("-00:00", "Z")
    return kind, text


failed = []
with open(os.path.join(folder, "files-toml-1.0.0")) as file:
    names = [line.strip() for line in file if line.strip().endswith(".toml")]
for name in names:
    result = subprocess.run([dump, os.path.join(folder, name)], capture_output=True)
    if name.startswith("invalid/"):
        place = re.match(rb"file:\d+:\d+: ", result.stderr)
        if result.returncode != 1 or not place:
            failed.append(f"{name}: was taken" if not result.returncode else f"{name}: {result}")
        continue
    with open(os.path.join(folder, name[:-5] + ".json")) as file:
        wanted = plain(json.load(file))
    if result.returncode != 0:
        failed.append(f"{name}: {result.stderr.decode(errors='replace')[:200]}")
    elif plain(json.loads(result.stdout)) != wanted:
        failed.append(f"{name}: {plain(json.loads(result.stdout))} is not {wanted}"[:400])
print("\n".join(failed))
print(len(names) - len(failed), "of", len(names), "cases behave")
sys.exit(1 if failed else 0)
