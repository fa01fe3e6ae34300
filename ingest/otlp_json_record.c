/* otlp_json_record.c - see otlp_json_record.h. */
#include "ingest/otlp_json_record.h"

#include "core/base/text.h"

/* --- Records --- */

static void take_id(struct json_walk *walk, struct otlp_record *record, uint8_t *id_out,
                    size_t size, const char *complaint) {
    struct slice text = {0};
    if (otlp_take_text(walk, &text) && text.size > 0 &&
        !status_is_ok(text_parse_hex(text, id_out, size))) {
        memset(id_out, 0, size); /* digits before the first that is none */
        otlp_record_miss_id(record, complaint);
    }
}

void otlp_take_ids(struct json_walk *walk, struct slice key, struct otlp_record *record) {
    uint8_t id[16] = {0};
    bool is_trace = json_key_is(key, "traceId");
    bool is_parent = json_key_is(key, "parentSpanId");
    take_id(walk, record, id, is_trace ? 16 : 8,
            is_trace    ? "traceId is not 32 hex digits"
            : is_parent ? "parentSpanId is not 16 hex digits"
                        : "spanId is not 16 hex digits");
    struct reader reader = reader_over(slice_of(id, sizeof(id)));
    uint64_t first = reader_u64_big_endian(&reader);
    if (is_trace) {
        record->envelope.trace_id.lo = first;
        record->envelope.trace_id.hi = reader_u64_big_endian(&reader);
    } else if (is_parent) {
        record->envelope.parent_span_id = first;
    } else {
        record->envelope.span_id = first;
    }
}

struct status otlp_json_finish_record(struct otlp_record *record, struct decode *decode,
                                      struct json_walk *walk, size_t start,
                                      const struct otlp_attributes *outer) {
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    return otlp_record_finish(record, decode, slice_of(walk->bytes.data + start, walk->at - start),
                              outer);
}

/* The attributes of a "resource" or "scope" object. */
static void take_owner(struct json_walk *walk, struct otlp_attributes *attributes) {
    struct slice key;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "attributes")) {
            otlp_take_attributes(walk, attributes);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void settle_once(struct otlp_attributes *attributes, const struct otlp_attributes *outer,
                        struct arena *arena, bool *is_done) {
    if (!*is_done) {
        otlp_attributes_settle(attributes, outer, arena);
    }
    *is_done = true;
}

/* --- Levels --- */

static struct status take_scopes(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_json_request *request,
                                 const struct otlp_attributes *outer);

static struct status take_children(struct decode *decode, struct json_walk *walk,
                                   const struct otlp_json_request *request, bool is_scope,
                                   const struct otlp_attributes *outer) {
    return is_scope ? request->take_records(decode, walk, outer)
                    : take_scopes(decode, walk, request, outer);
}

/* A resource or a scope: an object with an owner and its children. Usually the owner comes first
 * and the children are taken as they come; else the walk comes back to them once the owner is
 * known. */
static struct status take_level(struct decode *decode, struct json_walk *walk,
                                const struct otlp_json_request *request, bool is_scope,
                                const struct otlp_attributes *outer) {
    struct otlp_attributes attributes;
    struct json_walk children = {.error = "none"};
    struct slice owner_key = is_scope ? SLICE("scope") : SLICE("resource");
    struct slice key;
    bool has_owner = false;
    otlp_attributes_reset(&attributes);
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        bool is_children = slice_equals(key, is_scope ? request->records : request->scopes);
        if (slice_equals(key, owner_key)) {
            take_owner(walk, &attributes);
            settle_once(&attributes, outer, decode->arena, &has_owner);
        } else if (is_children && has_owner) {
            TRY(take_children(decode, walk, request, is_scope, &attributes));
        } else {
            children = is_children ? *walk : children;
            json_skip(walk, NULL);
        }
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    settle_once(&attributes, outer, decode->arena, &has_owner);
    return children.error != NULL
               ? status_ok()
               : take_children(decode, &children, request, is_scope, &attributes);
}

static struct status take_levels(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_json_request *request, bool is_scope,
                                 const struct otlp_attributes *outer) {
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(take_level(decode, walk, request, is_scope, outer));
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

static struct status take_scopes(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_json_request *request,
                                 const struct otlp_attributes *outer) {
    return take_levels(decode, walk, request, true, outer);
}

struct status otlp_json_decode_request(struct decode *decode, struct slice body,
                                       const struct otlp_json_request *request) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    struct slice key;
    json_enter_object(&walk);
    while (json_next_member(&walk, &key)) {
        if (slice_equals(key, request->resources)) {
            TRY(take_levels(decode, &walk, request, false, NULL));
        } else {
            json_skip(&walk, NULL);
        }
    }
    return json_finish(&walk) ? status_ok() : decode_fail(decode, &walk);
}
