/* grpc_test.c - gRPC's framing, statuses and trailers, as "gRPC over HTTP2" has them. */
#include "ingest/grpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "tests/base/unit.h"

/* The answer as one text: status, headers, body in hex, trailers. */
static char answered[8192];

static void keep_answer(struct http_exchange exchange, const struct http_answer *answer) {
    (void)exchange;
    struct text text = text_over(answered, sizeof(answered) - 1);
    assert_int_equal(answer->status, 200);
    assert_true(answer->is_bare);
    text_add_text(&text, answer->content_type);
    text_add_text(&text, "\n");
    text_add_text(&text, answer->headers);
    text_add_hex(&text, answer->body);
    text_add_text(&text, "\n");
    text_add_text(&text, answer->trailers == NULL ? "" : answer->trailers);
    assert_false(text.truncated);
    answered[text.size] = 0;
}

static const struct http_exchange exchange = {.answer = keep_answer};

#define ACCEPTED "grpc-accept-encoding: identity, gzip, deflate, zstd\r\n"

static void a_message_has_its_prefix_and_its_status_behind(void **state) {
    (void)state;
    grpc_respond(exchange, 200, SLICE("\x0a\x02\x08\x01"));
    assert_string_equal(answered, "application/grpc\n" ACCEPTED "00000000040a020801\n"
                                  "grpc-status: 0\r\n");
    grpc_respond(exchange, 200, slice_of(NULL, 0));
    assert_string_equal(answered, "application/grpc\n" ACCEPTED "0000000000\ngrpc-status: 0\r\n");
}

static void statuses_are_those_that_exporters_know(void **state) {
    (void)state;
    static const struct {
        unsigned http;
        unsigned grpc;
    } cases[] = {{400, 3}, {401, 16}, {403, 7}, {404, 12}, {405, 12}, {408, 4},
                 {413, 8}, {415, 12}, {431, 8}, {501, 12}, {429, 14}, {503, 14}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof(wanted), "application/grpc\ngrpc-status: %u\r\n",
                       cases[i].grpc);
        grpc_respond(exchange, cases[i].http, SLICE("words"));
        assert_memory_equal(answered, wanted, strlen(wanted));
        bool retries = strstr(answered, "grpc-status-details-bin: ") != NULL;
        assert_int_equal(retries, cases[i].grpc == 14);
    }
}

/* google.rpc.Status { 14, "busy", RetryInfo { 1 s } }, as base64. */
static void backpressure_says_when_to_come_again(void **state) {
    (void)state;
    grpc_respond(exchange, 429, SLICE("busy"));
    assert_string_equal(
        answered, "application/grpc\ngrpc-status: 14\r\ngrpc-message: busy\r\n" ACCEPTED
                  "grpc-status-details-bin: CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucn"
                  "BjLlJldHJ5SW5mbxIECgIIAQ\r\n\n");
}

/* The same, RetryInfo { 300 s }. */
static void who_must_wait_longer_is_told_how_long(void **state) {
    (void)state;
    grpc_refuse(exchange, 429, SLICE("busy"), 300);
    assert_non_null(strstr(answered, "grpc-status-details-bin: CA4SBGJ1c3kaMQoodHlwZS5nb29nbGVhcGlz"
                                     "LmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIFCgMIrAI\r\n"));
}

static void words_are_percent_encoded(void **state) {
    (void)state;
    grpc_respond(exchange, 400, SLICE("100% \"\xc3\xbc\"\r\nx: y"));
    assert_non_null(strstr(answered, "grpc-message: 100%25 \"%C3%BC\"%0D%0Ax: y\r\n"));
}

static unsigned open_message(const char *encoding, struct slice body, uint64_t bytes_max,
                             struct slice *message_out) {
    static struct inflate_buffer buffer;
    struct http_header header = {SLICE("grpc-encoding"), slice_of_text(encoding)};
    struct http_request request = {
        .headers = &header, .headers_count = 1, .body = body, .is_http_2 = true};
    const char *words = NULL;
    inflate_buffer_deinit(&buffer);
    unsigned refusal = grpc_open_message(&buffer, &request, bytes_max, message_out, &words);
    assert_true(refusal == 0 || words != NULL);
    return refusal;
}

#define MESSAGE(bytes) slice_of(bytes, sizeof(bytes) - 1)
/* "hello", by gzip. */
#define GZIPPED                                                                                    \
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00" \
    "\x00\x00"

static void one_message_is_opened(void **state) {
    (void)state;
    struct slice message = {0};
    assert_int_equal(open_message("", MESSAGE("\0\0\0\0\2hi"), 100, &message), 0);
    assert_slice(message, "hi");
    assert_int_equal(open_message("gzip", MESSAGE("\0\0\0\0\2hi"), 100, &message), 0);
    assert_int_equal(open_message("gzip", MESSAGE("\1\0\0\0\x19" GZIPPED), 5, &message), 0);
    assert_slice(message, "hello");
    assert_int_equal(open_message("", MESSAGE("\0\0\0\0\0"), 100, &message), 0);
    assert_slice(message, "");
}

static void what_is_no_message_is_refused(void **state) {
    (void)state;
    struct slice message = {0};
    assert_int_equal(open_message("", slice_of(NULL, 0), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\0\0\0\0"), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\0\0\0\0\3hi"), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\0\0\0\0\1hi"), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\2\0\0\0\2hi"), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\0\xff\xff\xff\xffhi"), 100, &message), 400);
    assert_int_equal(open_message("", MESSAGE("\1\0\0\0\2hi"), 100, &message), 400);
    assert_int_equal(open_message("gzip", MESSAGE("\1\0\0\0\2hi"), 100, &message), 400);
    assert_int_equal(open_message("br", MESSAGE("\1\0\0\0\2hi"), 100, &message), 501);
    assert_int_equal(open_message("gzip", MESSAGE("\1\0\0\0\x19" GZIPPED), 4, &message), 413);
}

static bool is_grpc(const char *type, bool is_http_2) {
    struct http_header header = {SLICE("content-type"), slice_of_text(type)};
    struct http_request request = {.headers = &header, .headers_count = 1, .is_http_2 = is_http_2};
    return grpc_is_request(&request);
}

static void only_its_media_type_on_http_2_is_grpc(void **state) {
    (void)state;
    assert_true(is_grpc("application/grpc", true));
    assert_true(is_grpc("application/grpc+proto", true));
    assert_true(is_grpc("application/grpc;x=y", true));
    assert_false(is_grpc("application/grpc-web", true));
    assert_false(is_grpc("application/grpc", false));
    assert_false(is_grpc("application/json", true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_its_prefix_and_its_status_behind),
        cmocka_unit_test(statuses_are_those_that_exporters_know),
        cmocka_unit_test(backpressure_says_when_to_come_again),
        cmocka_unit_test(who_must_wait_longer_is_told_how_long),
        cmocka_unit_test(words_are_percent_encoded),
        cmocka_unit_test(one_message_is_opened),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(only_its_media_type_on_http_2_is_grpc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
