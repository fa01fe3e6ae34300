/*
 * postgres_events.h - events as rows of PostgreSQL's binary COPY, and the words around them.
 *
 * The rows go into a temporary table and from there, those that are new, into quell_events; the
 * place in the journal moves on in the same transaction. So an event is there once, whatever is
 * said again, and the place never passes what is there.
 */
#pragma once

#include "sinks/postgres_link.h"

/* See struct sink_type. */
MUST_CHECK struct status postgres_add_event(void *state, struct slice envelope,
                                            struct writer *rows);
/* What begins and ends a COPY, around the rows. */
void postgres_frame_rows(struct slice rows, struct slice parts_out[POSTGRES_ROWS_PARTS]);
/* The statements for it, in the arena; NULL without memory. They answer the place. */
const char *postgres_copy_words(const struct sink_copy *copy, struct arena *arena);
/* CORRUPT when it is none. */
MUST_CHECK struct status postgres_read_place(struct slice answer, struct sink_place *place_out);
/* jsonb knows no U+0000: it becomes U+FFFD, in place. */
void postgres_clean_json(char *json, size_t size);
