"""Packages from PyPI for tests, installed once per build folder through pip."""
import fcntl
import hashlib
import os
import subprocess
import sys
import unittest


def want(*packages):
    """Makes the packages importable; raises SkipTest when they cannot be had (a failure in CI)."""
    # A folder for each set: pip replaces a namespace that two sets share, such as opentelemetry.
    name = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:16]
    folder = os.path.join(os.environ["QUELL_BUILD"], "python-packages", name)
    os.makedirs(folder, exist_ok=True)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with open(os.path.join(folder, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = os.path.join(folder, ".installed")
        if os.path.exists(marker):
            return
        result = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", folder,
             "--disable-pip-version-check", "--root-user-action", "ignore", *packages],
            capture_output=True, text=True)
        if result.returncode != 0:
            words = "cannot install " + " ".join(packages) + ": " + result.stderr[-300:]
            if os.environ.get("CI"):
                raise AssertionError(words)
            raise unittest.SkipTest(words)
        open(marker, "w").close()
