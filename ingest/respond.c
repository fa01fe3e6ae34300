/*
 * respond.c - what a decoded request is answered, once its batches are durable.
 */
#include "core/base/assert.h"
#include "ingest/ingest_internal.h"

static bool is_empty(const struct intake *intake, const struct decode *decode) {
    return intake->style == ANSWER_NATIVE && decode->accepted == 0 && decode->refused == 0;
}

static void respond_counts(struct intake *intake, const struct decode *decode) {
    char *memory = arena_allocate(decode->arena, ANSWER_BYTES_MAX, 1);
    if (memory == NULL) {
        intake_abort(intake);
        ingest_refuse(intake->ingest, intake->exchange, intake->style, 429, "no room");
        return;
    }
    if (is_empty(intake, decode)) {
        intake_on_refused(intake, 0, "the request holds no event");
    }
    struct text body = text_over(memory, ANSWER_BYTES_MAX);
    text_add_format(&body, "{\"accepted\":%u,\"rejected\":%u,\"errors\":[", decode->accepted,
                    decode->refused);
    text_add(&body, text_slice(&intake->errors));
    text_add_text(&body, "]}");
    ASSERT(!body.truncated);
    bool is_refused = decode->accepted == 0 && (decode->refused > 0 || is_empty(intake, decode));
    unsigned good = intake->style == ANSWER_LINEAGE ? 201 : 200; /* as OpenLineage's own server */
    intake_commit(intake, is_refused ? 400 : good, text_slice(&body));
}

static void respond_error(struct intake *intake, const char *reason) {
    char memory[1024];
    struct text text = text_over(memory, sizeof(memory));
    intake->style = intake->style == ANSWER_PING ? ANSWER_PLAIN : intake->style;
    answer_error(&text, intake->style, 400, reason);
    intake_commit(intake, 400, text_slice(&text));
}

/* As an Alertmanager: whatever was good is taken, and one that is not makes it 400, which its
 * senders log and do not repeat. */
static void respond_alerts(struct intake *intake, const struct decode *decode) {
    char memory[1024];
    struct text text = text_over(memory, sizeof(memory));
    if (decode->refused == 0) {
        intake_commit(intake, 200, SLICE(""));
        return;
    }
    text_add_format(&text, "%u of %u alerts refused: %s", decode->refused,
                    decode->accepted + decode->refused, decode->fault.words);
    respond_error(intake, memory);
}

static void respond_taken(struct intake *intake, const struct decode *decode,
                          const char *rejected_key) {
    char memory[1024];
    struct text body = text_over(memory, sizeof(memory));
    bool is_refused = decode->accepted == 0 && decode->refused > 0;
    if (answer_lists_errors(intake->style)) {
        respond_counts(intake, decode);
    } else if (intake->style == ANSWER_ALERTS) {
        respond_alerts(intake, decode);
    } else if (intake->style == ANSWER_PING) {
        text_add_text(&body, "OK");
        is_refused ? respond_error(intake, decode->fault.words)
                   : intake_commit(intake, 200, text_slice(&body));
    } else {
        answer_otlp(&body, intake->style, rejected_key, decode->refused, decode->fault.words);
        intake_commit(intake, 200, text_slice(&body));
    }
}

/* A body that cannot be read at all stands in the quarantine too, when there is room. */
static void respond_unreadable(struct intake *intake, struct decode *decode, struct slice body) {
    struct fault fault = decode->fault;
    intake_abort(intake);
    intake->errors.size = 0;
    intake->errors_count = 0;
    decode->accepted = 0;
    decode->refused = 0;
    if (!status_is_ok(decode_refuse(decode, body, fault.words))) {
        intake_abort(intake);
    }
    if (answer_lists_errors(intake->style)) {
        respond_counts(intake, decode);
    } else {
        respond_error(intake, fault.words);
    }
}

void respond_decoded(struct intake *intake, struct decode *decode, struct status status,
                     struct slice body, const char *rejected_key) {
    if (status_is_ok(status)) {
        respond_taken(intake, decode, rejected_key);
    } else if (status.code == STATUS_INVALID) {
        respond_unreadable(intake, decode, body);
    } else {
        bool is_alone = intake_has_all_room(intake);
        intake_abort(intake);
        if (intake->refusal.wait_s > 0) {
            intake_refuse(intake->ingest, intake->exchange, intake->style, &intake->refusal);
            return;
        }
        if (!is_alone) {
            stats_add(intake->ingest->options.stats, STAT_QUEUE_FULL, 1);
        }
        ingest_refuse(intake->ingest, intake->exchange, intake->style, is_alone ? 413 : 429,
                      is_alone ? "the request holds more events than fit at once: send fewer"
                               : "no room for more events now, try again");
    }
}
