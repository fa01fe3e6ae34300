"""libFuzzer over every target, starting from the kept corpus; what it finds lands in crashes/.

  python3 tests/fuzz/run_fuzz.py [--seconds 60] [--build build-fuzz] [--only http] [--seed N] [--keep DIRECTORY]

Needs clang-14; builds into build-fuzz with ASan and UBSan. Without clang: exit 77, skipped.
--keep: new inputs stay in DIRECTORY/<target> from run to run, and --shrink adds the smallest set of
them that reaches more than the kept corpus does to it.
"""
import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TARGETS = ["http", "otlp_json", "otlp_proto", "native", "toml", "block", "envelope"]
INPUT_BYTES_MAX, KEPT_BYTES_MAX = 8192, 256


def build(directory):
    if shutil.which("clang-14") is None:
        print("skipped: clang-14 is not installed")
        sys.exit(77)
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        subprocess.run(["meson", "setup", directory, SOURCE, "--buildtype=debugoptimized",
                        "-Dsanitize=address", "-Dfuzz=true"], check=True,
                       stdout=subprocess.DEVNULL,
                       env={**os.environ, "CC": "clang-14", "CXX": "clang++-14"})
    subprocess.run(["ninja", "-C", directory, "tests/fuzz/fuzz"], check=True,
                   stdout=subprocess.DEVNULL)
    return os.path.join(directory, "tests/fuzz/fuzz")


def run(binary, target, *words):
    return subprocess.run(
        [binary, *words], capture_output=True, text=True, errors="replace",
        env={**os.environ, "FUZZ_TARGET": target,
             "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1",
             "UBSAN_OPTIONS": "print_stacktrace=1"})


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fuzz(binary, target, seconds, work, seed):
    crashes = os.path.join(HERE, "crashes", target)
    os.makedirs(crashes, exist_ok=True)
    before = len(os.listdir(work))
    begin = cpu_seconds()
    result = run(binary, target, work, corpus_of(target), f"-max_total_time={seconds}",
                 f"-max_len={INPUT_BYTES_MAX}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=4096",
                 "-print_final_stats=1", f"-artifact_prefix={crashes}/")
    numbers = [line.split()[-1] for line in result.stderr.splitlines()
               if line.startswith("stat::number_of_executed_units")]
    print(f"{target}: {numbers[0] if numbers else '?'} runs in {seconds} s "
          f"({cpu_seconds() - begin:.0f} s of CPU), {len(os.listdir(work)) - before} new inputs, " +
          ("clean" if result.returncode == 0 else "FAILED\n" + result.stderr[-3000:]), flush=True)
    return result.returncode == 0


def corpus_of(target):
    return os.path.join(HERE, "corpus", target)


def shrink(binary, target, work):
    """Names are hashes of the bytes, so that the same input is there once."""
    before = len(os.listdir(corpus_of(target)))
    result = run(binary, target, "-set_cover_merge=1", "-use_counters=0", f"-max_len={KEPT_BYTES_MAX}",
                 corpus_of(target), work)
    print(f"{target}: {before} files kept before, {len(os.listdir(corpus_of(target)))} now")
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build-fuzz"))
    parser.add_argument("--binary", help="built already")
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=0, help="the same search again; 0: another")
    parser.add_argument("--keep")
    parser.add_argument("--shrink", action="store_true")
    options = parser.parse_args()
    binary = options.binary or build(options.build)
    is_good = True
    for target in TARGETS if options.only is None else [options.only]:
        with tempfile.TemporaryDirectory(prefix=f"quell-fuzz-{target}-") as nowhere:
            work = os.path.join(options.keep, target) if options.keep else nowhere
            os.makedirs(work, exist_ok=True)
            is_good = (shrink(binary, target, work) if options.shrink
                       else fuzz(binary, target, options.seconds, work, options.seed)) and is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
