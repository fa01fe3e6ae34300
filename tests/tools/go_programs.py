"""Small Go programs of the tests, built of modules from the Go module proxy, once per build folder."""
import fcntl
import os
import re
import shutil
import subprocess
import unittest


def read(path):
    with open(path) as file:
        return file.read()


def want_go(version):
    """SkipTest where there is no Go that new: no package of Debian 12 is."""
    try:
        words = subprocess.run(["go", "version"], capture_output=True, text=True).stdout
    except OSError:
        raise unittest.SkipTest("there is no Go") from None
    found = re.search(r"go(\d+)\.(\d+)", words)
    if not found or (int(found[1]), int(found[2])) < version:
        raise unittest.SkipTest(f"a newer Go is wanted than {words.strip()}")


def want(source):
    """The path of the program in the folder `source`; SkipTest when it cannot be had (a failure in
    CI, where there is Go)."""
    want_go((1, 22))
    root = os.path.join(os.environ["QUELL_BUILD"], "go")
    folder = os.path.join(root, os.path.basename(source))
    os.makedirs(folder, exist_ok=True)
    program = os.path.join(folder, "program")
    environment = {**os.environ, "GOPATH": os.path.join(root, "path"), "GOFLAGS": "-mod=mod",
                   "GOCACHE": os.path.join(root, "cache"), "GOTOOLCHAIN": "local",
                   "CGO_ENABLED": "0"}
    with open(os.path.join(root, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = ("main.go", "go.mod")
        wanted = "".join(read(os.path.join(source, name)) for name in names)
        marker = os.path.join(folder, ".source")
        if os.path.exists(program) and os.path.exists(marker) and read(marker) == wanted:
            return program
        for name in names:
            shutil.copy(os.path.join(source, name), os.path.join(folder, name))
        try:
            result = subprocess.run(["go", "build", "-o", "program", "."], cwd=folder,
                                    env=environment, capture_output=True, text=True, timeout=800)
            words = result.stderr[-400:] if result.returncode != 0 else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            words = str(error)
        if words and os.environ.get("CI"):
            raise AssertionError(f"cannot build {source}: {words}")
        if words:
            raise unittest.SkipTest(f"cannot build {source}: {words}")
        with open(marker, "w") as file:
            file.write(wanted)
    return program
