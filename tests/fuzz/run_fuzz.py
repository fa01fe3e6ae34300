"""libFuzzer over every target, starting from the kept corpus; what it finds lands in crashes/.

  python3 tests/fuzz/run_fuzz.py [--seconds 60] [--build build-fuzz] [--only http]

Needs clang-14; builds into build-fuzz with ASan and UBSan. Without clang: exit 77, skipped.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TARGETS = ["http", "otlp_json", "otlp_proto", "native", "toml", "block", "envelope"]


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


def fuzz(binary, target, seconds):
    work = tempfile.mkdtemp(prefix=f"quell-fuzz-{target}-")
    crashes = os.path.join(HERE, "crashes", target)
    os.makedirs(crashes, exist_ok=True)
    result = subprocess.run(
        [binary, work, os.path.join(HERE, "corpus", target), f"-max_total_time={seconds}",
         "-max_len=8192", "-timeout=10", "-rss_limit_mb=4096", "-print_final_stats=1",
         f"-artifact_prefix={crashes}/"],
        env={**os.environ, "FUZZ_TARGET": target,
             "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1"},
        capture_output=True, text=True)
    numbers = [line.split()[-1] for line in result.stderr.splitlines()
               if line.startswith("stat::number_of_executed_units")]
    print(f"{target}: {numbers[0] if numbers else '?'} runs in {seconds} s, "
          f"{len(os.listdir(work))} new inputs kept, " +
          ("clean" if result.returncode == 0 else "FAILED\n" + result.stderr[-3000:]), flush=True)
    shutil.rmtree(work)
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build-fuzz"))
    parser.add_argument("--only")
    options = parser.parse_args()
    build(options.build)
    binary = os.path.join(options.build, "tests/fuzz/fuzz")
    results = [fuzz(binary, target, options.seconds) for target in TARGETS
               if options.only in (None, target)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
