/*
 * config_watch.h - notices that a file of the configuration changed: quell.toml, a file of a
 * tenant, a certificate or its key. It watches folders, because editors and configuration
 * management put new files in the place of old ones; and looks whether the folders are the same
 * ones still, because some put a new folder, or a link to one, in the place of the old.
 *
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/config.h"

enum {
    CONFIG_WATCH_FILES_MAX = 4, /* quell.toml; certificate, key, clients' authority */
    CONFIG_WATCH_PATH_BYTES_MAX = 4096,
    CONFIG_WATCH_WRITTEN_MAX = 16, /* tenants' files that somebody writes to at once */
};

struct config_watch_folder {
    int watch; /* -1: none */
    uint64_t device;
    uint64_t inode; /* 0: it is not there */
    char path[CONFIG_WATCH_PATH_BYTES_MAX];
};

struct config_watch_file {
    struct config_watch_folder folder;
    char name[256]; /* in its folder */
};

/* A tenant's file that is written in its place: who does has not closed it yet. */
struct config_watch_written {
    uint64_t name_hash;
    uint64_t at_ns; /* the latest write; 0: none */
};

struct config_watch {
    int fd; /* -1: nothing is watched */
    struct config_watch_folder tenants;
    struct config_watch_file files[CONFIG_WATCH_FILES_MAX];
    uint32_t files_count;
    bool has_tenants;    /* the configuration in force has some by files of theirs */
    uint64_t changed_ns; /* when the latest change was seen; 0: none is waiting */
    struct config_watch_written written[CONFIG_WATCH_WRITTEN_MAX];
};

/* `path` is the configuration's file, NULL when there is none. What cannot be watched is not: a
 * SIGHUP always works. */
void config_watch_open(struct config_watch *watch, const char *path, const struct config *config);
/* The configuration that is in force now may stand elsewhere: watches that. What is watched newly
 * counts as changed, for it may have been since it was read. */
void config_watch_follow(struct config_watch *watch, const char *path, const struct config *config,
                         uint64_t now_ns);
void config_watch_close(struct config_watch *watch);
/* What changed up to now is about to be read anyway: it is not due once more. What is still being
 * written is, when it ends. */
void config_watch_forget(struct config_watch *watch, uint64_t now_ns);
/* Whether something changed and then was quiet for a moment: files are often written in pieces, and
 * several at once. A tenant's file that is half written is waited for, and so are the files of
 * tenants when none is there any more; but not for ever. Asked again and again; true once a change.
 */
bool config_watch_is_due(struct config_watch *watch, uint64_t now_ns);
