/* decode.c - see decode.h: what every format does with a record once it is read. */
#include "ingest/decode.h"

#include "core/base/assert.h"

static struct status add_encoded(struct decode *decode, const struct envelope *envelope) {
    for (int attempt = 0; attempt < 2; attempt++) {
        struct batch *batch = decode->batch_for(decode->context, envelope->tenant, attempt > 0);
        if (batch == NULL) {
            return status_of(STATUS_FULL);
        }
        struct writer writer = batch_entry_begin(batch);
        if (writer.capacity > 0 && status_is_ok(envelope_encode(envelope, &writer))) {
            batch_entry_commit(batch, writer.size);
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

/* As settle_tenant has it; a claim that can be no tenant's name names none. */
static struct slice tenant_of_refused(const struct decode *decode, struct slice claimed) {
    struct fault unused;
    if (decode->tenant.size > 0) {
        return decode->tenant;
    }
    bool is_name = claimed.size > 0 && status_is_ok(derive_check_tenant(claimed, &unused));
    return is_name ? claimed : SLICE("default");
}

/* What a source notes of where it read the record, before what the record has. */
static void keep_notes(struct decode *decode, struct envelope *refused) {
    uint32_t count = 0;
    const struct attribute *notes = decode->refused_attributes == NULL
                                        ? NULL
                                        : decode->refused_attributes(decode->context, &count);
    uint32_t tail = refused->tail == NULL ? 0 : refused->tail->count;
    uint32_t own = refused->attributes_count - tail;
    struct attribute *all = NULL;
    if (count == 0) {
        return;
    }
    if (refused->attributes_count > 0 &&
        count + refused->attributes_count <= ATTRIBUTES_PER_EVENT_MAX) {
        all = ARENA_ARRAY(decode->arena, struct attribute, count + own);
    }
    if (all == NULL) {
        refused->flags |= refused->attributes_count > 0 ? ENVELOPE_MESSAGE_CUT : 0u;
        refused->tail = NULL;
        refused->attributes = notes;
        refused->attributes_count = count;
        return;
    }
    memcpy(all, notes, count * sizeof(*all));
    if (own > 0) {
        memcpy(all + count, refused->attributes, own * sizeof(*all));
    }
    refused->attributes = all;
    refused->attributes_count += count;
}

/* Without its attributes when it is too large with them. */
static struct status add_refused(struct decode *decode, struct envelope *refused) {
    if (decode->at_hand != NULL) {
        refused->attributes = decode->at_hand->attributes;
        refused->attributes_count = decode->at_hand->attributes_count;
        refused->tail = decode->at_hand->tail;
    }
    keep_notes(decode, refused);
    struct status status = add_encoded(decode, refused);
    if (status.code == STATUS_INVALID && refused->attributes_count > 0) {
        refused->attributes_count = 0;
        refused->tail = NULL;
        refused->flags |= ENVELOPE_MESSAGE_CUT;
        status = add_encoded(decode, refused);
    }
    return status;
}

/* The last place is for all that finds none. */
static struct decode_claim *find_claim(struct decode *decode, struct slice claimed) {
    for (uint32_t i = 0; i < decode->claims_count; i++) {
        struct decode_claim *claim = &decode->claims[i];
        if (slice_equals(slice_of(claim->tenant, claim->size), claimed)) {
            return claim;
        }
    }
    if (decode->claims_count == DECODE_CLAIMS_MAX) {
        return &decode->claims[DECODE_CLAIMS_MAX - 1];
    }
    struct decode_claim *claim = &decode->claims[decode->claims_count++];
    claimed = decode->claims_count == DECODE_CLAIMS_MAX ? SLICE("of others") : claimed;
    memcpy(claim->tenant, claimed.data, claimed.size);
    claim->size = (uint32_t)claimed.size;
    return claim;
}

static bool is_foreign(const struct decode *decode, struct slice claimed) {
    return decode->tenant_is_bound && claimed.size > 0 && !slice_equals(claimed, decode->tenant);
}

/* Whatever else is wrong with the record: who claims another tenant is told of. */
static void note_claim(struct decode *decode, struct slice claimed) {
    if (is_foreign(decode, claimed)) {
        find_claim(decode, slice_head(claimed, TENANT_BYTES_MAX))->count++;
    }
}

struct status decode_refuse_of(struct decode *decode, struct slice claimed, struct slice raw,
                               const char *reason) {
    struct envelope envelope = {
        .kind = EVENT_KIND_LOG,
        .flags = ENVELOPE_REFUSED | (raw.size > RAW_KEPT_BYTES_MAX ? ENVELOPE_MESSAGE_CUT : 0u),
        .tenant = tenant_of_refused(decode, claimed),
        .entity = SLICE("unknown:unidentified"),
        .event_time_ns = decode->now_ns,
        .ingest_time_ns = decode->now_ns,
        .source = decode->source,
        .reason = slice_head(slice_of_text(reason), REASON_BYTES_MAX),
        .raw = slice_head(raw, RAW_KEPT_BYTES_MAX),
    };
    struct slice parts[2] = {envelope.tenant, envelope.raw};
    envelope.event_key = hash128_of_parts(parts, 2, decode->hash_seed);
    envelope.entity_key = derive_entity_key(envelope.tenant, envelope.entity, decode->hash_seed);
    TRY(add_refused(decode, &envelope));
    note_claim(decode, claimed);
    if (decode->on_refused != NULL) {
        decode->on_refused(decode->context, decode->accepted + decode->refused, reason);
    }
    if (decode->refused == 0) {
        struct status unused = fault_set(&decode->fault, STATUS_INVALID, "%s", reason);
        (void)unused;
    }
    decode->refused++;
    return status_ok();
}

struct status decode_refuse(struct decode *decode, struct slice raw, const char *reason) {
    return decode_refuse_of(decode, slice_of(NULL, 0), raw, reason);
}

/* The record's tenant: bound or given by the request, else its own claim, else "default". */
static struct status settle_tenant(const struct decode *decode, struct slice claimed,
                                   struct slice *tenant_out, struct fault *reason) {
    if (is_foreign(decode, claimed)) {
        return fault_set(reason, STATUS_INVALID, "the record claims the tenant of another token");
    }
    struct slice tenant = decode->tenant.size > 0 ? decode->tenant
                          : claimed.size > 0      ? claimed
                                                  : SLICE("default");
    TRY(derive_check_tenant(tenant, reason));
    *tenant_out = tenant;
    return status_ok();
}

static struct slice ask_dedup_by(const struct decode *decode, struct slice tenant) {
    return decode->dedup_by_for == NULL ? (struct slice){0}
                                        : decode->dedup_by_for(decode->context, tenant);
}

/* settle_tenant, and dedup.by of the tenant; no claim changes the one that lasts. */
static struct status settle(struct decode *decode, struct slice claimed,
                            struct derive_context *context, struct fault *reason) {
    bool is_usual = decode->tenant.size > 0 ? !is_foreign(decode, claimed) : claimed.size == 0;
    if (is_usual && decode->usual.tenant.size > 0) {
        context->tenant = decode->usual.tenant;
        context->dedup_by = decode->usual.dedup_by;
        return status_ok();
    }
    TRY(settle_tenant(decode, claimed, &context->tenant, reason));
    context->dedup_by = ask_dedup_by(decode, context->tenant);
    if (is_usual) {
        decode->usual =
            (struct decode_usual){.tenant = context->tenant, .dedup_by = context->dedup_by};
    }
    return status_ok();
}

struct status decode_add(struct decode *decode, struct envelope *envelope, struct slice claimed,
                         struct slice raw) {
    struct fault reason; /* not cleared: half a KiB for every record */
    struct derive_context context = {
        .hash_seed = decode->hash_seed,
        .now_ns = decode->now_ns,
        .tenant_is_bound = decode->tenant_is_bound,
        .memo = &decode->memo,
    };
    struct status status = settle(decode, claimed, &context, &reason);
    if (status_is_ok(status)) {
        envelope->tenant = context.tenant;
        envelope->source = decode->source;
        status = derive_envelope(&context, decode->arena, envelope, &reason);
    }
    if (status.code == STATUS_INVALID) {
        return decode_refuse_of(decode, claimed, raw, reason.words);
    }
    TRY(status);
    status = add_encoded(decode, envelope);
    if (status.code == STATUS_INVALID) {
        return decode_refuse_of(decode, claimed, raw,
                                "the record is larger than an envelope can be");
    }
    TRY(status);
    decode->accepted++;
    return status_ok();
}

struct status decode_fail(struct decode *decode, const struct json_walk *walk) {
    if (walk->is_out_of_room) {
        return status_of(STATUS_FULL);
    }
    json_explain(walk, &decode->fault);
    return status_of(STATUS_INVALID);
}
