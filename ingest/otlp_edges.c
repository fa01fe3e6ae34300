/*
 * otlp_edges.c - see otlp_edges.h.
 *
 * Leaf nodes, by OpenTelemetry's conventions for spans:
 *   db.system.name (before: db.system)  -> "db:postgresql", with "/" and db.namespace (db.name),
 *                                          else server.address, where it is given
 *   peer.service                        -> "service:..."
 *   messaging.system and .destination   -> "topic:kafka/orders": who consumes depends on it, and it
 *                                          on who produces
 */
#include "ingest/otlp_edges.h"

void otlp_edges_begin(struct decode *decode, struct span_memory *spans,
                      const struct config *config) {
    decode->spans = spans;
    decode->policies = &config->policies;
}

/* An edge is told again four times before it would expire. */
static uint64_t refresh_ns(const struct decode *decode, struct slice tenant) {
    uint64_t span_ns = policy_set_find(decode->policies, tenant)->learned_ttl_ns / 4;
    return span_ns < EDGE_REFRESH_NS_MAX ? span_ns : EDGE_REFRESH_NS_MAX;
}

static struct status tell(const struct otlp_span *span, struct decode *decode,
                          struct span_edge edge, struct slice raw) {
    const struct envelope *from = &span->record.envelope;
    uint32_t accepted = decode->accepted;
    if (slice_equals(edge.dependant, edge.upstream) ||
        !span_memory_tell(decode->spans, from->tenant, edge, decode->now_ns,
                          refresh_ns(decode, from->tenant))) {
        return status_ok();
    }
    struct envelope envelope = {
        .kind = EVENT_KIND_LINEAGE,
        .flags = ENVELOPE_LEARNED,
        .entity = edge.dependant,
        .event_time_ns = from->event_time_ns,
        .trace_id = from->trace_id,
        .depends_on = &edge.upstream,
        .depends_on_count = 1,
    };
    struct status status = decode_add(
        decode, &envelope, otlp_known_value(&span->record.attributes, OTLP_TENANT_ID), raw);
    decode->accepted = accepted;
    return status;
}

/* "kind:name" or "kind:name/more"; empty when it is no good name for an entity. */
static struct slice make_leaf(struct decode *decode, const char *kind, struct slice name,
                              struct slice more) {
    struct fault reason;
    char *memory = name.size == 0 ? NULL : arena_allocate(decode->arena, ENTITY_BYTES_MAX + 1, 1);
    if (memory == NULL) {
        return slice_of(NULL, 0);
    }
    struct text text = text_over(memory, ENTITY_BYTES_MAX + 1);
    text_add_text(&text, kind);
    text_add(&text, name);
    text_add_text(&text, more.size > 0 ? "/" : "");
    text_add(&text, more);
    bool is_good = !text.truncated && status_is_ok(derive_check_entity(text_slice(&text), &reason));
    return is_good ? text_slice(&text) : slice_of(NULL, 0);
}

static struct status learn_leaf(const struct otlp_span *span, struct decode *decode,
                                struct slice leaf, bool is_upstream, struct slice raw) {
    struct slice entity = span->record.envelope.entity;
    struct span_edge edge = {.dependant = is_upstream ? entity : leaf,
                             .upstream = is_upstream ? leaf : entity};
    return leaf.size == 0 ? status_ok() : tell(span, decode, edge, raw);
}

static struct status learn_leaves(const struct otlp_span *span, struct decode *decode,
                                  struct slice raw) {
    const struct otlp_attributes *known = &span->record.attributes;
    bool is_call = span->kind != SPAN_KIND_SERVER && span->kind != SPAN_KIND_CONSUMER;
    bool is_producer = span->kind == SPAN_KIND_PRODUCER;
    struct slice none = {0};
    if (is_call) {
        struct slice database = otlp_known_first(known, OTLP_DB_NAMESPACE, OTLP_DB_NAME);
        database = database.size > 0 ? database : otlp_known_value(known, OTLP_SERVER_ADDRESS);
        struct slice system = otlp_known_first(known, OTLP_DB_SYSTEM_NAME, OTLP_DB_SYSTEM);
        TRY(learn_leaf(span, decode, make_leaf(decode, "db:", system, database), true, raw));
        TRY(learn_leaf(
            span, decode,
            make_leaf(decode, "service:", otlp_known_value(known, OTLP_PEER_SERVICE), none), true,
            raw));
    }
    if (is_producer || span->kind == SPAN_KIND_CONSUMER) {
        struct slice topic =
            otlp_known_first(known, OTLP_MESSAGING_DESTINATION_NAME, OTLP_MESSAGING_DESTINATION);
        struct slice system =
            topic.size > 0 ? otlp_known_value(known, OTLP_MESSAGING_SYSTEM) : none;
        TRY(learn_leaf(span, decode, make_leaf(decode, "topic:", system, topic), !is_producer,
                       raw));
    }
    return status_ok();
}

struct status otlp_edges_learn(const struct otlp_span *span, struct decode *decode,
                               struct slice raw) {
    const struct envelope *envelope = &span->record.envelope;
    struct span_edges edges; /* not cleared: two KiB for every span */
    if (slice_equals(envelope->entity, SLICE("unknown:unidentified"))) {
        return status_ok();
    }
    struct span_note note = {
        .tenant = envelope->tenant,
        .entity = envelope->entity,
        .trace_id = envelope->trace_id,
        .span_id = envelope->span_id,
        .parent_span_id = envelope->parent_span_id,
        .kind = span->kind,
    };
    span_memory_note(decode->spans, &note, decode->now_ns, &edges);
    for (uint32_t i = 0; i < edges.count; i++) {
        TRY(tell(span, decode, edges.items[i], raw));
    }
    return learn_leaves(span, decode, raw);
}
