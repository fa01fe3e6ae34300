/*
 * load_file.h - the request file of open_loop.h: written while a load runs, read to replay it.
 *
 * Memory: one request at a time. One thread.
 */
#pragma once

#include <stdio.h>

#include "core/base/fault.h"

enum { LOAD_FILE_REQUEST_BYTES_MAX = 128 << 20 };

struct load_file {
    FILE *file;  /* owned */
    char *bytes; /* the request read last; owned */
    uint32_t capacity;
};

struct load_file_entry {
    uint64_t due_ns;
    uint32_t records;
    struct slice bytes; /* valid until the next read */
};

/* IO with words; INVALID when what is there is no request file. */
MUST_CHECK struct status load_file_create(const char *path, struct load_file *file_out,
                                          struct fault *fault);
MUST_CHECK struct status load_file_open(const char *path, struct load_file *file_out,
                                        struct fault *fault);
void load_file_close(struct load_file *file);
/* Flushes and says whether all was written. */
MUST_CHECK struct status load_file_finish(struct load_file *file);
void load_file_add(struct load_file *file, const struct load_file_entry *entry);
/* END after the last; CORRUPT when the file is cut off. */
MUST_CHECK struct status load_file_next(struct load_file *file, struct load_file_entry *entry_out);
