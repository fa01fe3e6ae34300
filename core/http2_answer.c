/* http2_answer.c - an answer's header fields as HTTP/2 wants them. Pure. See http2_conn.h. */
#include "core/base/assert.h"
#include "core/http2_conn.h"

static void add_field(struct http2_answer_fields *fields, struct slice name, struct slice value) {
    ASSERT(fields->count < HTTP2_ANSWER_FIELDS_MAX);
    fields->fields[fields->count++] = (struct http_header){name, value};
}

static struct slice number_text(char *memory, size_t capacity, uint64_t value) {
    struct text text = text_over(memory, capacity);
    text_add_u64(&text, value);
    return text_slice(&text);
}

/* RFC 9113, section 8.2.1: names are in lower case. */
static struct slice lower_name(struct http2_answer_fields *fields, struct slice name) {
    char *lower = fields->names[fields->count];
    ASSERT(name.size <= sizeof(fields->names[0]));
    for (size_t i = 0; i < name.size; i++) {
        bool is_upper = name.data[i] >= 'A' && name.data[i] <= 'Z';
        lower[i] = (char)(is_upper ? name.data[i] | 0x20 : name.data[i]);
    }
    return slice_of(lower, name.size);
}

void http2_answer_add_lines(struct http2_answer_fields *fields, const char *lines) {
    const char *at = lines == NULL ? "" : lines;
    for (const char *end = strstr(at, "\r\n"); end != NULL; end = strstr(at, "\r\n")) {
        struct slice line = slice_of(at, (size_t)(end - at));
        size_t colon = slice_find_byte(line, ':');
        ASSERT(colon > 0 && colon < line.size && fields->count < HTTP2_ANSWER_FIELDS_MAX);
        add_field(fields, lower_name(fields, slice_head(line, colon)),
                  slice_trim(slice_tail(line, colon + 1)));
        at = end + 2;
    }
}

void http2_answer_make_fields(const struct http_answer *answer,
                              struct http2_answer_fields *fields) {
    fields->count = 0;
    add_field(fields, SLICE(":status"),
              number_text(fields->numbers[0], sizeof(fields->numbers[0]), answer->status));
    if (answer->content_type != NULL) {
        add_field(fields, SLICE("content-type"), slice_of_text(answer->content_type));
    }
    if (!answer->is_bare) {
        add_field(fields, SLICE("content-length"),
                  number_text(fields->numbers[1], sizeof(fields->numbers[1]), answer->body.size));
    }
    http2_answer_add_lines(fields, answer->headers);
}
