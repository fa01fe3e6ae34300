/*
 * event_copy.c - see event_copy.h.
 *
 *   place unknown  -> place known    the sink said how far it is             begin_at_place
 *   place known    -> in flight      there are rows, or a place to tell      send
 *   in flight      -> place known    they are durable: the next rows         take_place
 *   in flight      -> place unknown  the sink was set back                   take_place
 *   in flight      -> place known    it failed: the same again, later        wait_and_retry
 *   in flight      -> place known    refused, or too slow: fewer at once     send_less, on_deadline
 */
#include "sinks/event_copy.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/digest.h"
#include "schemas/envelope.h"
#include "sinks/event_reader.h"
#include "sinks/redact.h"
#include "sinks/sinks_internal.h"

/* A batch ends with the event that passes ROWS_BYTES; the rest is room for any one event. Memory is
 * touched only as it is used. */
#define ROWS_BYTES MIB
#define ROWS_BYTES_MAX (8 * MIB)
static_assert(ROWS_BYTES_MAX - ROWS_BYTES > 6 * ENVELOPE_BYTES_MAX, "any event fits, escaped");
enum { ROWS_MAX = 4096, ROWS_MIN_IN_TIME = 64 };
enum { SCAN_EVENTS_MAX = 16384 }; /* in a turn: some ms, then other sinks have theirs */
#define POLL_NS NS_PER_S
#define PLACE_INTERVAL_NS NS_PER_MINUTE /* how often a place without rows is told */
enum { JOURNAL_ID_BYTES = 17, ARENA_BYTES = 64 * 1024 };

struct event_copy {
    struct sink_host *host;
    struct arena state_arena; /* secrets are in it */
    void *state;
    char journal_id[JOURNAL_ID_BYTES];
    struct event_reader reader;
    struct writer rows;
    uint32_t rows_max;
    struct sink_copy batch;
    bool place_is_known;
    bool is_in_flight;
    uint64_t attempts; /* failed, in a row */
    uint64_t refused;  /* events passed over since the place was told */
    uint64_t sent_at_ns;
    struct arena arena; /* of an attempt */
    struct sink_watch watch;
    struct loop_timer timer;
    struct loop_timer deadline;
};

static uint64_t now_ns(const struct event_copy *copy) {
    return loop_now_ns(copy->host->sinks->loop);
}

static uint64_t committed_seq(const struct event_copy *copy) {
    return atomic_load(copy->host->sinks->options.journal.committed_seq);
}

static void say(struct event_copy *copy, enum log_level level, const char *what,
                struct slice words) {
    const struct sink_host *host = copy->host;
    char memory[ERROR_BYTES_MAX];
    struct text text = text_over(memory, sizeof(memory));
    redact_add(&text, words, &host->config);
    log_write(host->sinks->options.logger, level, "sinks",
              "sink %.*s of tenant %.*s, copy of events: %s: %s", SLICE_PRINT(host->config.name),
              SLICE_PRINT(sink_tenant_words(host)), what, memory);
}

static void step_later(struct event_copy *copy, uint64_t wait_ns) {
    loop_timer_start(copy->host->sinks->loop, &copy->timer, now_ns(copy) + wait_ns + 1);
}

/* --- Rows --- */

static void empty_batch(struct event_copy *copy) {
    copy->rows.size = 0;
    copy->refused = 0;
    copy->batch.rows_count = 0;
}

static void read_again(struct event_copy *copy, uint32_t rows_max) {
    empty_batch(copy);
    copy->rows_max = rows_max;
    event_reader_seek(&copy->reader, copy->batch.from);
}

/* A tenant's sink gets what is the tenant's; one of the defaults what is of those without their
 * own of that name. */
static bool is_wanted(const struct event_copy *copy, const struct envelope *envelope) {
    const struct sink_host *host = copy->host;
    if ((envelope->flags & (ENVELOPE_REFUSED | ENVELOPE_LEARNED)) != 0) {
        return false;
    }
    if (host->config.tenant.size > 0) {
        return slice_equals(envelope->tenant, host->config.tenant);
    }
    return sink_hosts_find(host->sinks, envelope->tenant, host->config.name) == host;
}

/* false: the batch is full. */
static bool take_event(struct event_copy *copy, struct slice entry) {
    struct envelope envelope;
    if (!status_is_ok(envelope_verify(entry))) {
        return true; /* a range of a stream */
    }
    envelope_read(entry, &envelope);
    if (!is_wanted(copy, &envelope)) {
        return true;
    }
    if (copy->batch.rows_count == copy->rows_max || copy->rows.size >= ROWS_BYTES) {
        return false;
    }
    struct status status = copy->host->type->add_event(copy->state, entry, &copy->rows);
    ASSERT(status_is_ok(status)); /* there is room for any */
    copy->batch.rows_count++;
    return true;
}

/* Whether the turn was enough for all there is. */
static bool read_rows(struct event_copy *copy) {
    struct slice entry;
    struct fault fault = {{0}};
    for (uint32_t i = 0; i < SCAN_EVENTS_MAX; i++) {
        struct status status =
            event_reader_next(&copy->reader, committed_seq(copy), &entry, &fault);
        if (status.code == STATUS_END) {
            return true;
        }
        if (!status_is_ok(status)) {
            say(copy, LOG_LEVEL_ERROR, "the journal", slice_of_text(fault.words));
            return status.code != STATUS_CORRUPT; /* behind the damage it goes on */
        }
        if (!take_event(copy, entry)) {
            event_reader_put_back(&copy->reader);
            return true;
        }
    }
    return false;
}

/* --- The end of an attempt --- */

static void show_numbers(const struct event_copy *copy) {
    uint64_t committed = committed_seq(copy);
    uint64_t next = copy->batch.from.record;
    sink_row_set(copy->host->row, SINK_NUMBER_COPY_BEHIND,
                 committed >= next ? committed + 1 - next : 0);
}

static bool is_same_place(struct sink_place a, struct sink_place b) {
    return a.record == b.record && a.index == b.index;
}

static void count_batch(struct event_copy *copy) {
    struct sink_board_row *row = copy->host->row;
    sink_row_add_many(row, SINK_NUMBER_COPIED, copy->batch.rows_count);
    sink_row_add_many(row, SINK_NUMBER_COPY_LOST, copy->batch.lost_count);
    if (copy->reader.lost > 0) {
        say(copy, LOG_LEVEL_ERROR, "records were gone from the journal before they were copied",
            SLICE("see records_lost"));
    }
}

/* The sink said where it is. It may be ahead of a journal that was brought back from a backup. */
static void begin_at_place(struct event_copy *copy) {
    struct sink_place start = copy->batch.place;
    uint64_t next = committed_seq(copy) + 1;
    if (start.record > next) {
        say(copy, LOG_LEVEL_ERROR, "the sink is ahead of the journal",
            SLICE("was the data directory set back?"));
        start = (struct sink_place){next, 0};
    }
    copy->place_is_known = true;
    empty_batch(copy);
    event_reader_seek(&copy->reader, start);
}

/* The sink has all before its place. Where that is not what we sent, it was set back: it is asked
 * again, so that it notes a place. */
static void take_place(struct event_copy *copy) {
    bool was_asking = copy->batch.asks_for_place;
    copy->attempts = 0;
    copy->batch.from = copy->batch.place;
    if (was_asking) {
        begin_at_place(copy);
    } else if (is_same_place(copy->batch.place, copy->batch.to)) {
        count_batch(copy);
        empty_batch(copy);
        copy->reader.lost = 0;
        copy->rows_max = copy->rows_max * 2 < ROWS_MAX ? copy->rows_max * 2 : ROWS_MAX;
    } else {
        copy->place_is_known = false;
        empty_batch(copy);
    }
    show_numbers(copy);
}

static void wait_and_retry(struct event_copy *copy, struct slice words) {
    copy->attempts++;
    say(copy, LOG_LEVEL_WARNING, "an attempt failed", words);
    sink_row_add(copy->host->row, SINK_NUMBER_FAILED);
    step_later(copy, sink_backoff_ns(&copy->host->limits, copy->batch.from.record, copy->attempts));
    show_numbers(copy);
}

/* Refused for good: half of them, until it is one that is passed over. */
static void send_less(struct event_copy *copy, struct slice words) {
    if (copy->batch.rows_count > 1) {
        read_again(copy, copy->batch.rows_count / 2);
        return;
    }
    say(copy, LOG_LEVEL_ERROR, "an event is left out, the sink refuses it", words);
    uint64_t refused = copy->refused + 1;
    empty_batch(copy);
    copy->refused = refused;
}

static void take_verdict(struct event_copy *copy, enum sink_verdict verdict, struct slice words) {
    loop_timer_stop(copy->host->sinks->loop, &copy->deadline);
    ASSERT(copy->is_in_flight);
    copy->is_in_flight = false;
    step_later(copy, 0); /* other sinks come in between */
    if (verdict == SINK_DELIVERED) {
        take_place(copy);
    } else if (verdict == SINK_GIVE_UP && copy->batch.rows_count > 0) {
        send_less(copy, words);
    } else {
        wait_and_retry(copy, words);
    }
}

static void on_finish(struct sink_watcher *watcher, enum sink_verdict verdict, struct slice words) {
    take_verdict((struct event_copy *)((char *)watcher - offsetof(struct event_copy, watch)),
                 verdict, words);
}

static void on_deadline(void *context) {
    struct event_copy *copy = context;
    copy->host->type->cancel(copy->state);
    copy->is_in_flight = false;
    if (copy->batch.rows_count > ROWS_MIN_IN_TIME) {
        read_again(copy, copy->batch.rows_count / 2);
    }
    wait_and_retry(copy, SLICE("no answer in time"));
}

/* --- An attempt --- */

static void send(struct event_copy *copy) {
    struct sink_host *host = copy->host;
    arena_reset(&copy->arena);
    copy->batch.asks_for_place = !copy->place_is_known;
    copy->batch.rows = writer_slice(&copy->rows);
    copy->batch.to = copy->reader.next;
    copy->batch.lost_count = copy->reader.lost + copy->refused;
    copy->sent_at_ns = now_ns(copy);
    copy->is_in_flight = true;
    loop_timer_start(host->sinks->loop, &copy->deadline, now_ns(copy) + host->limits.timeout_ns);
    host->type->copy_events(copy->state, &copy->batch, &copy->arena, &copy->watch.watcher);
}

static bool has_news(const struct event_copy *copy) {
    bool has_moved = !is_same_place(copy->reader.next, copy->batch.from);
    bool is_time = copy->refused > 0 || now_ns(copy) - copy->sent_at_ns >= PLACE_INTERVAL_NS;
    return copy->batch.rows_count > 0 || (has_moved && is_time);
}

static void on_timer(void *context) {
    struct event_copy *copy = context;
    bool is_again = copy->batch.rows_count > 0 || !copy->place_is_known;
    if (copy->is_in_flight || atomic_load(&copy->host->sinks->is_stopping)) {
        return;
    }
    bool is_all = is_again || read_rows(copy);
    if (is_again || has_news(copy)) {
        send(copy);
    } else {
        step_later(copy, is_all ? POLL_NS : 0);
        show_numbers(copy);
    }
}

/* --- Life --- */

struct status event_copy_is_wanted(const struct config_sink *config, const struct sink_type *type,
                                   bool *is_wanted_out, struct fault *fault) {
    struct slice value = sink_setting_find(config, SINK_SETTING_EVENTS);
    bool is_wanted = slice_equals(value, SLICE("true"));
    if (type->copy_events == NULL || value.size == 0) {
        *is_wanted_out = false;
        return status_ok();
    }
    if (!is_wanted && !slice_equals(value, SLICE("false"))) {
        return fault_set(fault, STATUS_INVALID, "events is true or false");
    }
    *is_wanted_out = is_wanted;
    return status_ok();
}

/* The seed itself is secret. */
static void name_journal(struct event_copy *copy, uint64_t seed) {
    uint8_t digest[DIGEST_SHA256_BYTES];
    struct text id = text_over(copy->journal_id, sizeof(copy->journal_id));
    digest_sha256(slice_of(&seed, sizeof(seed)), digest);
    text_add_hex(&id, slice_of(digest, (JOURNAL_ID_BYTES - 1) / 2));
}

static struct status open_parts(struct event_copy *copy, struct fault *fault) {
    struct sink_host *host = copy->host;
    const struct sinks_journal *journal = &host->sinks->options.journal;
    void *memory = malloc(ROWS_BYTES_MAX);
    if (memory == NULL || !status_is_ok(arena_init(&copy->arena, ARENA_BYTES)) ||
        !status_is_ok(arena_init(&copy->state_arena, ARENA_BYTES))) {
        free(memory);
        return fault_set(fault, STATUS_FULL, "no memory for a copy of events");
    }
    copy->rows = writer_over(memory, ROWS_BYTES_MAX);
    copy->rows_max = ROWS_MAX;
    name_journal(copy, journal->seed);
    copy->batch.tenant = host->config.tenant;
    copy->batch.sink = host->config.name;
    copy->batch.journal = slice_of_text(copy->journal_id);
    event_reader_init(&copy->reader, journal->directory);
    copy->timer = (struct loop_timer){.on_due = on_timer, .context = copy};
    copy->deadline = (struct loop_timer){.on_due = on_deadline, .context = copy};
    sink_watch_init(&copy->watch, host->sinks->loop, host->sinks->config->sink_addresses,
                    on_finish);
    return host->type->open(&host->config, &copy->state_arena, &copy->state, fault);
}

struct status event_copy_open(struct sink_host *host, struct event_copy **copy_out,
                              struct fault *fault) {
    struct event_copy *copy = calloc(1, sizeof(*copy));
    if (copy == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a copy of events");
    }
    copy->host = host;
    struct status status = open_parts(copy, fault);
    if (!status_is_ok(status)) {
        event_copy_close(copy);
        return status;
    }
    step_later(copy, 0);
    *copy_out = copy;
    return status_ok();
}

void event_copy_allow(struct event_copy *copy, enum sink_addresses addresses) {
    copy->watch.watcher.addresses = addresses;
}

void event_copy_close(struct event_copy *copy) {
    if (copy == NULL) {
        return;
    }
    loop_timer_stop(copy->host->sinks->loop, &copy->timer);
    loop_timer_stop(copy->host->sinks->loop, &copy->deadline);
    if (copy->is_in_flight) {
        copy->host->type->cancel(copy->state);
    }
    if (copy->state != NULL) {
        copy->host->type->close(copy->state);
    }
    explicit_bzero(copy->state_arena.base, copy->state_arena.used_bytes);
    event_reader_deinit(&copy->reader);
    arena_deinit(&copy->state_arena);
    arena_deinit(&copy->arena);
    free(copy->rows.data);
    free(copy);
}
