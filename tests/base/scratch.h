/*
 * scratch.h - a directory of a test's own, in the working directory: on a real disk, where /tmp may
 * be none.
 *
 * Its name holds the process: what a test that died left behind is taken away by the next that runs
 * there.
 */
#pragma once

#include "tests/base/unit.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_NAME "scratch-%ld-"

static inline int scratch_remove_one(const char *path, const struct stat *about, int type,
                                     struct FTW *walk) {
    (void)about;
    (void)type;
    (void)walk;
    (void)remove(path);
    return 0;
}

/* The directory and all that is in it; nothing when there is none. */
static inline void scratch_remove(const char *path) {
    (void)nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the dead left. */
static inline void scratch_sweep(void) {
    DIR *stream = opendir(".");
    for (struct dirent *entry = stream == NULL ? NULL : readdir(stream); entry != NULL;
         entry = readdir(stream)) {
        long process = 0;
        if (sscanf(entry->d_name, SCRATCH_NAME, &process) == 1 && process > 0 &&
            kill((pid_t)process, 0) != 0 && errno == ESRCH) {
            scratch_remove(entry->d_name);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
}

/* A new directory, whose path is written to path[size]: 64 bytes are enough. */
static inline void scratch_make(char *path, size_t size) {
    scratch_sweep();
    (void)snprintf(path, size, SCRATCH_NAME "XXXXXX", (long)getpid());
    assert_non_null(mkdtemp(path));
}
