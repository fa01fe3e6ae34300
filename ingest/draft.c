/* draft.c - see draft.h. */
#include "ingest/draft.h"

#include <math.h>
#include <stdlib.h>

#include "ingest/otlp_number.h"

enum { NUMBER_BYTES_MAX = 64 };

void draft_refuse(struct draft *draft, const char *words, struct slice detail) {
    if (draft->is_refused) {
        return;
    }
    draft->is_refused = true;
    struct slice shown = slice_head(detail, 80);
    (void)!status_is_ok(fault_set(&draft->reason, STATUS_INVALID, "%s%.*s", words, (int)shown.size,
                                  shown.size > 0 ? (const char *)shown.data : ""));
}

/* A string or a number as text; anything else refuses the record. */
struct slice draft_take_word(struct json_walk *walk, struct draft *draft, const char *complaint) {
    struct slice text = {0};
    switch (json_peek(walk)) {
    case JSON_STRING:
        json_take_string(walk, &text);
        return text;
    case JSON_NUMBER:
        json_take_number(walk, &text);
        return text;
    case JSON_NULL:
        json_take_null(walk);
        return text;
    default:
        json_skip(walk, NULL);
        draft_refuse(draft, complaint, (struct slice){0});
        return text;
    }
}

/* --- Times --- */

/* Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude: here of a
 * number that is not written digit by digit, "1.7e9". */
static uint64_t epoch_ns(double value) {
    static const double units[] = {1e9, 1e6, 1e3, 1};
    double limit = 1e11; /* seconds up to the year 5138 */
    for (size_t i = 0; i < 4; i++) {
        if (value < limit) {
            double ns = value * units[i];
            return ns < 1.8e19 ? (uint64_t)ns : 0;
        }
        limit *= 1e3;
    }
    return 0;
}

/* The same of digits with or without a fraction: no digit is lost, as it would be in a double. 0:
 * more seconds than a clock holds. */
static bool parse_epoch(struct slice text, uint64_t *time_ns_out) {
    static const uint64_t units[] = {NS_PER_S, NS_PER_MS, 1000, 1};
    uint64_t limit = UINT64_C(100000000000); /* seconds up to the year 5138 */
    uint64_t time_ns = 0;
    size_t i = 0;
    struct slice whole = slice_head(text, slice_find_byte(text, '.'));
    struct slice fraction = slice_tail(text, whole.size + 1);
    if (!status_is_ok(text_parse_u64(whole, &time_ns))) {
        return false;
    }
    for (; i < 3 && time_ns >= limit; i++) {
        limit *= 1000;
    }
    bool is_beyond = __builtin_mul_overflow(time_ns, units[i], &time_ns);
    uint64_t digit_ns = units[i];
    for (size_t at = 0; at < fraction.size; at++) {
        if (fraction.data[at] < '0' || fraction.data[at] > '9') {
            return false;
        }
        digit_ns /= 10;
        is_beyond = is_beyond ||
                    __builtin_add_overflow(time_ns, digit_ns * (uint64_t)(fraction.data[at] - '0'),
                                           &time_ns);
    }
    *time_ns_out = is_beyond ? 0 : time_ns;
    return true;
}

bool draft_parse_decimal(struct slice text, double *value_out) {
    char copy[NUMBER_BYTES_MAX];
    char *end = NULL;
    /* strtod alone would take "0x10", " 5" and "inf", too. */
    if (!otlp_is_double(text) || text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *value_out = strtod(copy, &end);
    return end == copy + text.size && isfinite(*value_out);
}

void draft_set_time(struct draft *draft, struct slice text) {
    uint64_t *time_ns = &draft->envelope.event_time_ns;
    double value = 0;
    if (text.size == 0 || status_is_ok(text_parse_time_clamped(text, time_ns)) ||
        parse_epoch(text, time_ns)) {
        return;
    }
    if (draft_parse_decimal(text, &value) && value >= 0) {
        *time_ns = epoch_ns(value);
        return;
    }
    draft_refuse(
        draft,
        "occurred_at is neither RFC 3339, with its zone such as Z, nor an epoch time: ", text);
}

void draft_take_time(struct json_walk *walk, struct draft *draft) {
    draft_set_time(draft, draft_take_word(walk, draft, "occurred_at is no time"));
}

/* --- Vocabularies and attributes --- */

void draft_set_status(struct draft *draft, struct slice word) {
    draft->has_status = word.size > 0;
    if (word.size > 0 && !draft->is_refused &&
        !status_is_ok(event_status_parse(word, &draft->envelope.status))) {
        draft->is_refused = true;
        (void)!status_is_ok(event_status_unknown(word, &draft->reason));
    }
}

void draft_take_status(struct json_walk *walk, struct draft *draft) {
    draft_set_status(draft, draft_take_word(walk, draft, "status is no word"));
}

void draft_set_severity(struct draft *draft, struct slice word) {
    if (word.size > 0 && !status_is_ok(event_severity_parse(word, &draft->envelope.severity))) {
        draft_refuse(draft, "severity is none of info, warning, error and critical: ", word);
    }
}

void draft_take_severity(struct json_walk *walk, struct draft *draft) {
    draft_set_severity(draft, draft_take_word(walk, draft, "severity is no word"));
}

static enum attribute_type attribute_type_of(enum json_type type) {
    switch (type) {
    case JSON_STRING:
        return ATTRIBUTE_STRING;
    case JSON_NUMBER:
        return ATTRIBUTE_DOUBLE;
    case JSON_TRUE:
    case JSON_FALSE:
        return ATTRIBUTE_BOOL;
    default:
        return ATTRIBUTE_JSON;
    }
}

static void add_attribute(struct draft *draft, struct attribute attribute) {
    struct envelope *envelope = &draft->envelope;
    if (envelope->attributes_count == ATTRIBUTES_PER_EVENT_MAX ||
        attribute.value.size > ATTRIBUTE_BYTES_MAX || attribute.key.size > ATTRIBUTE_BYTES_MAX) {
        envelope->cut_hash = derive_cut_hash(envelope->cut_hash, &attribute);
        envelope->flags |= ENVELOPE_MESSAGE_CUT;
        return;
    }
    draft->attributes[envelope->attributes_count++] = attribute;
}

void draft_set_attribute(struct draft *draft, struct slice key, struct slice value,
                         enum json_type type) {
    if (type != JSON_NULL) {
        add_attribute(draft, (struct attribute){key, value, attribute_type_of(type)});
    }
}

/* Any value under a key becomes an attribute; composites keep their JSON. */
void draft_take_attribute(struct json_walk *walk, struct draft *draft, struct slice key) {
    struct slice value = {0};
    enum json_type type = json_peek(walk);
    if (type == JSON_STRING) {
        json_take_string(walk, &value);
    } else {
        json_skip(walk, &value);
    }
    draft_set_attribute(draft, key, value, type);
}

void draft_add_attribute(struct draft *draft, struct slice key, struct slice value) {
    add_attribute(draft, (struct attribute){key, value, ATTRIBUTE_STRING});
}

/* --- The end of a record --- */

static void settle_entity(struct decode *decode, struct draft *draft) {
    struct envelope *envelope = &draft->envelope;
    struct derive_entity_keys keys = {.job_id = draft->job_id};
    struct status status = status_ok();
    if (envelope->entity.size > 0) {
        return;
    }
    if (draft->entity.size > 0) {
        envelope->entity = draft->entity;
        status = derive_check_entity(draft->entity, &draft->reason);
    } else if (draft->job_id.size > 0) {
        status = derive_entity(&keys, decode->arena, &envelope->entity, &draft->reason);
    } else {
        draft_refuse(draft, "one of job_id and entity is required", (struct slice){0});
    }
    draft->is_refused = draft->is_refused || !status_is_ok(status);
}

/* --- Traces --- */

bool draft_parse_span_id(struct slice hex, uint64_t *span_id_out) {
    uint8_t bytes[8];
    if (!status_is_ok(text_parse_hex(hex, bytes, sizeof(bytes)))) {
        return false;
    }
    struct reader reader = reader_over(slice_of(bytes, sizeof(bytes)));
    *span_id_out = reader_u64_big_endian(&reader);
    return true;
}

bool draft_parse_trace_id(struct slice hex, struct hash128 *trace_id_out) {
    struct hash128 id;
    bool is_sound = hex.size == 32 && draft_parse_span_id(slice_head(hex, 16), &id.lo) &&
                    draft_parse_span_id(slice_tail(hex, 16), &id.hi);
    if (is_sound) {
        *trace_id_out = id;
    }
    return is_sound;
}

void draft_set_trace_id(struct draft *draft, struct slice key, struct slice hex) {
    if (hex.size > 0 && !draft_parse_trace_id(hex, &draft->envelope.trace_id)) {
        draft_add_attribute(draft, key, hex);
    }
}

void draft_take_trace_id(struct json_walk *walk, struct draft *draft, struct slice key) {
    draft_set_trace_id(draft, key, draft_take_word(walk, draft, "trace_id is no string"));
}

void draft_set_span_id(struct draft *draft, struct slice key, struct slice hex,
                       uint64_t *span_id_out) {
    if (hex.size > 0 && !draft_parse_span_id(hex, span_id_out)) {
        draft_add_attribute(draft, key, hex);
    }
}

void draft_take_span_id(struct json_walk *walk, struct draft *draft, struct slice key,
                        uint64_t *span_id_out) {
    struct slice hex = draft_take_word(walk, draft, "a span id is no string");
    draft_set_span_id(draft, key, hex, span_id_out);
}

struct status draft_finish(struct decode *decode, struct draft *draft, struct slice raw) {
    if (!draft->is_refused) {
        settle_entity(decode, draft);
    }
    if (draft->is_refused) {
        return decode_refuse_of(decode, draft->claimed, raw, draft->reason.words);
    }
    struct envelope *envelope = &draft->envelope;
    if (envelope->kind == 0) {
        bool is_job = slice_starts_with(envelope->entity, SLICE("job:"));
        envelope->kind = is_job ? EVENT_KIND_JOB : EVENT_KIND_CHECK;
    }
    envelope->attributes = draft->attributes;
    return decode_add(decode, envelope, draft->claimed, raw);
}
