/* otlp_json_usual.c - see otlp_json_usual.h. */
#include "ingest/otlp_json_usual.h"

#include "core/base/limits.h"
#include "core/base/text.h"
#include "ingest/json_match.h"
#include "ingest/otlp_number.h"

bool otlp_take_usual_attribute(struct json_walk *walk, struct otlp_attributes *attributes) {
    struct attribute attribute;
    struct json_match match;
    if (!json_match_begin(walk, &match) || !JSON_MATCH(&match, "{\"key\":\"", 5) ||
        !json_match_string(&match, &attribute.key) || !JSON_MATCH(&match, "\",\"value\":{\"", 7)) {
        return false;
    }
    if (JSON_MATCH(&match, "stringValue\":\"", 3)) {
        attribute.type = ATTRIBUTE_STRING;
    } else if (JSON_MATCH(&match, "intValue\":\"", 3)) {
        attribute.type = ATTRIBUTE_INT;
    } else {
        return false;
    }
    if (!json_match_string(&match, &attribute.value) || !JSON_MATCH(&match, "\"}}", 3) ||
        (attribute.type == ATTRIBUTE_INT && !otlp_is_plain_i64(attribute.value))) {
        return false;
    }
    otlp_attributes_add(attributes, &attribute);
    json_match_commit(&match);
    return true;
}

static bool take_nanoseconds(struct json_match *match, uint64_t *time_ns_out) {
    struct slice digits;
    return json_match_string(match, &digits) && status_is_ok(text_parse_u64(digits, time_ns_out)) &&
           JSON_MATCH(match, "\"", 1);
}

/* Hex digits as big-endian words; `words` is 2 or 1. Zero on no match: not written. */
static bool take_id(struct json_match *match, uint64_t *words_out, size_t words) {
    struct slice digits;
    uint8_t bytes[16];
    if (!json_match_string(match, &digits) ||
        !status_is_ok(text_parse_hex(digits, bytes, 8 * words)) || !JSON_MATCH(match, "\"", 1)) {
        return false;
    }
    struct reader reader = reader_over(slice_of(bytes, 8 * words));
    for (size_t i = 0; i < words; i++) {
        words_out[i] = reader_u64_big_endian(&reader);
    }
    return true;
}

/* A number of one or two digits: its own token, ended by the next one. */
static bool take_severity(struct json_match *match, struct otlp_record *record) {
    const struct json_walk *walk = match->walk;
    if (match->cursor + 1 >= walk->index->count ||
        walk->index->entries[match->cursor] != match->at) {
        return false;
    }
    size_t size = walk->index->entries[match->cursor + 1] - match->at;
    uint64_t number = 0;
    struct slice digits = slice_of(walk->bytes.data + match->at, size);
    bool is_usual = (size == 1 || (size == 2 && digits.data[0] != '0')) &&
                    status_is_ok(text_parse_u64(digits, &number));
    if (is_usual) {
        otlp_record_set_severity(record, number);
        match->cursor++;
        match->at += size;
    }
    return is_usual;
}

static bool take_attributes(struct json_match *match, struct otlp_record *record) {
    struct json_walk *walk = match->walk;
    if (walk->depth == JSON_DEPTH_MAX) {
        return false;
    }
    json_match_commit(match);
    walk->depth++;
    walk->is_fresh = true;
    otlp_take_attribute_elements(walk, &record->attributes);
    return true;
}

static bool take_time_or_trace(struct json_match *match, struct otlp_record *record) {
    struct envelope *envelope = &record->envelope;
    if (JSON_MATCH(match, "\"timeUnixNano\":\"", 4)) {
        return take_nanoseconds(match, &envelope->event_time_ns);
    }
    uint64_t words[2];
    if (!JSON_MATCH(match, "\"traceId\":\"", 4) || !take_id(match, words, 2)) {
        return false;
    }
    envelope->trace_id = (struct hash128){words[0], words[1]};
    return true;
}

static bool take_severity_or_span(struct json_match *match, struct otlp_record *record) {
    struct slice unused;
    if (JSON_MATCH(match, "\"severityNumber\":", 3)) {
        return take_severity(match, record);
    }
    if (JSON_MATCH(match, "\"severityText\":\"", 4)) {
        return json_match_string(match, &unused) && JSON_MATCH(match, "\"", 1);
    }
    return JSON_MATCH(match, "\"spanId\":\"", 4) && take_id(match, &record->envelope.span_id, 1);
}

static bool take_body(struct json_match *match, struct otlp_record *record) {
    struct slice message;
    if (!JSON_MATCH(match, "\"body\":{\"stringValue\":\"", 8) ||
        !json_match_string(match, &message) || !JSON_MATCH(match, "\"}", 2)) {
        return false;
    }
    record->envelope.message = message;
    return true;
}

bool otlp_take_usual_log_member(struct json_walk *walk, struct otlp_record *record) {
    struct json_match match;
    bool is_taken = false;
    if (!json_match_begin(walk, &match) || (!walk->is_fresh && !JSON_MATCH(&match, ",", 1)) ||
        walk->bytes.size - match.at < 2) {
        return false;
    }
    switch (walk->bytes.data[match.at + 1]) {
    case 't':
        is_taken = take_time_or_trace(&match, record);
        break;
    case 's':
        is_taken = take_severity_or_span(&match, record);
        break;
    case 'b':
        is_taken = take_body(&match, record);
        break;
    case 'a':
        return JSON_MATCH(&match, "\"attributes\":[", 4) && take_attributes(&match, record);
    case 'o':
        is_taken = JSON_MATCH(&match, "\"observedTimeUnixNano\":\"", 4) &&
                   take_nanoseconds(&match, &record->observed_ns);
        break;
    default:
        break;
    }
    if (is_taken) {
        json_match_commit(&match);
    }
    return is_taken;
}
