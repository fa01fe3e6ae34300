/*
 * audit_log.c - lines of the audit (core/audit.h): what operators do, what configurations change,
 * what was refused. Each is the effect of a journal record, so a replay writes the same.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"
#include "core/base/text.h"

enum { ROW_BYTES = 8192, DETAIL_BYTES = AUDIT_DETAIL_BYTES_MAX + 1 };

static const char *const action_words[OPERATOR_ACTIONS] = {
    [OPERATOR_ACKNOWLEDGE] = "acknowledge incident",
    [OPERATOR_RESOLVE] = "resolve incident",
    [OPERATOR_RETRY_DEAD] = "retry dead letter",
    [OPERATOR_DROP_DEAD] = "drop dead letter",
    [OPERATOR_SILENCE] = "make silence",
    [OPERATOR_UNSILENCE] = "end silence",
    [OPERATOR_RETRY_QUARANTINED] = "retry quarantined record",
    [OPERATOR_DROP_QUARANTINED] = "drop quarantined record",
    [OPERATOR_REMOVE_EDGE] = "remove edge",
};

static void put_line(struct engine *engine, enum audit_ring ring, struct audit_entry entry) {
    uint8_t key[AUDIT_KEY_BYTES];
    uint8_t row[ROW_BYTES];
    uint8_t numbers[8 * AUDIT_RINGS];
    struct writer writer = writer_over(row, sizeof(row));
    struct writer next = writer_over(numbers, sizeof(numbers));
    entry.number = engine->audit_numbers[ring]++;
    entry.at_ns = engine->now_ns;
    audit_encode(&entry, &writer);
    audit_numbers_encode(engine->audit_numbers, &next);
    if (writer.failed) {
        return; /* names longer than any API takes */
    }
    effect_put(&engine->effects, STORE_TABLE_AUDIT, audit_key(ring, entry.number, key),
               writer_slice(&writer));
    effect_put(&engine->effects, STORE_TABLE_META, SLICE("audit"), writer_slice(&next));
}

static void add_subject(struct text *detail, const struct operator_request *request) {
    switch (request->action) {
    case OPERATOR_RETRY_QUARANTINED:
    case OPERATOR_DROP_QUARANTINED:
        text_add_format(detail, "%llu-%llu", (unsigned long long)request->incident_id.lo,
                        (unsigned long long)request->incident_id.hi);
        return;
    case OPERATOR_RETRY_DEAD:
    case OPERATOR_DROP_DEAD:
        text_add_u64(detail, request->incident_id.lo);
        return;
    case OPERATOR_REMOVE_EDGE: {
        struct operator_edge edge = {0};
        if (status_is_ok(operator_edge_decode(request->detail, &edge))) {
            text_add(detail, edge.from);
            text_add_text(detail, " -> ");
            text_add(detail, edge.to);
        }
        return;
    }
    default: {
        bool is_silence =
            request->action == OPERATOR_SILENCE || request->action == OPERATOR_UNSILENCE;
        text_add_text(detail, is_silence ? "sil_" : "inc_");
        text_add_base32(detail, request->incident_id);
    }
    }
}

static void audit_action(struct engine *engine, const struct operator_request *request) {
    char memory[DETAIL_BYTES];
    struct text detail = text_over(memory, sizeof(memory));
    add_subject(&detail, request);
    text_add_text(&detail, request->note.size > 0 ? ": " : "");
    text_add(&detail, request->note);
    put_line(engine, AUDIT_CHANGES,
             (struct audit_entry){.tenant = request->tenant,
                                  .by = request->by,
                                  .what = slice_of_text(action_words[request->action]),
                                  .detail = text_slice(&detail)});
}

void engine_audit(struct engine *engine, const struct operator_request *request) {
    if (request->action != OPERATOR_AUDIT) {
        audit_action(engine, request);
        return;
    }
    enum audit_ring ring =
        request->incident_id.lo == AUDIT_REFUSALS ? AUDIT_REFUSALS : AUDIT_CHANGES;
    put_line(engine, ring,
             (struct audit_entry){.tenant = request->tenant,
                                  .by = request->by,
                                  .what = request->note,
                                  .detail = request->detail});
}
