/* load_parts_test.c - answers, addresses, request files, bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/load_answer.h"
#include "bench/load_file.h"
#include "bench/load_report.h"
#include "bench/open_loop.h"

static enum status_code parse(const char *bytes, struct load_answer *answer) {
    return load_answer_parse(slice_of_text(bytes), answer).code;
}

static void an_answer_ends_with_its_length_its_last_chunk_or_its_connection(void **state) {
    struct load_answer answer = {0};
    (void)state;
    const char *whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    for (size_t size = 0; size < strlen(whole); size++) {
        assert_int_equal(load_answer_parse(slice_of(whole, size), &answer).code, STATUS_END);
    }
    assert_int_equal(parse(whole, &answer), STATUS_OK);
    assert_int_equal(answer.http_status, 200);
    assert_true(answer.keeps_open);
    assert_true(slice_equals(answer.body, SLICE("{}")));
    assert_int_equal(
        parse("HTTP/1.1 429 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", &answer),
        STATUS_OK);
    assert_int_equal(answer.http_status, 429);
    assert_false(answer.keeps_open);
    const char *chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "e\r\n{\"rejected\":4}\r\n0\r\n\r\n";
    assert_int_equal(parse(chunked, &answer), STATUS_OK);
    assert_int_equal(load_answer_count_rejected(answer.body), 4);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\n\r\n{}", &answer), STATUS_OK);
    assert_false(answer.keeps_open);
    assert_int_equal(parse("SSH-2.0-x\r\n\r\n", &answer), STATUS_INVALID);
    assert_int_equal(parse("HTTP/1.1 2x0 OK\r\n\r\n", &answer), STATUS_INVALID);
}

static void an_answer_that_takes_a_request_tells_what_of_it_is_refused(void **state) {
    static const struct {
        struct slice body;
        uint64_t rejected;
    } cases[] = {
        {SLICE("{\"accepted\":7,\"rejected\":3,\"errors\":[]}"), 3},
        {SLICE("{\"accepted\":7,\"rejected\":0,\"errors\":[]}"), 0},
        {SLICE("{\"partialSuccess\":{\"rejectedLogRecords\":\"12\",\"errorMessage\":\"\"}}"), 12},
        {SLICE("{\"partialSuccess\": {\"rejectedSpans\": 1}}"), 1},
        {SLICE("{\"partialSuccess\":{\"rejectedDataPoints\":\"5\"}}"), 5},
        {SLICE("{\"partialSuccess\":{\"errorMessage\":\"a word of warning\"}}"), 0},
        {SLICE("{\"partialSuccess\":{}}"), 0},
        {SLICE("{}"), 0},
        {SLICE("\x0a\x07\x08\xac\x02\x12\x02no"), 300},
        {SLICE("\x0a\x04\x12\x02no"), 0}, /* words only */
        {SLICE("\x0a\x00"), 0},
        {SLICE("\x0a\x03\x08\xac"), 0}, /* cut off */
        {SLICE("\x0a\x02\x08\xff"), 0},
        {SLICE("{\"rejected\":"), 0},
        {SLICE("{\"rejected\":\""), 0},
        {SLICE("OK"), 0},
        {SLICE(""), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load_answer_count_rejected(cases[i].body), cases[i].rejected);
    }
}

static void an_address_has_a_host_a_port_and_maybe_a_path(void **state) {
    struct load_address address;
    struct fault fault;
    char host[LOAD_HOST_BYTES_MAX];
    const char *path = "unset";
    (void)state;
    assert_int_equal(
        open_loop_parse_url("http://127.0.0.1:4318", &address, host, &path, &fault).code,
        STATUS_OK);
    assert_string_equal(host, "127.0.0.1:4318");
    assert_null(path);
    assert_int_equal(ntohs(((struct sockaddr_in *)&address.socket_address)->sin_port), 4318);
    assert_int_equal(
        open_loop_parse_url("http://[::1]:80/in/v1", &address, host, &path, &fault).code,
        STATUS_OK);
    assert_string_equal(path, "/in/v1");
    assert_int_equal(address.socket_address.ss_family, AF_INET6);
    static const char *const wrong[] = {
        "https://a:1",       "http://",   "http://:80",         "127.0.0.1:1",
        "http://[::1",       "http://a:", "http://a:123456789", "http://127.0.0.1:99999",
        "http://127.0.0.1:0"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(open_loop_parse_url(wrong[i], &address, host, &path, &fault).code,
                         STATUS_INVALID);
    }
}

static void a_request_file_gives_back_what_was_added_and_tells_a_cut(void **state) {
    char path[] = "/tmp/quell-load-XXXXXX";
    struct load_file file;
    struct load_file_entry entry;
    struct fault fault;
    (void)state;
    close(mkstemp(path));
    assert_int_equal(load_file_open(path, &file, &fault).code, STATUS_INVALID);
    assert_int_equal(load_file_create(path, &file, &fault).code, STATUS_OK);
    load_file_add(&file, &(struct load_file_entry){7, 3, SLICE("POST one")});
    load_file_add(&file, &(struct load_file_entry){9, 1, SLICE("POST another")});
    assert_int_equal(load_file_finish(&file).code, STATUS_OK);
    load_file_close(&file);
    assert_int_equal(load_file_open(path, &file, &fault).code, STATUS_OK);
    assert_int_equal(load_file_next(&file, &entry).code, STATUS_OK);
    assert_int_equal(entry.due_ns, 7);
    assert_int_equal(entry.records, 3);
    assert_true(slice_equals(entry.bytes, SLICE("POST one")));
    assert_int_equal(load_file_next(&file, &entry).code, STATUS_OK);
    assert_true(slice_equals(entry.bytes, SLICE("POST another")));
    assert_int_equal(load_file_next(&file, &entry).code, STATUS_END);
    load_file_close(&file);
    assert_int_equal(truncate(path, 13 + 16 + 8 + 16 + 5), 0);
    assert_int_equal(load_file_open(path, &file, &fault).code, STATUS_OK);
    assert_int_equal(load_file_next(&file, &entry).code, STATUS_OK);
    assert_int_equal(load_file_next(&file, &entry).code, STATUS_CORRUPT);
    load_file_close(&file);
    (void)unlink(path);
}

static void what_waited_in_vain_counts_among_the_latencies(void **state) {
    static struct load_report report; /* large */
    (void)state;
    load_report_add(&report, &(struct load_outcome){LOAD_ACCEPTED, 10, 1000, NULL});
    load_report_add(&report, &(struct load_outcome){LOAD_TIMED_OUT, 0, 7000, NULL});
    load_report_add(&report, &(struct load_outcome){LOAD_FAILED, 0, 9000, NULL});
    assert_int_equal(report.latency_ns.value_max, 7000);
    assert_int_equal(report.records_accepted, 10);
    assert_int_equal(report.requests_timed_out, 1);
}

static struct load_world small_world(enum load_protocol protocol, uint64_t seed) {
    return (struct load_world){.protocol = protocol,
                               .host = "h",
                               .seed = seed,
                               .batch_records = 10,
                               .services = 100,
                               .tenants = 3,
                               .errors = 0.2};
}

static void the_same_seed_makes_the_same_requests(void **state) {
    struct fault fault;
    (void)state;
    for (int protocol = 0; protocol < LOAD_PROTOCOLS; protocol++) {
        struct load_pool pools[3];
        for (uint64_t i = 0; i < 3; i++) {
            struct load_world world = small_world((enum load_protocol)protocol, i / 2);
            assert_int_equal(load_pool_init(&pools[i], &world, &fault).code, STATUS_OK);
        }
        struct load_request *first = &pools[0].requests[5];
        struct load_request *same = &pools[1].requests[5];
        struct load_request *other = &pools[2].requests[5];
        assert_int_equal(first->size, same->size);
        assert_memory_equal(first->bytes, same->bytes, first->size);
        assert_false(first->size == other->size &&
                     memcmp(first->bytes, other->bytes, first->size) == 0);
        for (int i = 0; i < 3; i++) {
            load_pool_deinit(&pools[i]);
        }
    }
}

static void no_two_records_get_the_same_time(void **state) {
    struct fault fault;
    struct load_pool pool;
    struct load_world world = small_world(LOAD_OTLP_PROTO, 1);
    uint64_t last = 0;
    (void)state;
    assert_int_equal(load_pool_init(&pool, &world, &fault).code, STATUS_OK);
    for (int round = 0; round < 100; round++) {
        struct load_request *request = &pool.requests[round % 7];
        load_request_stamp(&pool, request, 1000 + (uint64_t)round); /* slower than the records */
        for (uint32_t i = 0; i < request->records; i++) {
            uint64_t stamp = 0;
            memcpy(&stamp, request->bytes + request->stamps_at[i], sizeof(stamp));
            assert_true(stamp > last);
            last = stamp;
        }
    }
    load_pool_deinit(&pool);
}

static size_t count_words(struct slice text, const char *words) {
    size_t count = 0;
    for (size_t at = 0; at + strlen(words) <= text.size; at++) {
        count += memcmp(text.data + at, words, strlen(words)) == 0;
    }
    return count;
}

static void a_log_record_has_as_many_attributes_as_wanted(void **state) {
    struct fault fault;
    (void)state;
    for (int protocol = 0; protocol < LOAD_NATIVE; protocol++) {
        bool is_json = protocol == LOAD_OTLP_JSON;
        for (uint32_t count = 0; count <= LOAD_ATTRIBUTES_MAX; count++) {
            struct load_pool pool;
            struct load_world world = small_world((enum load_protocol)protocol, 1);
            world.attributes = count;
            assert_int_equal(load_pool_init(&pool, &world, &fault).code, STATUS_OK);
            struct load_request *request = &pool.requests[3];
            struct slice text = slice_of(request->bytes, request->size);
            assert_int_equal(count_words(text, is_json ? "{\"key\":" : "thread.id"),
                             is_json ? 2 + (size_t)count * 10 : (count > 0) * 10);
            assert_int_equal(count_words(text, "db.rows_returned"), (count == 8) * 10);
            load_pool_deinit(&pool);
        }
    }
}

static void popularity_falls_with_the_rank(void **state) {
    struct zipf zipf;
    struct random random = {3};
    uint32_t counts[10] = {0};
    (void)state;
    assert_int_equal(zipf_init(&zipf, 10).code, STATUS_OK);
    for (int i = 0; i < 29290; i++) { /* 10,000 times the sum of 1/rank */
        counts[zipf_pick(&zipf, &random)]++;
    }
    for (uint32_t rank = 0; rank < 10; rank++) {
        double expected = 10000.0 / (rank + 1);
        assert_true(counts[rank] > expected * 0.85 && counts[rank] < expected * 1.15);
    }
    zipf_deinit(&zipf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_with_its_length_its_last_chunk_or_its_connection),
        cmocka_unit_test(an_answer_that_takes_a_request_tells_what_of_it_is_refused),
        cmocka_unit_test(an_address_has_a_host_a_port_and_maybe_a_path),
        cmocka_unit_test(a_request_file_gives_back_what_was_added_and_tells_a_cut),
        cmocka_unit_test(what_waited_in_vain_counts_among_the_latencies),
        cmocka_unit_test(the_same_seed_makes_the_same_requests),
        cmocka_unit_test(no_two_records_get_the_same_time),
        cmocka_unit_test(a_log_record_has_as_many_attributes_as_wanted),
        cmocka_unit_test(popularity_falls_with_the_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
