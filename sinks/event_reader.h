/*
 * event_reader.h - the journal's events one after another, from a place on. Blocks for reads of the
 * disk only. Thread: one at a time.
 */
#pragma once

#include "core/batch.h"
#include "core/journal.h"
#include "sinks/sink.h"

struct event_reader {
    const char *directory;
    struct journal_reader *journal; /* NULL: to be opened */
    struct batch_view batch;        /* the record that is read */
    struct batch_view before;       /* as it was before the latest entry */
    bool has_record;
    uint64_t lost;          /* records that were not there any more, since the seek */
    struct sink_place next; /* all before it was given out, or is none of ours */
};

void event_reader_init(struct event_reader *reader, const char *directory);
void event_reader_deinit(struct event_reader *reader);
/* Goes on at the place; 0, 0 is the oldest record there is. */
void event_reader_seek(struct event_reader *reader, struct sink_place place);
/* The next entry, valid until the next call; next is behind it. END: none up to `record_max` is
 * there now. CORRUPT, IO: with words; the next call goes on. */
MUST_CHECK struct status event_reader_next(struct event_reader *reader, uint64_t record_max,
                                           struct slice *entry_out, struct fault *fault);
/* Gives the entry that came last once more. */
void event_reader_put_back(struct event_reader *reader);
