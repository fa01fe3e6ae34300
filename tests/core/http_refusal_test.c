/* http_refusal_test.c - what the HTTP server refuses: what two parsers might read in two ways, and
 * what has no end. */
#include "tests/core/http_world.h"

#include <stdlib.h>

static void ambiguous_lengths_are_refused(void **state) {
    struct world *world = world_of(state);
    REFUSED(400,
            HEAD_OF("POST") "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    REFUSED(400,
            HEAD_OF("POST") "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n");
    REFUSED(400, HEAD_OF("POST") "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
    REFUSED(400, HEAD_OF("POST") "Content-Length: 3, 4\r\n\r\nabcd");
    REFUSED(400, HEAD_OF("POST") "Content-Length: +3\r\n\r\nabc");
    REFUSED(400, HEAD_OF("POST") "Content-Length: -1\r\n\r\n");
    REFUSED(400, HEAD_OF("POST") "Content-Length: 0x3\r\n\r\nabc");
    REFUSED(400, HEAD_OF("POST") "Content-Length: 1 2\r\n\r\nabc");
    REFUSED(400, HEAD_OF("POST") "Content-Length:\r\n\r\n");
    REFUSED(400, HEAD_OF("POST") "Content-Length: 99999999999999999999\r\n\r\n");
    REFUSED(400,
            HEAD_OF("POST") "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n");
    REFUSED(400, "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void unknown_encodings_are_not_implemented(void **state) {
    struct world *world = world_of(state);
    REFUSED(501, HEAD_OF("POST") "Transfer-Encoding: gzip\r\n\r\n");
    REFUSED(501, HEAD_OF("POST") "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    REFUSED(501, HEAD_OF("POST") "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    REFUSED(501, HEAD_OF("POST") "Transfer-Encoding: identity\r\n\r\n");
}

static void bad_chunks_are_refused(void **state) {
    struct world *world = world_of(state);
#define CHUNKED HEAD_OF("POST") "Transfer-Encoding: chunked\r\n\r\n"
    REFUSED(400, CHUNKED "g\r\n");
    REFUSED(400, CHUNKED "\r\n");
    REFUSED(400, CHUNKED "-1\r\n");
    REFUSED(400, CHUNKED "0x3\r\nabc\r\n");
    REFUSED(400, CHUNKED "3 \r\nabc\r\n");
    REFUSED(400, CHUNKED "3\nabc\r\n");
    REFUSED(400, CHUNKED "3\r\nabcd");
    REFUSED(400, CHUNKED "3\r\nabc\n");
    REFUSED(400, CHUNKED "3;a\rb\r\nabc\r\n");
    REFUSED(400, CHUNKED "10000000000000000\r\n");
    REFUSED(400, CHUNKED "0\r\nTrailer : x\r\n\r\n");
    REFUSED(413, CHUNKED "fffffffffffffff\r\n");
    REFUSED(413, CHUNKED "100001\r\n");
#undef CHUNKED
}

static void sloppy_heads_are_refused(void **state) {
    struct world *world = world_of(state);
    REFUSED(400, "GET /p HTTP/1.1\nHost: h\n\n");
    REFUSED(400, "GET /p HTTP/1.1\r\nHost: h\n\n");
    REFUSED(400, "GET /p HTTP/1.1\r\nHost: h\r\n\n");
    REFUSED(400, "GET /p HTTP/1.1\r\nHost: h\rX: y\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X: a\r\n b\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X: a\r\n\tb\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X : a\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X\t: a\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") ": a\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "no colon\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X: a\0b\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X\0: a\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "X: a\001b\r\n\r\n");
    REFUSED(400, "GET  /p HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED(400, "GET /p HTTP/1.1 \r\nHost: h\r\n\r\n");
    REFUSED(400, "GET /p p HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED(400, "get /p HTTP/1.1\r\nHost: h\r\n\r\n");
    REFUSED(400, "GET\r\nHost: h\r\n\r\n");
    REFUSED(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here\r\n\r\n");
}

static void exactly_one_host_is_wanted(void **state) {
    struct world *world = world_of(state);
    REFUSED(400, "GET /p HTTP/1.1\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "Host: h\r\n\r\n");
    REFUSED(400, HEAD_OF("GET") "HOST: other\r\n\r\n");
}

static void other_versions_are_refused(void **state) {
    struct world *world = world_of(state);
    REFUSED(505, "GET /p HTTP/2.0\r\nHost: h\r\n\r\n");
    REFUSED(505, "GET /p HTTP/0.9\r\nHost: h\r\n\r\n");
}

static void nothing_behind_a_refusal_is_read_as_a_request(void **state) {
    struct world *world = world_of(state);
    REFUSED(
        400,
        HEAD_OF("POST") "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HEAD_OF(
            "GET") "\r\n");
    REFUSED(413, HEAD_OF("POST") "Content-Length: 1048577\r\n\r\n" HEAD_OF("GET") "\r\n");
}

/* --- Bounds --- */

static void too_long_lines_and_heads_are_refused(void **state) {
    struct world *world = world_of(state);
    size_t size = HTTP_HEADER_BYTES_MAX + 4096;
    char *words = malloc(size);
    assert_non_null(words);
    memset(words, 'a', size);
    memcpy(words, "GET /", 5);
    expect_refusal(world, words, HTTP_LINE_BYTES_MAX + 100, 414); /* without an end */
    memcpy(words + HTTP_LINE_BYTES_MAX + 10, " HTTP/1.1\r\nHost: h\r\n\r\n", 22);
    expect_refusal(world, words, HTTP_LINE_BYTES_MAX + 32, 414);
    memset(words, 'a', size);
    memcpy(words, HEAD_OF("GET") "X:", strlen(HEAD_OF("GET") "X:"));
    expect_refusal(world, words, size, 431); /* without an end */
    memcpy(words + size - 4, "\r\n\r\n", 4);
    expect_refusal(world, words, size, 431);
    free(words);
}

static void too_many_headers_are_refused(void **state) {
    struct world *world = world_of(state);
    char words[4096] = HEAD_OF("GET");
    for (uint32_t i = 1; i < HTTP_HEADERS_MAX; i++) {
        strncat(words, "X-A: b\r\n", sizeof(words) - strlen(words) - 1);
    }
    size_t size = strlen(words);
    int fd = client_open(world);
    send_words(world, fd, words);
    send_words(world, fd, "\r\n");
    expect(world, fd, "200 OK");
    client_close(world, fd);
    memcpy(words + size, "X-A: b\r\n\r\n", 11);
    expect_refusal(world, words, strlen(words), 431);
}

static void chunk_framing_costs_no_memory(void **state) {
    struct world *world = world_of(state);
    enum { CHUNKS = 3000 };
    char chunk[2048];
    int fd = client_open(world);
    memset(chunk, 'e', sizeof(chunk));
    memcpy(chunk, "1;", 2);
    memcpy(chunk + sizeof(chunk) - 5, "\r\nx\r\n", 5);
    send_words(world, fd, HEAD_OF("POST") "Transfer-Encoding: chunked\r\n\r\n");
    for (uint32_t i = 0; i < CHUNKS; i++) { /* 6 MB for 3000 bytes; the server may hold 4 MiB */
        send_bytes(world, fd, chunk, sizeof(chunk));
        turn(world, fd);
    }
    send_words(world, fd, "0\r\n\r\n");
    expect(world, fd, "200 OK");
    assert_int_equal(world->body_bytes, CHUNKS);
    client_close(world, fd);
}

static void endless_trailers_are_refused(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("POST") "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    for (uint32_t i = 0; i < HTTP_HEADER_BYTES_MAX / 7 + 8 && !world->has_ended; i++) {
        send_words(world, fd, "Tr: x\r\n");
        turn(world, fd);
    }
    expect(world, fd, "HTTP/1.1 431 ");
    expect_end(world, fd);
    client_close(world, fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(ambiguous_lengths_are_refused),
        EACH(unknown_encodings_are_not_implemented),
        EACH(bad_chunks_are_refused),
        EACH(sloppy_heads_are_refused),
        EACH(exactly_one_host_is_wanted),
        EACH(other_versions_are_refused),
        EACH(nothing_behind_a_refusal_is_read_as_a_request),
        EACH(too_long_lines_and_heads_are_refused),
        EACH(too_many_headers_are_refused),
        EACH(chunk_framing_costs_no_memory),
        EACH(endless_trailers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
