"""Small Go programs of the tests, built of modules from the Go module proxy, once per build folder."""
import fcntl
import os
import shutil
import subprocess
import unittest


def read(path):
    with open(path) as file:
        return file.read()


def want(source):
    """The path of the program in the folder `source`; SkipTest when it cannot be had (a failure in
    CI)."""
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
