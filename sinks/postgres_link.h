/*
 * postgres_link.h - one connection to a PostgreSQL server that never blocks: one command at a time,
 * kept open between them. What it connects to is checked as sinks/guard.h says before anything is
 * sent; a host name is looked up by a thread.
 *
 * Memory: the arena of its opener; libpq's own. Thread: the sinks'.
 */
#pragma once

#include "sinks/sink.h"

struct postgres_link;

struct postgres_link_options {
    struct slice dsn;
    /* What a new connection says first: settings, schema. One script, one transaction. */
    void (*add_script)(const void *context, struct text *script);
    const void *script_context;
};

enum { POSTGRES_ROWS_PARTS = 3 };

/* One transaction. Said again it must change nothing: after a lost answer it is. All of it stays
 * the caller's, until the end. */
struct postgres_command {
    const char *words; /* one statement with parameters, or several without */
    const char *const *parameters;
    size_t parameters_count;
    struct slice rows[POSTGRES_ROWS_PARTS]; /* what the COPY FROM STDIN among the words reads */
};

/* INVALID with words, without parts of the password. */
MUST_CHECK struct status postgres_link_open(const struct postgres_link_options *options,
                                            struct arena *arena, struct postgres_link **link_out,
                                            struct fault *fault);
/* Accepts NULL. */
void postgres_link_close(struct postgres_link *link);
/* on_done says the end, also from within: DELIVERED when it is committed, GIVE_UP when the server
 * refuses the data itself, RETRY else. The watcher is only watched with. */
void postgres_link_run(struct postgres_link *link, const struct postgres_command *command,
                       struct sink_watcher *watcher,
                       void (*on_done)(void *context, enum sink_verdict verdict,
                                       struct slice words),
                       void *context);
/* The first column of the first row that the latest command gave; empty when none. */
struct slice postgres_link_answer(const struct postgres_link *link);
/* Whether the next command finds the connection open. */
bool postgres_link_is_open(const struct postgres_link *link);
/* Lets go of everything: on_done is not called. */
void postgres_link_cancel(struct postgres_link *link);
