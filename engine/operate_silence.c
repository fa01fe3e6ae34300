/* operate_silence.c - an operator makes a silence or ends one: journal records, so that a replay
 * tells and keeps silent as it did. */
#include "engine/engine_state.h"

#include "core/base/assert.h"

static void log_audit(const struct engine *engine, const struct operator_request *request,
                      const char *what) {
    char memory[64];
    struct text id = text_over(memory, sizeof(memory));
    text_add_base32(&id, request->incident_id);
    log_write(engine->logger, LOG_LEVEL_INFO, "audit",
              "silence sil_%s of tenant %.*s: %s by \"%.*s\": %.*s", memory,
              SLICE_PRINT(request->tenant), what, SLICE_PRINT(request->by),
              SLICE_PRINT(request->note));
}

void engine_operate_silence(struct engine *engine, const struct operator_request *request) {
    uint8_t bytes[SILENCE_KEY_BYTES_MAX];
    struct slice key = slice_of(bytes, silence_key(request->tenant, request->incident_id, bytes));
    bool is_new = request->action == OPERATOR_SILENCE;
    silences_expire(&engine->silences, engine->now_ns, &engine->effects);
    struct status status = is_new ? silences_put(&engine->silences, key, request->detail)
                                  : silences_remove(&engine->silences, key);
    if (!status_is_ok(status)) {
        log_audit(engine, request, status_name(status));
        return;
    }
    if (is_new) {
        effect_put(&engine->effects, STORE_TABLE_SILENCE, key, request->detail);
    } else {
        struct incident_context context = engine_incident_context(engine, UINT32_MAX);
        effect_delete(&engine->effects, STORE_TABLE_SILENCE, key);
        incidents_revisit_silenced(engine->incidents, &context);
    }
    log_audit(engine, request, is_new ? "made" : "ended");
}
