/*
 * dry_run.h - journal records once more, through other rules, into a state of their own that is
 * thrown away: what would have become of yesterday's events?
 *
 * Begins with nothing known and the given configuration in force. Events and operators' silences
 * are applied with their own stamps; ticks come when the rules want them; configurations and
 * delivery outcomes of the journal are left out. Nothing is told to any sink.
 *
 * Thread: one.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/outbox.h"

struct dry_run_options {
    const char *journal_directory;
    const char *scratch_directory; /* there, empty, the caller's to remove */
    struct config *config;
    uint64_t hash_seed;
    uint64_t from_seq; /* records */
    uint64_t to_seq;
    uint64_t from_ns; /* and stamps within */
    uint64_t to_ns;
    const struct logger *logger;
    void *context;
    /* Each incident at the end, as the API gives it; each message that would have gone out. */
    void (*on_incident)(void *context, struct slice json);
    void (*on_message)(void *context, const struct outbox_message *message);
};

struct dry_run_report {
    uint64_t first_seq; /* of the records applied; 0: none */
    uint64_t last_seq;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t records;
    uint64_t events;
    uint64_t damaged; /* places of the journal that could not be read */
};

/* Runs to the end of the range on the caller's thread; reads the journal, writes only to the
 * scratch directory. INVALID, IO, FULL with a fault; the report then says how far it came. */
MUST_CHECK struct status dry_run(const struct dry_run_options *options,
                                 struct dry_run_report *report_out, struct fault *fault);
