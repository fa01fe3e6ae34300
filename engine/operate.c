/* operate.c - what operators do, action by action. */
#include "engine/engine_state.h"

struct status engine_apply_operator(struct engine *engine, struct batch_view *batch,
                                    struct fault *fault) {
    struct slice entry;
    uint32_t index = 0;
    while (batch_next(batch, &entry)) {
        TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN, fault));
        struct operator_request request;
        TRY(operator_decode(entry, &request));
        engine_audit(engine, &request);
        if (request.action == OPERATOR_AUDIT) {
            continue;
        }
        if (request.action == OPERATOR_RETRY_DEAD || request.action == OPERATOR_DROP_DEAD) {
            TRY(engine_operate_dead(engine, &request));
            continue;
        }
        if (request.action == OPERATOR_RETRY_QUARANTINED ||
            request.action == OPERATOR_DROP_QUARANTINED) {
            TRY(engine_operate_quarantine(engine, &request, index++, fault));
            continue;
        }
        if (request.action == OPERATOR_SILENCE || request.action == OPERATOR_UNSILENCE) {
            engine_operate_silence(engine, &request);
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
