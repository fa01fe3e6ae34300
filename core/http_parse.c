/*
 * http_parse.c - see http_parse.h. The only file that knows http-parser. The parser reads the head;
 * what it is lenient about is refused here first.
 */
#include "core/http_parse.h"

#include <http_parser.h>

#include "core/base/assert.h"

size_t http_head_find_end(struct slice bytes, size_t from) {
    size_t at = from > 3 ? from - 3 : 0;
    while (at + 4 <= bytes.size) {
        struct slice rest = slice_tail(bytes, at);
        size_t found = slice_find_byte(rest, '\r');
        if (found + 4 > rest.size) {
            return 0;
        }
        if (memcmp(bytes.data + at + found, "\r\n\r\n", 4) == 0) {
            return at + found + 4;
        }
        at += found + 1;
    }
    return 0;
}

/* --- Strictness --- */

static bool is_token_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* Every LF behind a CR, every CR before an LF, no NUL. */
static bool line_ends_are_sound(struct slice head) {
    for (size_t i = 0; i < head.size; i++) {
        uint8_t byte = head.data[i];
        bool is_bare_lf = byte == '\n' && (i == 0 || head.data[i - 1] != '\r');
        bool is_bare_cr = byte == '\r' && (i + 1 == head.size || head.data[i + 1] != '\n');
        if (is_bare_lf || is_bare_cr || byte == 0) {
            return false;
        }
    }
    return true;
}

/* Two single blanks part method, target and version; no other blank or control. */
static bool request_line_is_sound(struct slice line) {
    uint32_t blanks = 0;
    uint8_t before = ' ';
    for (size_t i = 0; i < line.size; i++) {
        uint8_t byte = line.data[i];
        if (byte < 0x20 || byte == 0x7F || (byte == ' ' && before == ' ')) {
            return false;
        }
        blanks += byte == ' ';
        before = byte;
    }
    return blanks == 2 && before != ' ';
}

/* "name: value" with a token for a name: no fold, no blank before the colon. */
static bool field_line_is_sound(struct slice line) {
    size_t colon = slice_find_byte(line, ':');
    if (colon == 0 || colon == line.size) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        if (!is_token_byte(line.data[i])) {
            return false;
        }
    }
    for (size_t i = colon + 1; i < line.size; i++) {
        bool is_control = line.data[i] < 0x20 && line.data[i] != '\t';
        if (is_control || line.data[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

unsigned http_head_check_part(struct slice bytes, size_t from, const char **words_out) {
    size_t seen = from > 0 ? from - 1 : 0; /* again from the last byte: it may be half a line end */
    bool ends_in_cr = bytes.size > 0 && bytes.data[bytes.size - 1] == '\r';
    struct slice whole = slice_head(bytes, bytes.size - (ends_in_cr ? 1 : 0));
    if (seen > 0 && bytes.data[seen] == '\n') {
        seen--;
    }
    if (!line_ends_are_sound(slice_tail(whole, seen))) {
        *words_out = "line ends must be CR LF";
        return 400;
    }
    if (bytes.size > HTTP_LINE_BYTES_MAX && slice_find_byte(bytes, '\r') > HTTP_LINE_BYTES_MAX) {
        *words_out = "the request line is too long";
        return 414;
    }
    if (bytes.size > HTTP_HEADER_BYTES_MAX) {
        *words_out = "the headers are too large";
        return 431;
    }
    return 0;
}

static struct slice take_line(struct slice *rest) {
    size_t end = slice_find_byte(*rest, '\r');
    struct slice line = slice_head(*rest, end);
    *rest = slice_tail(*rest, end + 2);
    return line;
}

static unsigned check_lines(struct slice head, const char **words) {
    if (!line_ends_are_sound(head)) {
        *words = "line ends must be CR LF";
        return 400;
    }
    struct slice rest = head;
    struct slice line = take_line(&rest);
    if (line.size > HTTP_LINE_BYTES_MAX) {
        *words = "the request line is too long";
        return 414;
    }
    if (!request_line_is_sound(line)) {
        *words = "the request line is malformed";
        return 400;
    }
    uint32_t count = 0;
    for (line = take_line(&rest); line.size > 0; line = take_line(&rest)) {
        if (!field_line_is_sound(line)) {
            *words = "a header line is malformed";
            return 400;
        }
        count++;
    }
    if (count > HTTP_HEADERS_MAX) {
        *words = "too many header lines";
        return 431;
    }
    return 0;
}

/* --- Reading --- */

struct reading {
    struct http_head *head;
    uint32_t hosts;
    bool closes;
};

static int on_url(http_parser *parser, const char *at, size_t size) {
    struct reading *reading = parser->data;
    reading->head->target =
        reading->head->target.size == 0
            ? slice_of(at, size)
            : slice_of(reading->head->target.data, reading->head->target.size + size);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t size) {
    struct reading *reading = parser->data;
    if (reading->head->headers_count == HTTP_HEADERS_MAX) {
        return 1;
    }
    reading->head->headers[reading->head->headers_count++] =
        (struct http_header){.name = slice_of(at, size)};
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size) {
    struct reading *reading = parser->data;
    reading->head->headers[reading->head->headers_count - 1].value = slice_trim(slice_of(at, size));
    return 0;
}

static int on_complete(http_parser *parser) {
    (void)parser;
    return 1; /* the body is framed here, not by the parser */
}

static unsigned run_parser(struct slice bytes, struct http_head *head, const char **words) {
    http_parser parser;
    http_parser_settings settings;
    http_parser_init(&parser, HTTP_REQUEST);
    http_parser_settings_init(&settings);
    struct reading reading = {.head = head};
    parser.data = &reading;
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_complete;
    (void)http_parser_execute(&parser, &settings, (const char *)bytes.data, bytes.size);
    enum http_errno error = HTTP_PARSER_ERRNO(&parser);
    if (error == HPE_INVALID_TRANSFER_ENCODING) {
        *words = "only Transfer-Encoding: chunked is understood";
        return 501;
    }
    if (error != HPE_OK || head->target.size == 0) {
        *words = "the request cannot be parsed";
        return error == HPE_INVALID_VERSION ? 505 : 400;
    }
    if (parser.http_major != 1 || parser.http_minor > 1) {
        *words = "only HTTP/1.0 and HTTP/1.1 are spoken here";
        return 505;
    }
    head->method = slice_of_text(http_method_str((enum http_method)parser.method));
    head->is_1_0 = parser.http_minor == 0;
    head->keeps_alive = !head->is_1_0;
    return 0;
}

/* --- Framing --- */

static unsigned read_length(struct http_head *head, struct slice value, const char **words) {
    uint64_t length = 0;
    if (!status_is_ok(text_parse_u64(value, &length)) ||
        (head->has_length && head->content_length != length)) {
        *words = "Content-Length is not one number";
        return 400;
    }
    head->has_length = true;
    head->content_length = length;
    return 0;
}

static unsigned read_encoding(struct http_head *head, struct slice value, const char **words) {
    if (head->is_chunked || !slice_equals_ignoring_case(value, SLICE("chunked"))) {
        *words = "only Transfer-Encoding: chunked is understood";
        return head->is_chunked ? 400 : 501;
    }
    head->is_chunked = true;
    return 0;
}

static bool lists_word(struct slice value, struct slice word) {
    while (value.size > 0) {
        size_t comma = slice_find_byte(value, ',');
        if (slice_equals_ignoring_case(slice_trim(slice_head(value, comma)), word)) {
            return true;
        }
        value = slice_tail(value, comma + 1);
    }
    return false;
}

static unsigned read_header(struct reading *reading, const struct http_header *header,
                            const char **words) {
    struct http_head *head = reading->head;
    if (slice_equals_ignoring_case(header->name, SLICE("content-length"))) {
        return read_length(head, header->value, words);
    }
    if (slice_equals_ignoring_case(header->name, SLICE("transfer-encoding"))) {
        return read_encoding(head, header->value, words);
    }
    if (slice_equals_ignoring_case(header->name, SLICE("host"))) {
        reading->hosts++;
    } else if (slice_equals_ignoring_case(header->name, SLICE("connection"))) {
        reading->closes = reading->closes || lists_word(header->value, SLICE("close"));
        head->keeps_alive = head->keeps_alive || lists_word(header->value, SLICE("keep-alive"));
    } else if (slice_equals_ignoring_case(header->name, SLICE("expect"))) {
        bool is_known = slice_equals_ignoring_case(header->value, SLICE("100-continue"));
        /* "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore
         * that expectation." (RFC 9110, section 10.1.1) */
        head->expects_continue = is_known && !head->is_1_0;
        head->expects_other = head->expects_other || !is_known;
    }
    return 0;
}

static unsigned read_framing(struct http_head *head, const char **words) {
    struct reading reading = {.head = head};
    for (uint32_t i = 0; i < head->headers_count; i++) {
        unsigned refusal = read_header(&reading, &head->headers[i], words);
        if (refusal != 0) {
            return refusal;
        }
    }
    head->keeps_alive = head->keeps_alive && !reading.closes;
    if (head->is_chunked && (head->has_length || head->is_1_0)) {
        *words = "Content-Length and Transfer-Encoding together";
        return 400;
    }
    if (reading.hosts > 1 || (!head->is_1_0 && reading.hosts == 0)) {
        *words = "exactly one Host header is wanted";
        return 400;
    }
    if (head->expects_other) {
        *words = "only Expect: 100-continue is understood";
        return 417;
    }
    return 0;
}

unsigned http_head_parse(struct slice bytes, struct http_head *head_out, const char **words_out) {
    memset(head_out, 0, sizeof(*head_out));
    unsigned refusal = check_lines(bytes, words_out);
    if (refusal == 0) {
        refusal = run_parser(bytes, head_out, words_out);
    }
    return refusal == 0 ? read_framing(head_out, words_out) : refusal;
}

struct slice http_target_without_host(struct slice target) {
    struct slice head = slice_head(target, 8);
    size_t scheme = slice_equals_ignoring_case(head, SLICE("https://"))                 ? 8
                    : slice_equals_ignoring_case(slice_head(head, 7), SLICE("http://")) ? 7
                                                                                        : 0;
    if (scheme == 0) {
        return target;
    }
    struct slice rest = slice_tail(target, scheme);
    struct slice path = slice_tail(rest, slice_find_byte(rest, '/'));
    return path.size > 0 ? path : SLICE("/");
}

/* --- Chunked bodies (RFC 9112, section 7.1) --- */

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    uint8_t lower = (uint8_t)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A whole line without its CR LF, or false when it has not all come. */
static bool next_line(struct http_chunks *chunks, const uint8_t *bytes, size_t size,
                      struct slice *line_out) {
    struct slice rest = slice_of(bytes + chunks->read_at, size - chunks->read_at);
    size_t end = slice_find_byte(rest, '\n');
    if (end == rest.size || end > HTTP_LINE_BYTES_MAX) {
        return false;
    }
    *line_out = slice_head(rest, end);
    chunks->read_at += end + 1;
    return true;
}

static bool read_chunk_size(struct slice line, uint64_t *size_out) {
    if (line.size < 2 || line.data[line.size - 1] != '\r') {
        return false;
    }
    line.size--;
    struct slice digits = slice_head(line, slice_find_byte(line, ';')); /* extensions are ignored */
    uint64_t value = 0;
    if (digits.size == 0 || digits.size > 15 || slice_find_byte(line, '\r') != line.size) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        int digit = hex_digit(digits.data[i]);
        if (digit < 0) {
            return false;
        }
        value = value * 16 + (uint64_t)digit;
    }
    *size_out = value;
    return true;
}

static void move_data(struct http_chunks *chunks, uint8_t *bytes, size_t size) {
    uint64_t here = size - chunks->read_at;
    size_t take = (size_t)(here < chunks->left ? here : chunks->left);
    memmove(bytes + chunks->write_at, bytes + chunks->read_at, take);
    chunks->write_at += take;
    chunks->read_at += take;
    chunks->left -= take;
}

static unsigned bad_chunk(const char **words) {
    *words = "the chunked body is malformed";
    return 400;
}

static unsigned on_size_line(struct http_chunks *chunks, struct slice line, uint64_t body_bytes_max,
                             const char **words) {
    if (!read_chunk_size(line, &chunks->left)) {
        return bad_chunk(words);
    }
    if (chunks->left > body_bytes_max || chunks->write_at > body_bytes_max - chunks->left) {
        *words = "the body is too large";
        return 413;
    }
    chunks->state = chunks->left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
    return 0;
}

static unsigned on_line(struct http_chunks *chunks, struct slice line, uint64_t body_bytes_max,
                        const char **words) {
    if (chunks->state == CHUNK_SIZE) {
        return on_size_line(chunks, line, body_bytes_max, words);
    }
    if (line.size == 0 || line.data[line.size - 1] != '\r') {
        return bad_chunk(words);
    }
    line.size--;
    if (chunks->state == CHUNK_DATA_END) {
        chunks->state = CHUNK_SIZE;
        return line.size == 0 ? 0 : bad_chunk(words);
    }
    chunks->trailer_bytes += line.size + 2;
    if (chunks->trailer_bytes > HTTP_HEADER_BYTES_MAX) {
        *words = "the trailers are too large";
        return 431;
    }
    if (line.size == 0) {
        chunks->state = CHUNK_DONE;
    } else if (!field_line_is_sound(line)) {
        return bad_chunk(words);
    }
    return 0;
}

unsigned http_chunks_decode(struct http_chunks *chunks, uint8_t *bytes, size_t size,
                            uint64_t body_bytes_max, const char **words_out) {
    while (chunks->state != CHUNK_DONE) {
        if (chunks->state == CHUNK_DATA) {
            move_data(chunks, bytes, size);
            if (chunks->left > 0) {
                return 0;
            }
            chunks->state = CHUNK_DATA_END;
        }
        if (chunks->state == CHUNK_DATA_END && chunks->read_at < size &&
            bytes[chunks->read_at] != '\r') {
            return bad_chunk(words_out); /* more data than the chunk's size said */
        }
        struct slice line;
        if (!next_line(chunks, bytes, size, &line)) {
            bool is_endless = size - chunks->read_at > HTTP_LINE_BYTES_MAX;
            return is_endless ? bad_chunk(words_out) : 0;
        }
        unsigned refusal = on_line(chunks, line, body_bytes_max, words_out);
        if (refusal != 0) {
            return refusal;
        }
    }
    return 0;
}
