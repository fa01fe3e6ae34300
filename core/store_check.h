/*
 * store_check.h - whether the file of a state store is whole, before LMDB is let near it.
 *
 * LMDB trusts its file: a flipped bit in a page can crash the process or, in its list of free
 * pages, make it write over rows that live. So at each start the file is walked page by page, as
 * LMDB 0.9 lays it out (mdb.c; data version 1): every page that the newest root reaches must say
 * its own number and kind, hold its entries inside its bounds and in order, stand in the tree once
 * and not in the free list, and every row's CRC-32C must hold. What passes, LMDB can use.
 *
 * Memory: a bit a page and a page a level. Thread: main, before the store is opened.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/file.h"
#include "core/progress.h"

struct store_check_result {
    uint64_t pages;        /* that the tree reaches */
    uint64_t rows;         /* of all tables */
    uint64_t transaction;  /* of the newest root */
    uint64_t applied_seq;  /* the journal record that it has applied last; 0: none */
    struct hash128 digest; /* of all rows with their keys, but tables meta and audit: equal states
                              have equal ones, however often the process was started */
};

/* MISSING: there is no file, or it was never written. CORRUPT with file and offset. IO. `progress`
 * may be NULL. */
MUST_CHECK struct status store_check(const struct files *files, const char *directory,
                                     const struct progress *progress,
                                     struct store_check_result *result_out, struct fault *fault);
