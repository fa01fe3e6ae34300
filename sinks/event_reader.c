/* event_reader.c - see event_reader.h. */
#include "sinks/event_reader.h"

#include "core/base/assert.h"

void event_reader_init(struct event_reader *reader, const char *directory) {
    *reader = (struct event_reader){.directory = directory};
}

static void close_journal(struct event_reader *reader) {
    journal_reader_close(reader->journal);
    reader->journal = NULL;
    reader->has_record = false;
}

void event_reader_deinit(struct event_reader *reader) {
    close_journal(reader);
}

void event_reader_seek(struct event_reader *reader, struct sink_place place) {
    close_journal(reader);
    reader->next = place;
    reader->lost = 0;
}

static void leave_record(struct event_reader *reader) {
    reader->has_record = false;
    reader->next = (struct sink_place){reader->next.record + 1, 0};
}

/* What was given out of the record before is passed over. */
static void enter_record(struct event_reader *reader, uint64_t seq, struct slice record) {
    uint64_t wanted = reader->next.record;
    if (seq != wanted) {
        reader->lost += wanted == 0 ? 0 : seq - wanted;
        reader->next = (struct sink_place){seq, 0};
    }
    struct slice entry;
    if (!status_is_ok(batch_open(record, &reader->batch))) { /* of a broken writer */
        reader->lost++;
        leave_record(reader);
        return;
    }
    for (uint32_t i = 0; i < reader->next.index && batch_next(&reader->batch, &entry); i++) {
    }
    reader->has_record = true;
}

/* Opens the journal where we are; its files are listed anew. */
static struct status open_journal(struct event_reader *reader, struct fault *fault) {
    return reader->journal != NULL
               ? status_ok()
               : journal_reader_open(NULL, reader->directory, reader->next.record, &reader->journal,
                                     fault);
}

static struct status next_record(struct event_reader *reader, struct fault *fault) {
    struct slice record;
    uint64_t seq = 0;
    TRY(open_journal(reader, fault));
    struct status status = journal_reader_next(reader->journal, &record, &seq, fault);
    if (status.code == STATUS_CORRUPT) {
        return status; /* the reader goes on behind the damage */
    }
    if (!status_is_ok(status)) {
        close_journal(reader); /* there may be new files */
        return status;
    }
    ASSERT(seq >= reader->next.record);
    enter_record(reader, seq, record);
    return status_ok();
}

static bool holds_events(const struct event_reader *reader) {
    return reader->batch.kind == BATCH_EVENTS || reader->batch.kind == BATCH_STREAM;
}

struct status event_reader_next(struct event_reader *reader, uint64_t record_max,
                                struct slice *entry_out, struct fault *fault) {
    while (reader->next.record <= record_max) {
        if (!reader->has_record) {
            TRY(next_record(reader, fault));
            continue;
        }
        reader->before = reader->batch;
        if (holds_events(reader) && batch_next(&reader->batch, entry_out)) {
            reader->next.index++;
            return status_ok();
        }
        leave_record(reader);
    }
    return status_of(STATUS_END);
}

void event_reader_put_back(struct event_reader *reader) {
    ASSERT(reader->has_record && reader->next.index > 0);
    reader->batch = reader->before;
    reader->next.index--;
}
