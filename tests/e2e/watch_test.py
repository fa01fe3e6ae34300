"""Folders of the configuration that another takes the place of, and changes too many to be told."""
import os
import shutil
import signal
import time
import unittest

from harness import Story, wait_for, write_whole


class Watch(Story):
    def folder(self, name, *tenants):
        path = os.path.join(self.quell_folder, name)
        os.makedirs(path)
        for tenant in tenants:
            write_whole(os.path.join(path, tenant + ".toml"), "")
        return path

    def start(self, tenants_dir="tenants", tenants="tenants"):
        quell = self.quell("tenants_dir=" + tenants_dir, files={
            "quell.toml": "", f"{tenants}/acme.toml": "", f"{tenants}/beta.toml": ""})
        self.quell_folder = quell.directory
        return quell

    def told(self, quell, tenants, times=1):
        words = f"reloaded: {tenants} tenant"
        self.assertTrue(wait_for(lambda: quell.read_log().count(words) == times, 20), quell.said())

    def test_a_folder_of_tenants_that_takes_the_place_of_another_is_read(self):
        quell = self.start()
        tenants, new = os.path.join(quell.directory, "tenants"), self.folder("new", "a", "b", "c")
        os.rename(tenants, tenants + ".old")
        os.rename(new, tenants)
        self.told(quell, 3)
        write_whole(os.path.join(tenants, "d.toml"), "")  # it is the new one that is watched
        self.told(quell, 4)
        shutil.rmtree(tenants)  # the next one may have its number
        shutil.copytree(tenants + ".old", tenants)
        self.told(quell, 2)
        write_whole(os.path.join(tenants, "d.toml"), "")
        self.told(quell, 3, 2)
        self.assertNotIn("reloaded: 0", quell.read_log())

    def test_a_link_to_a_folder_is_turned_to_the_next_version(self):
        quell = self.start("current/tenants", "v1/tenants")
        link = os.path.join(quell.directory, "current")
        self.folder("v2/tenants", "a", "b", "c")
        for count, version in enumerate(("v1", "v2", "v1"), 1):
            os.symlink(version, link + ".new")
            os.rename(link + ".new", link)
            self.told(quell, 3 if version == "v2" else 2, 2 if count == 3 else 1)

    def test_a_folder_that_is_empty_for_a_moment_leaves_no_tenant_out(self):
        quell = self.start()
        tenants = os.path.join(quell.directory, "tenants")
        shutil.rmtree(tenants)
        time.sleep(1.5)
        os.mkdir(tenants)
        time.sleep(1.5)
        for name in "abc":
            write_whole(os.path.join(tenants, name + ".toml"), "")
        self.told(quell, 3)
        self.assertNotIn("reloaded: 0", quell.read_log())
        self.assertNotIn("is refused", quell.read_log())
        for name in "abc":
            os.remove(os.path.join(tenants, name + ".toml"))
        self.told(quell, 0)  # whoever leaves it empty means it
        os.rmdir(tenants)
        write_whole(os.path.join(self.folder("tenants"), "d.toml"), "")
        self.told(quell, 1)

    def test_what_a_signal_had_read_is_not_read_once_more(self):
        quell = self.start()
        tenant = os.path.join(quell.directory, "tenants", "acme.toml")
        write_whole(tenant, "owner = 'ann'\n")
        quell.process.send_signal(signal.SIGHUP)
        self.told(quell, 2)
        write_whole(tenant, "ownr = 'ann'\n")
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused" in quell.read_log()))
        time.sleep(2)  # longer than a change is waited for
        self.assertNotIn("a changed file", quell.read_log())
        with open(tenant, "w") as file:  # a signal in the middle reads what is there
            file.write("[labels]\n")
            file.flush()
            quell.process.send_signal(signal.SIGHUP)
            self.told(quell, 2, 2)
            file.write("a = 'b'\n")
        self.told(quell, 2, 3)
        self.assertIn("configuration changed by a changed file: acme: rules", quell.read_log())

    def test_a_folder_that_does_not_come_back_is_told_of(self):
        quell = self.start()
        shutil.rmtree(os.path.join(quell.directory, "tenants"))
        self.assertTrue(wait_for(lambda: "is refused, the old one stays" in quell.read_log(), 20))
        time.sleep(1.5)
        self.assertEqual(quell.read_log().count("is refused"), 1)
        self.folder("tenants", "a")
        self.told(quell, 1)

    def test_changes_too_many_to_be_told_one_by_one_are_a_change(self):
        with open("/proc/sys/fs/inotify/max_queued_events") as file:
            most = int(file.read())
        if most > 100000:
            self.skipTest("so many changes are told one by one here")
        quell = self.start()
        tenants = os.path.join(quell.directory, "tenants")
        quell.process.send_signal(signal.SIGSTOP)
        for number in range(most // 2 + 100):
            os.mkdir(os.path.join(tenants, f"{number}"))
            os.rmdir(os.path.join(tenants, f"{number}"))
        write_whole(os.path.join(tenants, "gamma.toml"), "")
        quell.process.send_signal(signal.SIGCONT)
        self.told(quell, 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
