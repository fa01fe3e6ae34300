/* otlp_record.c - see otlp_record.h. */
#include "ingest/otlp_record.h"

#include "core/base/assert.h"
#include "ingest/otlp_edges.h"

static const struct slice known_keys[OTLP_KNOWN_COUNT] = {
#define KEY(with, name, words) [name] = {(const uint8_t *)(words), sizeof(words) - 1},
    OTLP_FOR_EACH_KNOWN(KEY, )
#undef KEY
};
static_assert(OTLP_KNOWN_COUNT <= 32, "known_set has a bit for each");

/* For each length the first known key that is not shorter: those of length n are from
 * first_of_size[n] to first_of_size[n + 1]. */
enum { KNOWN_BYTES_MAX = 26 };
/* A term of a sum. NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define IS_SHORTER(size, name, words) +(sizeof(words) - 1 < (size))
#define FIRST(size) 0 OTLP_FOR_EACH_KNOWN(IS_SHORTER, size)
#define FIRST_4(size) FIRST(size), FIRST((size) + 1), FIRST((size) + 2), FIRST((size) + 3)
static const uint8_t first_of_size[KNOWN_BYTES_MAX + 2] = {
    FIRST_4(0), FIRST_4(4), FIRST_4(8), FIRST_4(12), FIRST_4(16), FIRST_4(20), FIRST_4(24),
};
static_assert(FIRST(KNOWN_BYTES_MAX + 1) == OTLP_KNOWN_COUNT, "the longest known key");
#undef FIRST_4
#undef FIRST
#undef IS_SHORTER

enum otlp_known otlp_known_of(struct slice key) {
    if (key.size > KNOWN_BYTES_MAX) {
        return OTLP_KNOWN_COUNT;
    }
    for (uint32_t i = first_of_size[key.size]; i < first_of_size[key.size + 1]; i++) {
        if (memcmp(key.data, known_keys[i].data, key.size) == 0) {
            return (enum otlp_known)i;
        }
    }
    return OTLP_KNOWN_COUNT;
}

static void note_known(struct otlp_attributes *attributes, enum otlp_known known,
                       struct slice value) {
    uint32_t bit = UINT32_C(1) << known;
    attributes->known[known] = value;
    attributes->known_set =
        value.size > 0 ? attributes->known_set | bit : attributes->known_set & ~bit;
}

static uint64_t size_bit(struct slice key) {
    return UINT64_C(1) << (key.size & 63);
}

void otlp_attributes_reset(struct otlp_attributes *attributes) {
    /* Not the items, and not what is known: they are not cleared for every record. */
    attributes->count = 0;
    attributes->is_cut = false;
    attributes->cut_hash = 0;
    attributes->key_sizes = 0;
    attributes->known_set = 0;
    attributes->block.count = 0;
}

void otlp_attributes_note_cut(struct otlp_attributes *attributes,
                              const struct attribute *attribute) {
    attributes->cut_hash = derive_cut_hash(attributes->cut_hash, attribute);
    attributes->is_cut = true;
}

/* To whole characters: up to three bytes of the room, and the terminator, may be left. */
static bool fills_room(size_t size) {
    return size + 4 >= ATTRIBUTE_BYTES_MAX;
}

bool otlp_is_marked(struct slice value, enum attribute_type type) {
    return type == ATTRIBUTE_JSON && fills_room(value.size);
}

bool otlp_begin_list(struct arena *arena, struct text *text_out) {
    char *memory = arena_allocate_unset(arena, ATTRIBUTE_BYTES_MAX, 1);
    *text_out = text_over(memory, memory == NULL ? 0 : ATTRIBUTE_BYTES_MAX);
    return memory != NULL;
}

static void mark_cut(struct text *text, struct slice raw) {
    ASSERT(text->capacity == ATTRIBUTE_BYTES_MAX);
    if (!fills_room(text->size)) {
        ASSERT(!text->truncated);
        return;
    }
    struct hash128 hash = hash128_of(raw, 0);
    text_end_with_mark(text, slice_of(&hash, sizeof(hash)));
    ASSERT(fills_room(text->size));
}

struct slice otlp_end_list(struct arena *arena, struct text *text, struct slice raw) {
    mark_cut(text, raw);
    size_t start = (size_t)((const uint8_t *)text->data - arena->base);
    arena_rewind(arena, start + text->size);
    return text_slice(text);
}

static struct slice cut_value(struct slice value) {
    value = slice_head(value, ATTRIBUTE_BYTES_MAX);
    while (value.size > 0 && !text_is_utf8(value)) {
        value.size--;
    }
    return value;
}

void otlp_attributes_add_known(struct otlp_attributes *attributes,
                               const struct attribute *attribute, enum otlp_known known) {
    if (known != OTLP_KNOWN_COUNT) {
        note_known(attributes, known, attribute->value);
    }
    if (attributes->count == ATTRIBUTES_PER_EVENT_MAX) {
        otlp_attributes_note_cut(attributes, attribute);
        return;
    }
    struct attribute *item = &attributes->items[attributes->count++];
    *item = *attribute;
    attributes->key_sizes |= size_bit(attribute->key);
    if (item->value.size > ATTRIBUTE_BYTES_MAX) {
        otlp_attributes_note_cut(attributes, attribute);
        item->value = cut_value(item->value);
    }
    if (otlp_is_marked(item->value, item->type)) {
        attributes->is_cut = true;
        item->type = ATTRIBUTE_STRING;
    }
}

void otlp_attributes_add(struct otlp_attributes *attributes, const struct attribute *attribute) {
    otlp_attributes_add_known(attributes, attribute, otlp_known_of(attribute->key));
}

/* Takes those of the wanted ones (a bit each) that the inner level does not have. */
static void inherit_known(struct otlp_attributes *inner, const struct otlp_attributes *outer,
                          uint32_t wanted) {
    uint32_t missing = outer->known_set & ~inner->known_set & wanted;
    inner->known_set |= missing;
    for (; missing != 0; missing &= missing - 1) {
        int i = __builtin_ctz(missing);
        inner->known[i] = outer->known[i];
    }
}

/* Whether one of the first `count` has the key. */
static bool is_named(const struct otlp_attributes *attributes, uint32_t count, struct slice key) {
    if ((attributes->key_sizes & size_bit(key)) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(attributes->items[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* Whether the inner level has a key of the outer one. */
static bool names_any(const struct otlp_attributes *inner, const struct otlp_attributes *outer) {
    if ((inner->key_sizes & outer->key_sizes) == 0) {
        return false;
    }
    for (uint32_t i = 0; i < outer->count; i++) {
        if (is_named(inner, inner->count, outer->items[i].key)) {
            return true;
        }
    }
    return false;
}

/* What is looked for, and what tells records apart, without the attributes themselves. An event.id
 * of many records is no event's. */
static void inherit_facts(struct otlp_attributes *inner, const struct otlp_attributes *outer) {
    inherit_known(inner, outer, ~(UINT32_C(1) << OTLP_EVENT_ID));
    inner->cut_hash = 3 * inner->cut_hash + outer->cut_hash; /* of both, and 0 of none */
}

void otlp_inherit(struct otlp_attributes *inner, const struct otlp_attributes *outer) {
    uint32_t own = inner->count;
    inherit_facts(inner, outer);
    for (uint32_t i = 0; i < outer->count; i++) {
        if (is_named(inner, own, outer->items[i].key)) {
            continue;
        }
        if (inner->count == ATTRIBUTES_PER_EVENT_MAX) {
            otlp_attributes_note_cut(inner, &outer->items[i]);
            continue;
        }
        inner->items[inner->count++] = outer->items[i];
    }
    inner->key_sizes |= outer->key_sizes;
}

void otlp_attributes_settle(struct otlp_attributes *attributes, const struct otlp_attributes *outer,
                            struct arena *arena) {
    if (outer != NULL) {
        otlp_inherit(attributes, outer);
    }
    if (attributes->count == 0 ||
        !status_is_ok(attribute_block_encode(attributes->items, attributes->count, arena,
                                             &attributes->block))) {
        attributes->block.count = 0;
    }
}

/* How the run of a pipeline ended, in OpenTelemetry's words (semantic conventions, CICD): else what
 * failed by a span's status would never be well again. Other words, and data points, which tell
 * each ended run again and again, say nothing. */
static void settle_pipeline(struct otlp_record *record) {
    static const struct {
        const char *word;
        enum event_status status;
    } results[] = {
        {"success", EVENT_STATUS_SUCCEEDED},    {"failure", EVENT_STATUS_FAILED},
        {"error", EVENT_STATUS_FAILED},         {"timeout", EVENT_STATUS_FAILED},
        {"cancellation", EVENT_STATUS_ABORTED}, {"skip", EVENT_STATUS_SKIPPED},
    };
    const struct otlp_attributes *known = &record->attributes;
    struct slice word = otlp_known_value(known, OTLP_PIPELINE_RESULT);
    bool is_named = otlp_known_value(known, OTLP_PIPELINE_NAME).size > 0 &&
                    otlp_known_value(known, OTLP_JOB_ID).size == 0;
    if (word.size == 0 || !is_named || record->envelope.kind == EVENT_KIND_METRIC) {
        return;
    }
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (slice_equals(word, slice_of_text(results[i].word))) {
            record->envelope.kind = EVENT_KIND_JOB;
            record->envelope.status = results[i].status;
        }
    }
}

/* job.status makes the record a job's, check.status a check's, be it a log record, a span or a data
 * point. INVALID for an unknown word. */
static struct status settle_status(struct otlp_record *record, struct fault *reason) {
    const struct otlp_attributes *known = &record->attributes;
    struct slice word = otlp_known_first(known, OTLP_JOB_STATUS, OTLP_CHECK_STATUS);
    bool is_job = otlp_known_value(known, OTLP_JOB_STATUS).size > 0;
    if (word.size == 0 || record->has_no_status) {
        settle_pipeline(record);
        return status_ok();
    }
    record->envelope.kind = is_job ? EVENT_KIND_JOB : EVENT_KIND_CHECK;
    if (!status_is_ok(event_status_parse(word, &record->envelope.status))) {
        return event_status_unknown(word, reason);
    }
    return status_ok();
}

static struct status settle_record(struct otlp_record *record, struct decode *decode,
                                   struct fault *reason) {
    const struct otlp_attributes *known = &record->attributes;
    struct envelope *envelope = &record->envelope;
    struct derive_entity_keys keys = {
        .job_id = otlp_known_first(known, OTLP_JOB_ID, OTLP_PIPELINE_NAME),
        .dataset_name = otlp_known_value(known, OTLP_DATASET_NAME),
        .check_id = otlp_known_value(known, OTLP_CHECK_ID),
        .service_name = otlp_known_value(known, OTLP_SERVICE_NAME),
        .service_namespace = otlp_known_value(known, OTLP_SERVICE_NAMESPACE),
    };
    if (record->reason != NULL) {
        return fault_set(reason, STATUS_INVALID, "%s", record->reason);
    }
    TRY(settle_status(record, reason));
    envelope->event_id = otlp_known_value(known, OTLP_EVENT_ID);
    envelope->run_id = otlp_known_first(known, OTLP_RUN_ID, OTLP_PIPELINE_RUN_ID);
    envelope->error_class = otlp_known_first(known, OTLP_ERROR_TYPE, OTLP_EXCEPTION_TYPE);
    if (envelope->message.size == 0) {
        envelope->message = otlp_known_value(known, OTLP_EXCEPTION_MESSAGE);
    }
    if (envelope->message.size == 0) { /* an event without a body: its name says what happened */
        envelope->message = record->event_name;
    }
    if (envelope->event_time_ns == 0) {
        envelope->event_time_ns = record->observed_ns;
    }
    envelope->flags |= record->attributes.is_cut ? ENVELOPE_MESSAGE_CUT : 0u;
    envelope->cut_hash = record->attributes.cut_hash;
    return derive_memo_entity(&decode->memo, &keys, decode->arena, &envelope->entity, reason);
}

void otlp_record_init(struct otlp_record *record, enum event_kind kind) {
    memset(&record->envelope, 0, sizeof(record->envelope));
    otlp_attributes_reset(&record->attributes);
    record->observed_ns = 0;
    record->event_name = slice_of(NULL, 0);
    record->reason = NULL;
    record->has_no_status = false;
    record->span = NULL;
    record->envelope.kind = kind;
}

void otlp_record_set_body(struct otlp_record *record, struct slice body, enum attribute_type type) {
    record->envelope.message = body;
    record->envelope.flags |= otlp_is_marked(body, type) ? ENVELOPE_MESSAGE_CUT : 0u;
}

/* Log data model, trace_id and span_id: "The receivers SHOULD assume that the log record is not
 * associated with a trace if [...] the field contains an invalid value." */
void otlp_record_miss_id(struct otlp_record *record, const char *words) {
    if (record->span != NULL) {
        record->reason = words;
    }
}

void otlp_record_set_severity(struct otlp_record *record, uint64_t number) {
    /* An enum is an int32: beyond it stands one below zero. */
    record->envelope.severity = event_severity_of_otlp(number > INT32_MAX ? 0 : (uint32_t)number);
}

/* --- Spans --- */

enum { SPAN_STATUS_ERROR = 2 };

void otlp_span_init(struct otlp_span *span) {
    otlp_record_init(&span->record, EVENT_KIND_SPAN);
    span->record.span = span;
    span->record.envelope.is_span = true;
    span->kind = SPAN_KIND_UNSPECIFIED;
    span->name = slice_of(NULL, 0);
    span->status_message = slice_of(NULL, 0);
    span->status_code = 0;
}

void otlp_span_set_kind(struct otlp_span *span, uint64_t number) {
    span->kind = number > SPAN_KIND_CONSUMER ? SPAN_KIND_UNSPECIFIED : (enum span_kind)number;
}

void otlp_span_note_event(struct otlp_span *span, const struct otlp_attributes *attributes) {
    uint32_t wanted = UINT32_C(1) << OTLP_EXCEPTION_TYPE | UINT32_C(1) << OTLP_EXCEPTION_MESSAGE;
    inherit_known(&span->record.attributes, attributes, wanted);
}

void otlp_span_settle(struct otlp_span *span) {
    struct envelope *envelope = &span->record.envelope;
    if (span->status_code == SPAN_STATUS_ERROR) {
        envelope->status = EVENT_STATUS_FAILED;
        envelope->severity = EVENT_SEVERITY_ERROR;
        envelope->message = span->status_message;
        if (envelope->message.size == 0) {
            envelope->message = otlp_known_value(&span->record.attributes, OTLP_EXCEPTION_MESSAGE);
        }
    }
    envelope->message = envelope->message.size > 0 ? envelope->message : span->name;
}

/* --- The end --- */

/* Where OTLP had it before it had a field of its own; whoever sends both means one thing. */
static void add_event_name(struct otlp_record *record) {
    struct attribute attribute = {SLICE("event.name"), record->event_name, ATTRIBUTE_STRING};
    for (uint32_t i = 0; i < record->attributes.count; i++) {
        if (slice_equals(record->attributes.items[i].key, attribute.key)) {
            return;
        }
    }
    otlp_attributes_add(&record->attributes, &attribute);
}

/* All of the outer level's, as they are encoded already; else one by one. */
static void inherit_all(struct otlp_record *record, const struct otlp_attributes *outer) {
    struct otlp_attributes *inner = &record->attributes;
    const struct attribute_block *block = &outer->block;
    bool is_whole = block->count > 0 && inner->count + block->count <= ATTRIBUTES_PER_EVENT_MAX &&
                    !names_any(inner, outer);
    record->envelope.tail = is_whole ? block : NULL;
    if (is_whole) {
        inherit_facts(inner, outer);
    } else {
        otlp_inherit(inner, outer);
    }
    record->envelope.attributes = inner->items;
    record->envelope.attributes_count = inner->count + (is_whole ? block->count : 0);
}

static struct status add_record(struct otlp_record *record, struct decode *decode,
                                struct slice raw) {
    struct fault reason;
    struct status status = settle_record(record, decode, &reason);
    if (status.code == STATUS_INVALID) {
        return decode_refuse_of(decode, otlp_known_value(&record->attributes, OTLP_TENANT_ID), raw,
                                reason.words);
    }
    TRY(status);
    uint32_t accepted = decode->accepted;
    TRY(decode_add(decode, &record->envelope, otlp_known_value(&record->attributes, OTLP_TENANT_ID),
                   raw));
    bool teaches = record->span != NULL && decode->spans != NULL && decode->accepted > accepted;
    return teaches ? otlp_edges_learn(record->span, decode, raw) : status_ok();
}

struct status otlp_record_finish(struct otlp_record *record, struct decode *decode,
                                 struct slice raw, const struct otlp_attributes *outer) {
    if (record->event_name.size > 0) {
        add_event_name(record);
    }
    inherit_all(record, outer);
    decode->at_hand = &record->envelope;
    struct status status = add_record(record, decode, raw);
    decode->at_hand = NULL;
    return status;
}
