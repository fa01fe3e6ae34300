"""Packages from the npm registry for tests, installed once per build folder."""
import fcntl
import os
import subprocess
import unittest


def want(*packages):
    """The folder whose node_modules has them; SkipTest when they cannot be had (a failure in CI)."""
    folder = os.path.join(os.environ["QUELL_BUILD"], "node-packages")
    os.makedirs(folder, exist_ok=True)
    marker = os.path.join(folder, ".installed")
    wanted = "\n".join(packages)
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(marker) and open(marker).read() == wanted:
            return folder
        try:
            result = subprocess.run(
                ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent",
                 "--ignore-scripts", *packages], capture_output=True, text=True, timeout=200)
            words = result.stderr[-300:] if result.returncode != 0 else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            words = str(error)
        if words:
            if os.environ.get("CI"):
                raise AssertionError("cannot install from npm: " + words)
            raise unittest.SkipTest("cannot install from npm: " + words)
        with open(marker, "w") as file:
            file.write(wanted)
    return folder
