/* dry_run.c - see dry_run.h. */
#include "engine/dry_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/journal.h"
#include "engine/view_state.h"

enum { PATH_BYTES_MAX = 1200, RECORDS_PER_COMMIT = 1000, PAGE_INCIDENTS = 100 };
#define PAGE_BYTES_MAX (PAGE_INCIDENTS * INCIDENT_JSON_BYTES_MAX)

struct dry {
    const struct dry_run_options *options;
    struct dry_run_report report;
    struct engine engine;
    struct store *store;
    uint8_t *record; /* BATCH_BYTES_MAX: a copy with a number of its own */
    uint64_t seq;
};

static struct status apply(struct dry *dry, struct slice bytes, uint64_t stamp_ns,
                           struct fault *fault) {
    ASSERT(bytes.size <= BATCH_BYTES_MAX);
    if (bytes.data != dry->record) {
        memcpy(dry->record, bytes.data, bytes.size);
    }
    batch_set_stamp(dry->record, stamp_ns);
    batch_set_seq(dry->record, ++dry->seq);
    TRY(engine_apply(&dry->engine, slice_of(dry->record, bytes.size), fault));
    return dry->seq % RECORDS_PER_COMMIT == 0 ? engine_commit(&dry->engine, fault) : status_ok();
}

/* Ticks that the rules want before `until_ns`. */
static struct status tick(struct dry *dry, uint64_t until_ns, struct fault *fault) {
    uint64_t due_ns = engine_next_due_ns(&dry->engine);
    while (due_ns < until_ns) {
        uint8_t memory[256];
        struct batch batch;
        batch_init(&batch, memory, sizeof(memory));
        batch_clear(&batch, BATCH_TICK);
        uint64_t stamp_ns = due_ns > dry->engine.now_ns ? due_ns : dry->engine.now_ns;
        TRY(apply(dry, batch_finish(&batch), stamp_ns, fault));
        uint64_t next_ns = engine_next_due_ns(&dry->engine);
        /* What is kept may take several ticks of one moment, each of which drops some. */
        ASSERT(next_ns != due_ns || next_ns == dry->engine.kept.next_ns);
        due_ns = next_ns;
    }
    return status_ok();
}

static struct status configure(struct dry *dry, uint64_t stamp_ns, struct fault *fault) {
    struct batch batch;
    batch_init(&batch, dry->record, BATCH_BYTES_MAX);
    batch_clear(&batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&batch);
    TRY(policy_set_encode(&dry->options->config->policies, &writer));
    batch_entry_commit(&batch, writer.size);
    return apply(dry, batch_finish(&batch), stamp_ns, fault);
}

static struct status take_record(struct dry *dry, struct slice record, uint64_t seq,
                                 struct fault *fault) {
    struct batch_view view;
    struct dry_run_report *report = &dry->report;
    const struct dry_run_options *options = dry->options;
    TRY(batch_open(record, &view));
    bool is_wanted =
        view.kind == BATCH_EVENTS || view.kind == BATCH_STREAM || view.kind == BATCH_OPERATOR;
    if (!is_wanted || view.stamp_ns < options->from_ns || view.stamp_ns > options->to_ns) {
        return status_ok();
    }
    if (report->records++ == 0) {
        report->first_seq = seq;
        report->first_ns = view.stamp_ns;
        TRY(configure(dry, view.stamp_ns, fault));
    }
    report->last_seq = seq;
    report->last_ns = view.stamp_ns;
    report->events += view.kind == BATCH_OPERATOR ? 0 : view.count;
    TRY(tick(dry, view.stamp_ns, fault));
    dry->engine.journal_seq = seq;
    return apply(dry, record, view.stamp_ns, fault);
}

static struct status take_journal(struct dry *dry, struct fault *fault) {
    struct journal_reader *reader = NULL;
    TRY(journal_reader_open(NULL, dry->options->journal_directory, dry->options->from_seq, &reader,
                            fault));
    struct status status = status_ok();
    while (status_is_ok(status)) {
        struct slice record;
        uint64_t seq = 0;
        status = journal_reader_next(reader, &record, &seq, fault);
        if (status.code == STATUS_CORRUPT) {
            dry->report.damaged++;
            log_write(dry->options->logger, LOG_LEVEL_WARNING, "journal", "%s", fault->words);
            status = status_ok();
        } else if (status_is_ok(status) && seq > dry->options->to_seq) {
            status = status_of(STATUS_END);
        } else if (status_is_ok(status)) {
            status = take_record(dry, record, seq, fault);
        }
    }
    journal_reader_close(reader);
    TRY(status.code == STATUS_END ? status_ok() : status);
    /* What waited for its group at the end is told too. */
    uint64_t wait_ns = dry->options->config->policies.defaults.group_wait_ns + NS_PER_S;
    return dry->report.records == 0 ? status_ok() : tick(dry, dry->report.last_ns + wait_ns, fault);
}

/* --- The report --- */

static struct status report_messages(struct dry *dry) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice row;
    TRY(store_snapshot_acquire(dry->store, &snapshot));
    struct status status = store_cursor_open(snapshot, STORE_TABLE_OUTBOX, slice_of(NULL, 0),
                                             slice_of(NULL, 0), &cursor);
    while (status_is_ok(status)) {
        struct outbox_message message;
        status = store_cursor_next(cursor, &key, &row);
        if (status_is_ok(status) && status_is_ok(outbox_message_decode(row, &message))) {
            dry->options->on_message(dry->options->context, &message);
        }
    }
    if (cursor != NULL) {
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    return status.code == STATUS_END ? status_ok() : status;
}

static struct status report_pages(struct dry *dry, struct view_reader *reader, char *memory) {
    char cursor[512] = "";
    do {
        struct text json = text_over(memory, PAGE_BYTES_MAX);
        struct view_query query = {.limit = PAGE_INCIDENTS, .cursor = slice_of_text(cursor)};
        struct slice item;
        TRY(view_incidents_json(reader, &query, &json));
        struct slice rest = json_pick(text_slice(&json), "incidents");
        while (json_pick_item(&rest, &item)) {
            dry->options->on_incident(dry->options->context, item);
        }
        struct text next = text_over(cursor, sizeof(cursor));
        json_pick_text(text_slice(&json), "next_cursor", &next);
    } while (cursor[0] != 0);
    return status_ok();
}

static struct status report_incidents(struct dry *dry) {
    struct view *view = NULL;
    struct view_reader *reader = NULL;
    struct shard_options options = {.config = dry->options->config,
                                    .hash_seed = dry->options->hash_seed};
    char *memory = malloc(PAGE_BYTES_MAX);
    struct status status = memory == NULL ? status_of(STATUS_FULL) : status_ok();
    if (status_is_ok(status)) {
        status = view_init(&view, dry->store, &dry->engine, &options, &dry->engine.arena);
    }
    if (status_is_ok(status)) {
        status = view_reader_acquire(view, &reader);
    }
    if (status_is_ok(status)) {
        status = report_pages(dry, reader, memory);
        view_reader_release(reader);
    }
    free(memory);
    return status;
}

/* --- Life --- */

static struct status run(struct dry *dry, struct fault *fault) {
    char state[PATH_BYTES_MAX];
    char poison[PATH_BYTES_MAX];
    const struct config *config = dry->options->config;
    int size = snprintf(state, sizeof(state), "%s/state", dry->options->scratch_directory);
    (void)snprintf(poison, sizeof(poison), "%s/poison", dry->options->scratch_directory);
    if (size >= PATH_BYTES_MAX - 8) {
        return fault_set(fault, STATUS_INVALID, "the scratch directory's path is too long");
    }
    struct store_options store_options = {.directory = state, .map_bytes_max = 64 * GIB};
    TRY(store_open(&store_options, &dry->store, fault));
    struct engine_options engine_options = {
        .nodes_max = config->entities_max,
        .edges_max = config->edges_max,
        .learned_edges_max = config->learned_edges_max,
        .dedup_keys_max = config->dedup_keys_max,
        .event_ids_max = config->event_ids_max,
        .incidents_max = config->incidents_max,
        .hash_seed = dry->options->hash_seed,
        .keeps_incidents = true,
        .store = dry->store,
        .poison_path = poison,
        .logger = dry->options->logger,
    };
    TRY(engine_init(&dry->engine, &engine_options, fault));
    struct status status = take_journal(dry, fault);
    if (status_is_ok(status)) {
        status = engine_commit(&dry->engine, fault);
    }
    if (status_is_ok(status)) {
        status = report_messages(dry);
    }
    if (status_is_ok(status)) {
        status = report_incidents(dry);
    }
    engine_deinit(&dry->engine);
    return status;
}

struct status dry_run(const struct dry_run_options *options, struct dry_run_report *report_out,
                      struct fault *fault) {
    struct dry *dry = calloc(1, sizeof(*dry));
    uint8_t *record = malloc(BATCH_BYTES_MAX);
    struct status status = dry == NULL || record == NULL
                               ? fault_set(fault, STATUS_FULL, "no memory for a dry run")
                               : status_ok();
    if (status_is_ok(status)) {
        dry->options = options;
        dry->record = record;
        status = run(dry, fault);
        store_close(dry->store);
        *report_out = dry->report;
    }
    free(record);
    free(dry);
    return status;
}
