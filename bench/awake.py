"""Keeps every core awake while something is measured.

A virtual machine whose cores sleep between two requests is put aside by its host, for milliseconds:
on the machine of docs/performance.md a timer came 6 ms late in one of a hundred cases, and 0.1 ms
with a loop of the idle class on each core. Such a loop gives way to whatever else wants to run.
"""
import os
import subprocess


class Awake:
    def __init__(self, is_wanted=True):
        self.count = os.cpu_count() if is_wanted else 0

    def __enter__(self):
        self.loops = [subprocess.Popen(["chrt", "-i", "0", "sh", "-c", "while :; do :; done"])
                      for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        for one in self.loops:
            one.kill()
            one.wait()
