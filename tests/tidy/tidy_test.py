"""The house rules as tests: who may include whom, what pure rooms may call, sizes, names."""
import fnmatch
import glob
import os
import re
import subprocess
import unittest

SOURCE, BUILD = os.environ["QUELL_SOURCE"], os.environ["QUELL_BUILD"]
BASE = ["core/base"]
BELOW = ["core/base", "schemas"]
# room -> rooms whose doors it may include
MAY_SEE = {
    "core/base": [], "schemas": BASE, "core": BELOW, "signals": BELOW, "dedup": BELOW,
    "graph": BELOW, "incident": BELOW + ["signals", "graph"],
    "engine": BELOW + ["core", "signals", "dedup", "graph", "incident"],
    "ingest": BELOW + ["core"], "sinks": BELOW + ["core"], "console": BELOW + ["core", "engine"],
}
MAY_SEE["bench"] = list(MAY_SEE)
MAY_SEE["cli"] = list(MAY_SEE)
ROOMS = list(MAY_SEE)
# The headers that others may include; a room that is not here is open to all that may see it.
DOORS = {
    "signals": ["signals.h"], "dedup": ["dedup.h"], "graph": ["graph.h"],
    "incident": ["incident.h"], "engine": ["engine.h", "view.h", "dry_run.h"],
    "ingest": ["ingest.h", "kafka.h"], "sinks": ["sinks.h", "sink.h"], "console": ["console.h"],
}
OUTSIDE = {
    "liburing.h": ["core/loop_uring.c"], "lmdb.h": ["core/store.c"],
    "xxhash.h": ["core/base/hash.c"], "http_parser.h": ["core/http_parse.c"],
    "toml++/toml.h": ["core/config_toml.cc"], "curl/curl.h": ["sinks/http_client.c"],
    "libpq-fe.h": ["sinks/postgres_link.c"],
    "librdkafka/rdkafka.h": ["core/kafka_client.c", "core/kafka_conf.c", "core/kafka_destroy.c",
                             "core/kafka_joining.c", "core/kafka_message.c", "core/kafka_producer.c"],
    "zlib.h": ["ingest/inflate.c"], "zstd.h": ["ingest/inflate_zstd.c"],
    "nghttp2/nghttp2.h": ["core/http2.c", "core/http2_session.c"],
    "mbedtls/md.h": ["core/digest.c"], "mbedtls/ssl.h": ["core/tls.c", "core/tls_client.c", "core/tls_internal.h"],
    "mbedtls/ssl_ticket.h": ["core/tls_tickets.c"],
    "urcu/urcu-memb.h": ["graph/graph_fold.c"],
}
BANNED = {"strcpy": "memcpy or struct text", "strcat": "struct text", "sprintf": "struct text",
          "strtok": "slice_find_byte", "atoi": "text_parse_u64", "gets": "read", "rand": "a seed",
          "alloca": "an arena", "strncpy": "memcpy or struct text"}
PURE = ["core/base", "schemas", "signals", "dedup", "graph", "incident"]
# All that the pure rooms may call outside themselves. An allow-list, because fortified and 64-bit
# calls have names of their own (__printf_chk, open64) that a list of forbidden names does not see.
ALLOWED = re.compile(r"mem(cpy|set|cmp|move|chr|mem)|str(len|chr)|(__)?v?snprintf(_chk)?"
                     r"|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan)_\w+")
# What one room may call beside that: base maps arenas, dies of a broken invariant, reads a number
# back; the graph waits for its readers by RCU; words are looked for with what the processor has.
ALLOWED_IN = {
    "core/base": {"mmap", "mmap64", "munmap", "madvise", "abort", "stderr", "fprintf", "__fprintf_chk",
                  "sscanf", "__isoc99_sscanf", "__cpu_model", "__cpu_indicator_init",
                  "XXH3_128bits_withSeed_dispatch"},
    "graph": {"rcu_dereference_sym", "rcu_set_pointer_sym", "urcu_memb_synchronize_rcu",
              "urcu_memb_register_thread", "urcu_memb_unregister_thread", "urcu_memb_read_lock",
              "urcu_memb_read_unlock"},
    "incident": {"__cpu_model"},
}
FUNCTION_LINES_MAX, FILE_LINES_MAX = 70, 500
# A signal handler has nobody to hand it what it needs.
MUTABLE = {"cli/crash.c"}


def files(*endings):
    found = [path for room in ROOMS for ending in endings
             for path in glob.glob(os.path.join(SOURCE, room, "*" + ending))]
    return sorted(os.path.relpath(path, SOURCE) for path in found)


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


class Tidy(unittest.TestCase):
    maxDiff = None

    def test_rooms_include_only_the_doors_they_may(self):
        wrong = []
        for path in files(".c", ".h", ".cc"):
            room = os.path.dirname(path)
            for name in re.findall(r'^#include "([^"]+)"', read(path), re.M):
                other = os.path.dirname(name)
                if other == room or other not in ROOMS:
                    continue
                if other not in MAY_SEE[room]:
                    wrong.append(f"{path} may not look into {other}")
                elif other in DOORS and os.path.basename(name) not in DOORS[other]:
                    wrong.append(f"{path}: {name} is no door of {other}")
        self.assertEqual(wrong, [])

    def test_outside_libraries_are_known_to_one_file(self):
        wrong = [f"{path} includes <{name}>" for path in files(".c", ".h", ".cc")
                 for name in re.findall(r"^#include <([^>]+)>", read(path), re.M)
                 if name in OUTSIDE and path not in OUTSIDE[name]]
        self.assertEqual(wrong, [])

    def test_banned_calls_are_not_used(self):
        wrong = [f"{path}: {call}: use {better}" for path in files(".c", ".h", ".cc")
                 for call, better in BANNED.items()
                 if re.search(rf"(?<![\w.>]){call}\s*\(", read(path))]
        self.assertEqual(wrong, [])

    def test_pure_rooms_have_no_clock_io_or_malloc(self):
        wanted, own = {}, set()
        for room in PURE:
            archive = os.path.join(BUILD, room, f"lib{os.path.basename(room)}.a")
            output = subprocess.run(["nm", archive], capture_output=True, text=True,
                                    check=True).stdout
            words = [line.split() for line in output.splitlines()]
            wanted[room] = {word[1] for word in words if len(word) == 2 and word[0] == "U"}
            own |= {word[2] for word in words if len(word) == 3 and word[1].isupper()}
            self.assertGreater(len(wanted[room]), 0, archive)
        for room in PURE:
            wrong = {symbol for symbol in wanted[room] - own - ALLOWED_IN.get(room, set())
                     if not ALLOWED.fullmatch(symbol)}
            self.assertEqual(wrong, set(), room)

    def test_each_header_compiles_alone(self):
        wrong = []
        for path in files(".h"):
            if path.endswith("_list.h"):
                continue
            result = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only",
                                     "-I", SOURCE, "-I", BUILD, "-include",
                                     os.path.join(SOURCE, path), "-x", "c", "/dev/null"],
                                    capture_output=True, text=True)
            if result.returncode != 0:
                wrong.append(f"{path}: {result.stderr[:200]}")
        self.assertEqual(wrong, [])

    def test_functions_and_files_stay_short(self):
        paths = [os.path.join(SOURCE, path) for path in files(".c")]
        tags = subprocess.run(["ctags", "--fields=+ne", "--kinds-C=f", "-o", "-", *paths],
                              capture_output=True, text=True, check=True).stdout
        spans = [(int(m[3]) - int(m[2]) + 1, m[1]) for m in
                 re.finditer(r"^(\w+)\t.*\tline:(\d+)\t.*end:(\d+)", tags, re.M)]
        self.assertGreater(len(spans), 500)
        self.assertEqual([span for span in spans if span[0] > FUNCTION_LINES_MAX], [])
        long = [(read(path).count("\n"), path) for path in files(".c", ".h", ".cc")]
        self.assertEqual([one for one in long
                          if one[0] > FILE_LINES_MAX], [])

    def test_nothing_mutable_is_global(self):
        wrong = []
        for path in files(".c", ".cc"):
            for line in re.findall(r"^(?: {4})?static (?!const\b|inline\b|struct status\b|decode_fn\b|_Noreturn\b)"
                                   r"[^()\n]*[;=]", read(path), re.M):
                if " const " not in line and "*const" not in line and path not in MUTABLE:
                    wrong.append(f"{path}: {line.strip()}")
        self.assertEqual(wrong, [])

    def test_no_file_knows_a_machine_or_a_registry(self):
        paths = [os.path.relpath(os.path.join(folder, name), SOURCE)
                 for folder, folders, names in os.walk(SOURCE) for name in names]
        skipped = re.compile(r"build|\.git/|.*__pycache__")
        words = re.compile(r"/wo" r"rk/|/ho" r"me/|pypi\.o" r"rg|npm" r"js\.|maven\.o" r"rg|"
                           r"proxy\.gol" r"ang|debian\.o" r"rg")
        wrong = []
        for path in [path for path in paths if not skipped.match(path)]:
            if path == ".git":
                continue  # a worktree says where its repository is
            with open(os.path.join(SOURCE, path), encoding="utf-8", errors="replace") as file:
                wrong += [f"{path}: {found}" for found in words.findall(file.read())]
        self.assertEqual(wrong, [])

    def test_tests_stay_short(self):
        paths = glob.glob(os.path.join(SOURCE, "tests", "*", "*.[ch]"))
        paths += glob.glob(os.path.join(SOURCE, "tests", "*", "*.py"))
        paths += glob.glob(os.path.join(SOURCE, "bench", "**", "*.[ch]"), recursive=True)
        paths += glob.glob(os.path.join(SOURCE, "bench", "**", "*.py"), recursive=True)
        wrong = []
        for path in paths:
            name = os.path.relpath(path, SOURCE)
            with open(path, encoding="utf-8") as file:
                lines = file.read().count("\n")
            if lines > FILE_LINES_MAX:
                wrong.append((lines, name))
        self.assertEqual(wrong, [])

    def test_sources_are_formatted(self):
        paths = [os.path.join(SOURCE, path) for path in files(".c", ".h", ".cc")]
        for folder in ("tests", "bench"):
            paths += glob.glob(os.path.join(SOURCE, folder, "*", "*.[ch]"))
        result = subprocess.run(["clang-format-14", "--dry-run", "--Werror", *paths],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr[:2000])

    def test_a_base_name_exists_once(self):
        names = [os.path.basename(path) for path in files(".c", ".h", ".cc")]
        self.assertEqual(sorted({name for name in names if names.count(name) > 1}), [])

    def test_each_configuration_key_is_documented(self):
        keys = re.findall(r'^CONFIG_(?:POLICY_)?KEY\("([^"]+)"', read("core/config_key_list.h"), re.M)
        self.assertGreater(len(keys), 40)
        page = read("docs/config.md")
        aliases = {"resolve_after", "reopen_window"}
        self.assertEqual([key for key in keys if f"`{key}`" not in page
                          and key.rsplit(".", 1)[-1] not in aliases], [])

    def test_each_room_has_a_short_readme(self):
        for room in ROOMS:
            self.assertLess(read(room + "/README.md").count("\n"), 60, room)

    def test_a_rooms_readme_names_each_file_and_no_other(self):
        wrong = []
        for room in ROOMS:
            rows = re.findall(r"^\|.*", read(room + "/README.md"), re.M)
            names = {os.path.basename(re.sub(r"\.[\w./*]*$", "", name)) for row in rows
                     for name in re.findall(r"`([\w*./]+)`", row)}
            own = {os.path.splitext(os.path.basename(path))[0]
                   for path in files(".c", ".h", ".cc") if os.path.dirname(path) == room}
            private = re.compile(r".*_(internal|list|state)")  # beside what they are part of
            wrong += [f"{room}/README.md does not name {one}" for one in sorted(own)
                      if not private.fullmatch(one)
                      and not any(fnmatch.fnmatch(one, name) for name in names)]
            wrong += [f"{room}/README.md: {name} is not there" for row in rows
                      for name in re.findall(r"`([\w/]+\.(?:c|h|py|fbs))`", row.split("|")[1])
                      if not glob.glob(os.path.join(SOURCE, room, "**", name), recursive=True)]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
