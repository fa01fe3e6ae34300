/* load_answer.c - see load_answer.h. */
#include "bench/load_answer.h"

#include "core/base/text.h"

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

static struct status check_body(struct slice head, struct slice body, uint16_t http_status,
                                bool *keeps_open_out) {
    struct slice length = header_value(head, SLICE("content-length"));
    struct slice coding = header_value(head, SLICE("transfer-encoding"));
    size_t end = 0;
    if (slice_equals_ignoring_case(coding, SLICE("chunked"))) {
        return find(body, SLICE("0\r\n\r\n"), &end) ? status_ok() : status_of(STATUS_END);
    }
    if (slice_is_empty(length)) {
        *keeps_open_out = http_status == 204 || http_status == 304;
        return status_ok();
    }
    uint64_t wanted = 0;
    TRY(text_parse_u64(length, &wanted));
    return body.size >= wanted ? status_ok() : status_of(STATUS_END);
}

struct status load_answer_parse(struct slice bytes, uint16_t *http_status_out,
                                bool *keeps_open_out) {
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
    bool keeps_open =
        !slice_equals_ignoring_case(header_value(head, SLICE("connection")), SLICE("close"));
    TRY(check_body(head, slice_tail(bytes, head_bytes + 4), (uint16_t)http_status, &keeps_open));
    *http_status_out = (uint16_t)http_status;
    *keeps_open_out = keeps_open;
    return status_ok();
}
