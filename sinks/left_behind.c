/*
 * left_behind.c - rows of the outbox that a sink's queue has no room for.
 *
 * They are left where they are, and read again from the first of them on when there is room
 * (behind_from). Of an incident that is in the queue no row is left, and of one that has a row left
 * all later ones are: so its states go out in order. The sinks' thread.
 */
#include "sinks/sinks_internal.h"

/* --- Rows --- */

struct status sinks_open_rows(struct store_snapshot *snapshot, uint64_t from,
                              struct store_cursor **cursor_out) {
    uint8_t start[8];
    struct writer writer = writer_over(start, sizeof(start));
    writer_u64_big_endian(&writer, from);
    return store_cursor_open(snapshot, STORE_TABLE_OUTBOX, slice_of(NULL, 0), writer_slice(&writer),
                             cursor_out);
}

struct status sinks_next_row(const struct sinks *sinks, struct store_cursor *cursor,
                             uint64_t *number_out, struct slice *row_out) {
    struct slice key = slice_of(NULL, 0);
    struct status status = store_cursor_next(cursor, &key, row_out);
    struct reader reader = reader_over(key);
    *number_out = reader_u64_big_endian(&reader);
    if (status.code == STATUS_CORRUPT && key.size > 0) { /* else it is a page, and all behind it */
        log_write(sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
                  "message %llu cannot be read, its row is damaged: start quell anew",
                  (unsigned long long)*number_out);
        *row_out = slice_of(NULL, 0);
        return status_ok();
    }
    return status;
}

/* --- One sink's --- */

/* false: left behind. */
static bool take_row(struct sink_host *host, const struct outbox_message *message) {
    bool is_behind = host->behind_from != 0;
    bool may_pass = !host->type->keeps_history;
    if (is_behind && !(may_pass && sink_queue_has(&host->queue, message->incident_id))) {
        return false; /* found again later, in order */
    }
    bool lags = sink_host_lags(host) || (is_behind && may_pass);
    bool is_taken = status_is_ok(sink_queue_push(&host->queue, message, lags));
    if (!is_taken && !is_behind) {
        host->behind_from = message->number;
    }
    return is_taken;
}

void sinks_queue_row(struct sink_host *host, const struct outbox_message *message) {
    host->behind_count += take_row(host, message) ? 0 : 1;
}

uint64_t sink_host_pending(const struct sink_host *host) {
    return host->queue.count + host->behind_count;
}

/* Whose incidents are in a host's queue, or maybe so: one bit of many for each. Behind a long
 * outage most rows are of others, and are passed over without a search. */
enum { INCIDENT_BITS = 1 << 16, WORD_BITS = 64 };
struct incident_bits {
    uint64_t words[INCIDENT_BITS / WORD_BITS];
};

static void note_incident(struct incident_bits *bits, struct hash128 incident) {
    uint64_t place = incident.lo % INCIDENT_BITS;
    bits->words[place / WORD_BITS] |= UINT64_C(1) << (place % WORD_BITS);
}

static bool may_be_in(const struct incident_bits *bits, struct hash128 incident) {
    uint64_t place = incident.lo % INCIDENT_BITS;
    return (bits->words[place / WORD_BITS] >> (place % WORD_BITS) & 1) != 0;
}

static struct incident_bits bits_of(const struct sink_queue *queue) {
    struct incident_bits bits = {0};
    for (uint32_t i = 0; i < queue->count; i++) {
        note_incident(&bits, queue->messages[i].incident);
    }
    return bits;
}

/* A row that was left behind is neither taken since, nor done with and still there. */
static void take_left_row(const struct sinks *sinks, struct sink_host *host,
                          struct incident_bits *bits, const struct outbox_message *message) {
    bool may_be = may_be_in(bits, message->incident_id);
    bool is_settled = sinks->settled[message->number % SETTLED_PLACES] == message->number;
    if (is_settled || (host->behind_from != 0 && !may_be) ||
        (may_be && sink_queue_has_row(&host->queue, message->number))) {
        return;
    }
    note_incident(bits, message->incident_id);
    if (take_row(host, message) && host->behind_count > 0) {
        host->behind_count--;
    }
}

/* The host's own rows from behind_from on, up to those that the walk has not seen yet; once it is
 * full, those of incidents that it took. What a page that cannot be read hides stays behind. */
static void walk_rows_of(struct sinks *sinks, struct sink_host *host, struct store_cursor *cursor) {
    struct incident_bits bits = bits_of(&host->queue);
    uint64_t from = host->behind_from;
    uint64_t number = 0;
    struct slice row;
    struct outbox_message message;
    host->behind_from = 0;
    struct status status = sinks_next_row(sinks, cursor, &number, &row);
    while (status_is_ok(status) && (host->behind_from == 0 || !host->type->keeps_history) &&
           number < sinks->next_number) {
        bool is_read = status_is_ok(outbox_message_decode(row, &message));
        if (is_read && sink_hosts_find(sinks, message.tenant, message.sink) == host) {
            take_left_row(sinks, host, &bits, &message);
        }
        from = number + 1;
        status = sinks_next_row(sinks, cursor, &number, &row);
    }
    bool is_cut = !status_is_ok(status) && status.code != STATUS_END;
    if (is_cut && host->behind_from == 0) {
        host->behind_from = from;
    }
    if (host->behind_from == 0) {
        host->behind_count = 0; /* what was dropped meanwhile is not met */
    }
}

void sinks_read_again(struct sinks *sinks, struct sink_host *host) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    if (!status_is_ok(store_snapshot_acquire(sinks->options.stores[0], &snapshot))) {
        return;
    }
    if (status_is_ok(sinks_open_rows(snapshot, host->behind_from, &cursor))) {
        walk_rows_of(sinks, host, cursor);
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
}
