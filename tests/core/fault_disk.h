/*
 * fault_disk.h - a disk that lies, behind the seam of core/file.h, over real files in a directory.
 *
 * Until a file is synced every write to it may be undone, in whole or by sector, when the power is
 * cut; a name is not kept until its directory is synced. At chance calls fail: EIO, ENOSPC, a short
 * write. After a failed sync the pages are forgotten as Linux does: the next sync says "fine" and
 * keeps nothing of them. All of it follows from the seed.
 */
#pragma once

#include <stdbool.h>

#include "core/file.h"

struct fault_disk;

struct fault_disk_options {
    uint64_t seed;
    uint32_t fail_one_in; /* of writes, syncs, allocations, opens; 0: none fails */
};

struct fault_disk *fault_disk_open(const struct fault_disk_options *options);
void fault_disk_close(struct fault_disk *disk);
const struct files *fault_disk_files(struct fault_disk *disk);
/* What was not synced is kept, dropped or torn. All descriptors must be closed. */
void fault_disk_cut_power(struct fault_disk *disk);
/* Changes how often calls fail. */
void fault_disk_set_failures(struct fault_disk *disk, uint32_t fail_one_in);
/* The call of this number from now on fails with the error, whatever it does; 0: none does. Reads
 * and removals are not counted, nor do they fail. */
void fault_disk_fail_call(struct fault_disk *disk, uint32_t number, int error);
/* How many calls failed so far. */
uint32_t fault_disk_failures(const struct fault_disk *disk);
uint64_t fault_disk_random(struct fault_disk *disk);
