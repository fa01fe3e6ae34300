"""Small file systems of a test's own: a tmpfs, and a loop device over a sparse image. Refused: the
test is skipped by name."""
import os
import subprocess
import tempfile
import time
import unittest


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


class Mount:
    def __init__(self, *options):
        self.path = tempfile.mkdtemp(prefix="quell-disk-")
        for _ in range(10):
            result = run("mount", *options, self.path)
            if "loop device" not in result.stderr:
                break
            time.sleep(0.1)  # another test may have taken the free one
        if result.returncode != 0:
            os.rmdir(self.path)
            raise unittest.SkipTest("mount is refused here: " + result.stderr.strip())

    def close(self):
        run("umount", "-l", self.path)
        try:
            os.rmdir(self.path)
        except OSError:
            pass

    def join(self, *names):
        return os.path.join(self.path, *names)

    def free(self):
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave=0):
        """A ballast file that takes all but `leave` bytes; with 0 to the last page, whatever the
        file system says is free."""
        try:
            with open(self.join("ballast"), "wb", buffering=0) as file:
                while self.free() > leave:
                    file.write(bytes(min(1 << 20, self.free() - leave)))
                while leave == 0:
                    file.write(bytes(4096))
        except OSError:
            pass  # full
        assert self.free() <= leave + (1 << 20), self.free()

    def empty(self):
        os.unlink(self.join("ballast"))


def tmpfs(mib):
    return Mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs")


def loop(image, mib):
    """ext4 on a sparse image; the image's own file system may be smaller than it says. Its blocks are
    pages of the image: Linux's loop driver takes a short write for a whole one, so a write that
    began in a page which is there already and ended where there is none would be lied about."""
    with open(image, "w") as file:
        file.truncate(mib << 20)
    made = run("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=1,nodiscard", image)
    if made.returncode != 0:
        raise unittest.SkipTest("mkfs.ext4 is not to be had: " + made.stderr.strip())
    return Mount("-o", "loop", image)
