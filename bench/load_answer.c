/* load_answer.c - see load_answer.h. */
#include "bench/load_answer.h"

#include "core/base/json_pick.h"
#include "core/base/reader.h"

static bool find(struct slice bytes, struct slice wanted, size_t *at_out) {
    const uint8_t *found = memmem(bytes.data, bytes.size, wanted.data, wanted.size);
    if (found != NULL) {
        *at_out = (size_t)(found - bytes.data);
    }
    return found != NULL;
}

/* The value of a header, by name in any case; empty when it is not there. */
static struct slice header_value(struct slice head, struct slice name) {
    while (!slice_is_empty(head)) {
        size_t end = slice_find_byte(head, '\n');
        struct slice line = slice_head(head, end);
        size_t colon = slice_find_byte(line, ':');
        if (slice_equals_ignoring_case(slice_head(line, colon), name)) {
            struct slice value = slice_tail(line, colon + 1);
            bool has_return = value.size > 0 && value.data[value.size - 1] == '\r';
            return slice_trim(slice_head(value, value.size - has_return));
        }
        head = slice_tail(head, end + 1);
    }
    return (struct slice){0};
}

static struct status find_body(struct slice head, struct slice bytes, struct load_answer *answer) {
    struct slice length = header_value(head, SLICE("content-length"));
    struct slice coding = header_value(head, SLICE("transfer-encoding"));
    size_t end = 0;
    answer->body = bytes;
    if (slice_equals_ignoring_case(coding, SLICE("chunked"))) {
        answer->body = slice_tail(bytes, slice_find_byte(bytes, '\n') + 1);
        return find(bytes, SLICE("0\r\n\r\n"), &end) ? status_ok() : status_of(STATUS_END);
    }
    if (slice_is_empty(length)) {
        answer->keeps_open = answer->http_status == 204 || answer->http_status == 304;
        return status_ok();
    }
    uint64_t wanted = 0;
    TRY(text_parse_u64(length, &wanted));
    return bytes.size >= wanted ? status_ok() : status_of(STATUS_END);
}

struct status load_answer_parse(struct slice bytes, struct load_answer *answer_out) {
    size_t head_bytes = 0;
    uint64_t http_status = 0;
    if (!find(bytes, SLICE("\r\n\r\n"), &head_bytes)) {
        return status_of(STATUS_END);
    }
    struct slice head = slice_head(bytes, head_bytes + 2);
    if (!slice_starts_with(head, SLICE("HTTP/1.")) || head.size < 12) {
        return status_of(STATUS_INVALID);
    }
    TRY(text_parse_u64(slice_of(head.data + 9, 3), &http_status));
    struct slice connection = header_value(head, SLICE("connection"));
    struct load_answer answer = {
        .http_status = (uint16_t)http_status,
        .keeps_open = !slice_equals_ignoring_case(connection, SLICE("close")),
    };
    TRY(find_body(head, slice_tail(bytes, head_bytes + 4), &answer));
    *answer_out = answer;
    return status_ok();
}

/* --- What an answer refuses --- */

/* 3 or "3": protobuf's JSON has 64-bit numbers as strings. */
static uint64_t pick_count(struct slice object, const char *name) {
    struct slice raw = json_pick(object, name);
    uint64_t count = 0;
    if (raw.size >= 2 && raw.data[0] == '"') {
        raw = slice_head(slice_tail(raw, 1), raw.size - 2);
    }
    return status_is_ok(text_parse_u64(raw, &count)) ? count : 0;
}

static uint64_t count_in_json(struct slice body) {
    static const char *const names[] = {"rejectedLogRecords", "rejectedSpans",
                                        "rejectedDataPoints"};
    struct slice partial = json_pick(body, "partialSuccess");
    uint64_t count = pick_count(body, "rejected");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && count == 0; i++) {
        count = pick_count(partial, names[i]);
    }
    return count;
}

static uint64_t read_varint(struct reader *reader) {
    uint64_t value = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; shift < 64 && byte >= 0x80; shift += 7) {
        byte = reader_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return reader->failed ? 0 : value;
}

/* Export...ServiceResponse { partial_success = 1 { rejected_... = 1, error_message = 2 } }, alike
 * for logs, spans and data points. */
static uint64_t count_in_protobuf(struct slice body) {
    enum { PARTIAL_SUCCESS = 1 << 3 | 2, REJECTED = 1 << 3 | 0 };
    struct reader reader = reader_over(body);
    if (reader_u8(&reader) != PARTIAL_SUCCESS) {
        return 0;
    }
    uint64_t size = read_varint(&reader);
    struct reader partial = reader_over(reader_bytes(&reader, size));
    return reader_u8(&partial) == REJECTED ? read_varint(&partial) : 0;
}

uint64_t load_answer_count_rejected(struct slice body) {
    bool is_json = body.size > 0 && body.data[0] == '{';
    return is_json ? count_in_json(body) : count_in_protobuf(body);
}
