/* operate.c - what operators do, action by action. */
#include "engine/engine_state.h"

static bool takes_dead_letter(const struct operator_request *request) {
    return request->action == OPERATOR_RETRY_DEAD || request->action == OPERATOR_DROP_DEAD;
}

static bool takes_quarantined(const struct operator_request *request) {
    return request->action == OPERATOR_RETRY_QUARANTINED ||
           request->action == OPERATOR_DROP_QUARANTINED;
}

static bool takes_same_row(const struct operator_request *a, const struct operator_request *b) {
    bool is_same_table = (takes_dead_letter(a) && takes_dead_letter(b)) ||
                         (takes_quarantined(a) && takes_quarantined(b));
    return is_same_table && hash128_equals(a->incident_id, b->incident_id) &&
           slice_equals(a->tenant, b->tenant);
}

/* An entry before `end` of the same record took the row already. It is still seen in the store,
 * which is read as it was before the record. */
static bool is_taken(struct batch_view before, const uint8_t *end,
                     const struct operator_request *request) {
    struct slice entry;
    struct operator_request earlier;
    while (batch_next(&before, &entry) && entry.data < end) {
        if (status_is_ok(operator_decode(entry, &earlier)) && takes_same_row(&earlier, request)) {
            return true;
        }
    }
    return false;
}

struct status engine_apply_operator(struct engine *engine, struct batch_view *batch,
                                    struct fault *fault) {
    struct slice entry;
    uint32_t index = 0;
    const struct batch_view begin = *batch;
    while (batch_next(batch, &entry)) {
        TRY(engine_make_event_room(engine, fault));
        struct operator_request request;
        TRY(operator_decode(entry, &request));
        engine_audit(engine, &request);
        if (request.action == OPERATOR_AUDIT) {
            continue;
        }
        if (is_taken(begin, entry.data, &request)) {
            log_write(engine->logger, LOG_LEVEL_INFO, "engine",
                      "an operator's action did nothing: the one before it took the same row");
            continue;
        }
        if (takes_dead_letter(&request)) {
            TRY(engine_operate_dead(engine, &request));
            continue;
        }
        if (takes_quarantined(&request)) {
            TRY(engine_operate_quarantine(engine, &request, index++, fault));
            continue;
        }
        if (request.action == OPERATOR_SILENCE || request.action == OPERATOR_UNSILENCE) {
            engine_operate_silence(engine, &request);
            continue;
        }
        if (request.action == OPERATOR_REMOVE_EDGE) {
            TRY(engine_operate_edge(engine, &request));
            continue;
        }
        struct incident_context context = engine_incident_context(engine, index++);
        struct status status =
            incidents_operate(engine->incidents, &context, request.incident_id, request.tenant,
                              request.action == OPERATOR_RESOLVE, request.by, request.note);
        if (!status_is_ok(status)) {
            log_write(engine->logger, LOG_LEVEL_INFO, "engine",
                      "an operator's action came too late: the incident is not live any more");
        }
    }
    return status_ok();
}
