/*
 * quarantine.c - a record of the quarantine is applied again or dropped, because an operator said
 * so.
 *
 * Two kinds stand there: what a source sent and quell refused (its raw bytes and the reason), and
 * what was accepted but could not be applied: no room for entities, or a record that crashed the
 * process. Only the second kind can be applied again; the first must be corrected and sent anew.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

void engine_quarantine_key(struct slice tenant, uint64_t seq, uint32_t index,
                           struct writer *writer) {
    writer_bytes(writer, tenant);
    writer_u8(writer, 0);
    writer_u64_big_endian(writer, seq);
    writer_u32_big_endian(writer, index);
    ASSERT(!writer->failed);
}

void engine_quarantine(struct engine *engine, struct slice tenant, uint64_t seq, uint32_t index,
                       struct slice bytes) {
    uint8_t memory[TENANT_BYTES_MAX + 16];
    struct writer key = writer_over(memory, sizeof(memory));
    const struct kept_row row = {
        .number = seq, .index = index, .at_ns = engine->now_ns, .bytes = bytes.size};
    struct tenant *known = NULL;
    if (status_is_ok(tenants_intern(&engine->tenants, tenant, &known))) {
        tenant_count(&engine->tenants, known, TENANT_COUNTER_EVENTS_RECEIVED, 0); /* has a row */
    }
    engine_quarantine_key(tenant, seq, index, &key);
    effect_put(&engine->effects, STORE_TABLE_QUARANTINE, writer_slice(&key), bytes);
    engine_kept_add(engine, KEPT_QUARANTINE, tenant, &row);
}

void engine_set_aside(struct engine *engine, struct slice tenant, uint64_t seq, uint32_t index,
                      struct slice bytes) {
    uint64_t count = 0;
    if (engine->stats != NULL) {
        stats_add(engine->stats, STAT_EVENTS_SET_ASIDE, 1);
    }
    if (tally_add(&engine->events_set_aside, engine->now_ns, &count)) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                  "no room left for tenants, entities or incidents: %llu events stand in the "
                  "quarantine, the latest is %llu/%u of tenant %.*s",
                  (unsigned long long)count, (unsigned long long)seq, index, SLICE_PRINT(tenant));
    }
    engine_quarantine(engine, tenant, seq, index, bytes);
}

static struct status operate(struct engine *engine, const struct operator_request *request,
                             struct slice key, struct slice row, uint32_t index,
                             struct fault *fault) {
    bool is_retry = request->action == OPERATOR_RETRY_QUARANTINED;
    if (is_retry && !status_is_ok(envelope_verify(row))) {
        return status_of(STATUS_INVALID);
    }
    log_write(engine->logger, LOG_LEVEL_INFO, "audit",
              "quarantined record %llu-%llu of tenant %.*s: %s by \"%.*s\"",
              (unsigned long long)request->incident_id.lo,
              (unsigned long long)request->incident_id.hi, SLICE_PRINT(request->tenant),
              is_retry ? "retried" : "dropped", SLICE_PRINT(request->by));
    effect_delete(&engine->effects, STORE_TABLE_QUARANTINE, key);
    engine_kept_remove(engine, KEPT_QUARANTINE, request->tenant,
                       &(struct kept_row){.number = request->incident_id.lo,
                                          .index = (uint32_t)request->incident_id.hi,
                                          .bytes = row.size});
    return is_retry ? engine_apply_again(engine, row, index, fault) : status_ok();
}

struct status engine_operate_quarantine(struct engine *engine,
                                        const struct operator_request *request, uint32_t index,
                                        struct fault *fault) {
    uint8_t bytes[TENANT_BYTES_MAX + 16];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct store_snapshot *snapshot = NULL;
    struct slice row;
    if (request->tenant.size > TENANT_BYTES_MAX) {
        return status_ok();
    }
    engine_quarantine_key(request->tenant, request->incident_id.lo,
                          (uint32_t)request->incident_id.hi, &key);
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    struct status status = store_get(snapshot, STORE_TABLE_QUARANTINE, writer_slice(&key), &row);
    if (status_is_ok(status)) {
        status = operate(engine, request, writer_slice(&key), row, index, fault);
    }
    store_snapshot_release(snapshot);
    bool is_gone = status.code == STATUS_MISSING || status.code == STATUS_INVALID;
    if (is_gone) {
        log_write(engine->logger, LOG_LEVEL_INFO, "engine",
                  "an operator's action did nothing: the quarantined record is not there any more");
    }
    return is_gone ? status_ok() : status;
}
