"""clang-tidy, as .clang-tidy asks it, has nothing to say about any C file of the rooms."""
import concurrent.futures
import json
import os
import re
import subprocess
import unittest

SOURCE, BUILD = os.environ["QUELL_SOURCE"], os.environ["QUELL_BUILD"]
ROOMS = ["core", "schemas", "signals", "dedup", "graph", "incident", "engine", "ingest", "sinks",
         "console", "bench", "cli"]
AT_ONCE = 2
COMMANDS = os.path.join(BUILD, "clang_tidy")  # the build's, without what only gcc knows


def files():
    """The C files of the rooms that the build compiles, relative to the source; COMMANDS is made."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    for command in commands:
        command["command"] = re.sub(r"\S*-mmem(?:set|cpy)-strategy=\S*", "", command["command"])
    os.makedirs(COMMANDS, exist_ok=True)
    with open(os.path.join(COMMANDS, "compile_commands.json"), "w", encoding="utf-8") as file:
        json.dump(commands, file)
    paths = {os.path.relpath(os.path.join(command["directory"], command["file"]), SOURCE)
             for command in commands}
    return sorted(path for path in paths
                  if path.endswith(".c") and path.split(os.sep)[0] in ROOMS)


def look_at(path):
    """What clang-tidy warns of, one text a warning; also when it cannot do its work."""
    result = subprocess.run(["clang-tidy-14", "--quiet", "-p", COMMANDS, os.path.join(SOURCE, path)],
                            capture_output=True, text=True)
    found = re.findall(r"^.*: (?:warning|error): .*$", result.stdout, re.M)
    if result.returncode != 0 and not found:
        found = [f"{path}: clang-tidy-14 failed: {result.stderr[-500:]}"]
    return [os.path.relpath(os.path.join(BUILD, place), SOURCE) + words
            for place, words in (re.match(r"([^:]*)(.*)", line).groups() for line in found)]


class ClangTidy(unittest.TestCase):
    def test_it_finds_what_is_wrong(self):
        bad = os.path.join(BUILD, "clang_tidy_bad.c")
        with open(bad, "w", encoding="utf-8") as file:
            file.write("unsigned long wide(int a) {\n    return (unsigned long)0 + a * a;\n}\n"
                       "int lost(int *p) {\n    return p == 0 ? *p : 0;\n}\n")
        result = subprocess.run(["clang-tidy-14", "--quiet",
                                 "--config-file=" + os.path.join(SOURCE, ".clang-tidy"), bad, "--"],
                                capture_output=True, text=True)
        os.remove(bad)
        self.assertIn("bugprone-implicit-widening", result.stdout)
        self.assertIn("clang-analyzer-core.NullDereference", result.stdout)

    def test_the_rooms_have_no_warning(self):
        paths = files()
        self.assertGreater(len(paths), 200)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            found = sorted({line for lines in pool.map(look_at, paths) for line in lines})
        if found:
            self.fail("\n" + "\n".join(found))


if __name__ == "__main__":
    os.nice(10)  # minutes of work beside tests that measure time
    unittest.main(verbosity=2)
