/*
 * http_parse.h - inside http: a request's head, checked strictly and read by http-parser; and
 * chunked bodies. Pure. Thread: any.
 */
#pragma once

#include "core/http.h"

struct http_head {
    struct slice method;
    struct slice target;
    struct http_header headers[HTTP_HEADERS_MAX];
    uint32_t headers_count;
    uint64_t content_length;
    bool has_length;
    bool is_chunked;
    bool is_1_0;
    bool keeps_alive;
    bool expects_continue;
    bool expects_other;
};

/* The end of the head (behind CR LF CR LF) in bytes, 0 when it is not complete. `from`: where a
 * search before left off. */
size_t http_head_find_end(struct slice bytes, size_t from);
/* What can already be said of an incomplete head; bytes before `from` were seen. As
 * http_head_parse. */
unsigned http_head_check_part(struct slice bytes, size_t from, const char **words_out);
/* Reads a complete head. 0, or the HTTP status to refuse it with and why. */
unsigned http_head_parse(struct slice bytes, struct http_head *head_out, const char **words_out);

/* Path and query. "A server MUST accept the absolute-form in requests" (RFC 9112, section 3.2.2).
 */
struct slice http_target_without_host(struct slice target);

/* Decodes chunks in place, as far as they came. */
struct http_chunks {
    size_t read_at;  /* next undecoded byte */
    size_t write_at; /* end of the decoded body */
    uint64_t left;   /* of the chunk at hand */
    uint64_t trailer_bytes;
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
};
/* 0: go on (see state for the end), else the HTTP status to refuse with. */
unsigned http_chunks_decode(struct http_chunks *chunks, uint8_t *bytes, size_t size,
                            uint64_t body_bytes_max, const char **words_out);
