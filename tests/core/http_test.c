/* http_test.c - requests and answers over HTTP: one, many at once, at length, and to clients that
 * leave. */
#include "tests/core/http_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void a_request_reaches_the_handler_whole(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(
        world, fd,
        "POST /v1/logs?a=1&b HTTP/1.1\r\nhost: h\r\nuser-AGENT:  test \r\nContent-Length: 5\r\n"
        "\r\nhello");
    expect(world, fd, "<POST /v1/logs ?a=1&b body=hello agent=test>");
    expect(world, fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n");
    assert_null(strstr(world->reply, "Connection"));
    send_words(world, fd, HEAD_OF("GET") "\r\n");
    expect(world, fd, "<GET /p ? body= agent=>");
    assert_false(world->has_ended);
    client_close(world, fd);
}

static void one_byte_at_a_time_makes_no_difference(void **state) {
    struct world *world = world_of(state);
    const char *words = "\r\n" HEAD_OF(
        "POST") "Transfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n" HEAD_OF(
                    "POST") "Content-Length: 2\r\n\r\nxy";
    int fd = client_open(world);
    for (size_t i = 0; words[i] != 0; i++) {
        send_bytes(world, fd, words + i, 1);
        turn(world, fd);
    }
    expect(world, fd, "body=abc0123456789 ");
    expect(world, fd, "body=xy ");
    client_close(world, fd);
}

static void large_bodies_come_whole(void **state) {
    struct world *world = world_of(state);
    char *body = malloc(MIB);
    int fd = client_open(world);
    assert_non_null(body);
    memset(body, 'x', MIB);
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 1048576\r\n\r\n");
    send_bytes(world, fd, body, MIB);
    expect(world, fd, "200 OK");
    assert_int_equal(world->body_bytes, MIB);
    forget_reply(world);
    send_words(world, fd, HEAD_OF("POST") "Transfer-Encoding: chunked\r\n\r\n100000\r\n");
    send_bytes(world, fd, body, MIB);
    send_words(world, fd, "\r\n0\r\n\r\n");
    expect(world, fd, "200 OK");
    assert_int_equal(world->body_bytes, MIB);
    free(body);
    client_close(world, fd);
}

static void head_gets_the_length_and_no_body(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("HEAD") "Connection: close\r\n\r\n");
    expect_end(world, fd);
    assert_non_null(strstr(world->reply, "Content-Length: 24\r\n"));
    assert_string_equal(strstr(world->reply, "\r\n\r\n"), "\r\n\r\n");
    client_close(world, fd);
}

static void a_refused_head_has_no_body_but_a_refused_get_has(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("HEAD") "\r\n");
    expect(world, fd, "200 OK");
    send_words(world, fd, "GET /p HTTP/1.1\r\n\r\n");
    expect_end(world, fd);
    assert_non_null(strstr(world->reply, "refused 400"));
    client_close(world, fd);
    REFUSED(400, "HEAD /p HTTP/1.1\r\n\r\n");
    assert_null(strstr(world->reply, "refused"));
}

static void connections_live_as_their_clients_ask(void **state) {
    struct world *world = world_of(state);
    static const struct {
        const char *words;
        bool closes;
    } cases[] = {
        {"GET /p HTTP/1.1\r\nHost: h\r\n\r\n", false},
        {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true},
        {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n", true},
        {"GET /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET /p HTTP/1.0\r\n\r\n", true},
        {"GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = client_open(world);
        forget_reply(world);
        send_words(world, fd, cases[i].words);
        expect(world, fd, "<GET /p ");
        if (cases[i].closes) {
            assert_non_null(strstr(world->reply, "Connection: close\r\n"));
            expect_end(world, fd);
        } else {
            assert_null(strstr(world->reply, "Connection: close\r\n"));
            send_words(world, fd, HEAD_OF("PUT") "\r\n");
            expect(world, fd, "<PUT /p ");
        }
        client_close(world, fd);
    }
}

static void http_1_0_is_told_that_the_connection_stays(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, "GET /p HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    expect(world, fd, "Connection: keep-alive\r\n");
    client_close(world, fd);
}

static void continue_is_said_when_the_body_may_come(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("POST") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect(world, fd, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(world->requests, 0);
    send_words(world, fd, "ok");
    expect(world, fd, "body=ok");
    client_close(world, fd);
    REFUSED(413, HEAD_OF("POST") "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    REFUSED(417, HEAD_OF("POST") "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n");
}

/* --- Pipelining and answers that come late --- */

static void pipelined_requests_are_answered_in_order(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    world->answers_later = true;
    send_words(world, fd, HEAD_OF("GET") "\r\n" HEAD_OF("GET") "\r\n" HEAD_OF("GET") "\r\n");
    for (uint32_t i = 1; i <= 3; i++) {
        char body[16];
        expect_waiting(world, i);
        (void)snprintf(body, sizeof(body), "answer %u.", i);
        http_respond(world->waiting[i - 1], 200, "text/plain", NULL, slice_of_text(body));
        expect(world, fd, body);
        assert_int_equal(count_words(world->reply, "answer"), i);
    }
    assert_int_equal(http_server_busy_count(world->server), 0);
    client_close(world, fd);
}

static void thousands_of_pipelined_requests_are_all_answered(void **state) {
    struct world *world = world_of(state);
    enum { REQUESTS = 5000 };
    const char *words = HEAD_OF("GET") "\r\n";
    int fd = client_open(world);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        send_words(world, fd, words);
    }
    for (uint32_t i = 0; i < 10 * TURNS_MAX && world->requests < REQUESTS; i++) {
        turn(world, fd);
    }
    send_words(world, fd, HEAD_OF("GET") "Connection: close\r\n\r\n");
    expect_end(world, fd);
    assert_int_equal(count_words(world->reply, "HTTP/1.1 200"), REQUESTS + 1);
    client_close(world, fd);
}

static void a_large_body_behind_a_slow_answer_still_comes(void **state) {
    struct world *world = world_of(state);
    enum { BODY = 1 << 20 };
    char *body = calloc(1, BODY);
    int fd = client_open(world);
    assert_non_null(body);
    world->answers_later = true;
    send_words(world, fd, HEAD_OF("GET") "\r\n");
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 1048576\r\n\r\n");
    size_t sent = 0;
    for (uint32_t i = 0; i < 100; i++) { /* until the server pushes back */
        int64_t now = client_write(world, fd, body + sent, BODY - sent);
        sent += now > 0 ? (size_t)now : 0;
        turn(world, fd);
    }
    expect_waiting(world, 1);
    http_respond(world->waiting[0], 200, "text/plain", NULL, SLICE("first"));
    send_bytes(world, fd, body + sent, BODY - sent);
    expect_waiting(world, 2);
    assert_int_equal(world->body_bytes, BODY);
    http_respond(world->waiting[1], 200, "text/plain", NULL, SLICE("second"));
    expect(world, fd, "second");
    free(body);
    client_close(world, fd);
}

static void an_answer_for_a_client_that_left_goes_nowhere(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    world->answers_later = true;
    send_words(world, fd, HEAD_OF("GET") "\r\n");
    expect_waiting(world, 1);
    client_reset(world, fd);
    for (uint32_t i = 0; i < TURNS_MAX && loop_connections_count(world->loop) > 0; i++) {
        turn(world, -1);
    }
    assert_int_equal(http_server_busy_count(world->server), 0);
    int other = client_open(world); /* may live where the first one lived */
    send_words(world, other, HEAD_OF("GET") "\r\n");
    expect_waiting(world, 2);
    http_respond(world->waiting[0], 200, "text/plain", NULL, SLICE("not for you"));
    http_respond(world->waiting[1], 200, "text/plain", NULL, SLICE("for you"));
    http_respond(world->waiting[1], 500, "text/plain", NULL, SLICE("twice"));
    expect(world, other, "for you");
    assert_null(strstr(world->reply, "not for you"));
    assert_int_equal(count_words(world->reply, "HTTP/1.1"), 1);
    client_close(world, other);
}

static void a_request_that_comes_whole_takes_no_memory(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 5\r\n\r\nwhole");
    expect(world, fd, "body=whole");
    assert_int_equal(stats_get(&world->stats, STAT_BUFFERED_BYTES), 0);
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 5\r\n\r\npa");
    turn(world, fd);
    send_words(world, fd, "rts");
    expect(world, fd, "body=parts");
    assert_true(stats_get(&world->stats, STAT_BUFFERED_BYTES) > 0);
    client_close(world, fd);
}

/* Of a known owner; only io_uring asks. Also when the server drains meanwhile. */
static void a_request_waits_unreceived_for_its_owners_turn(void **state) {
    struct world *world = world_of(state);
    int loud = client_open(world);
    int calm = client_open(world);
    send_words(world, loud, "GET /owned HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(world, loud, "<GET /owned ");
    uint64_t received = stats_get(&world->stats, STAT_BYTES_RECEIVED);
    forget_reply(world);
    world->is_turn_over = true;
    send_words(world, loud, "GET /owned HTTP/1.1\r\nHost: h\r\n\r\n");
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, -1);
        http_server_resume(world->server);
    }
    assert_true(http_server_has_put_back(world->server));
    assert_int_equal(stats_get(&world->stats, STAT_BYTES_RECEIVED), received);
    send_words(world, calm, HEAD_OF("GET") "\r\n");
    expect(world, calm, "<GET /p ");
    http_server_drain(world->server);
    world->is_turn_over = false;
    http_server_resume(world->server);
    expect(world, loud, "<GET /owned ");
    client_close(world, loud);
    client_close(world, calm);
}

/* What comes behind it on its connection moves its bytes, and is not answered before it. */
static void a_request_that_was_put_back_comes_again_as_it_was(void **state) {
    struct world *world = world_of(state);
    char *more = calloc(1, 40000);
    int fd = client_open(world);
    assert_non_null(more);
    memset(more, 'x', 39999);
    world->puts_back = 2;
    send_words(world, fd,
               "POST /again?a=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: test\r\n"
               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 39999\r\n\r\n");
    send_words(world, fd, more);
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, fd);
    }
    assert_int_equal(world->requests, 0);
    assert_true(http_server_has_put_back(world->server));
    http_server_resume(world->server); /* put back once more, which ends the call */
    assert_int_equal(world->puts_back, 0);
    assert_int_equal(world->requests, 0);
    http_server_resume(world->server);
    assert_false(http_server_has_put_back(world->server));
    expect(world, fd, "<POST /again ?a=1 body=abcde agent=test>");
    expect(world, fd, "<POST /p ? body=xxxx");
    free(more);
    client_close(world, fd);
}

static void others_are_served_while_requests_are_put_back(void **state) {
    struct world *world = world_of(state);
    int loud[3] = {client_open(world), client_open(world), client_open(world)};
    int calm = client_open(world);
    world->puts_back = 3;
    for (uint32_t i = 0; i < 3; i++) {
        send_words(world, loud[i], "GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for (uint32_t i = 0; world->puts_back > 0 && i < TURNS_MAX; i++) {
        turn(world, -1);
    }
    send_words(world, calm, HEAD_OF("GET") "\r\n");
    expect(world, calm, "<GET /p ");
    assert_int_equal(world->requests, 1);
    client_reset(world, loud[1]); /* who leaves, leaves the queue */
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, -1);
    }
    http_server_resume(world->server);
    assert_int_equal(world->requests, 3);
    forget_reply(world);
    expect(world, loud[0], "<GET /again ");
    forget_reply(world);
    expect(world, loud[2], "<GET /again ");
    client_close(world, loud[0]);
    client_close(world, loud[2]);
    client_close(world, calm);
}

static void a_client_that_only_half_closes_gets_all_its_answers(void **state) {
    struct world *world = world_of(state);
    int fd = client_open(world);
    world->answers_later = true;
    send_words(world, fd, HEAD_OF("GET") "\r\n" HEAD_OF("GET") "\r\n");
    client_half_close(world, fd);
    expect_waiting(world, 1);
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, fd);
    }
    http_respond(world->waiting[0], 200, "text/plain", NULL, SLICE("first"));
    expect_waiting(world, 2);
    http_respond(world->waiting[1], 200, "text/plain", NULL, SLICE("second"));
    expect_end(world, fd);
    assert_int_equal(count_words(world->reply, "HTTP/1.1 200"), 2);
    client_close(world, fd);
}

static void queries_are_decoded(void **state) {
    char value[8];
    size_t size = 0;
    (void)state;
    struct slice query = SLICE("a=1&name=a%20b%2Bc&empty=&flag&bad=%4&long=123456789");
    assert_true(http_query_find(query, "name", value, sizeof(value), &size));
    assert_slice(slice_of(value, size), "a b+c");
    assert_true(http_query_find(query, "empty", value, sizeof(value), &size));
    assert_int_equal(size, 0);
    assert_true(http_query_find(query, "flag", value, sizeof(value), &size));
    assert_false(http_query_find(query, "bad", value, sizeof(value), &size));
    assert_false(http_query_find(query, "long", value, sizeof(value), &size));
    assert_false(http_query_find(query, "nam", value, sizeof(value), &size));
    assert_true(http_query_has(query, "bad"));
    assert_true(http_query_has(query, "flag"));
    assert_false(http_query_has(query, "nam"));
    assert_int_equal(http_query_count(SLICE("a=1&b=2&a&aa=3&=a"), "a"), 2);
    assert_int_equal(http_query_count(SLICE(""), "a"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(a_request_reaches_the_handler_whole),
        EACH(one_byte_at_a_time_makes_no_difference),
        EACH(large_bodies_come_whole),
        EACH(head_gets_the_length_and_no_body),
        EACH(a_refused_head_has_no_body_but_a_refused_get_has),
        EACH(connections_live_as_their_clients_ask),
        EACH(http_1_0_is_told_that_the_connection_stays),
        EACH(continue_is_said_when_the_body_may_come),
        EACH(pipelined_requests_are_answered_in_order),
        EACH(thousands_of_pipelined_requests_are_all_answered),
        EACH(a_large_body_behind_a_slow_answer_still_comes),
        EACH(an_answer_for_a_client_that_left_goes_nowhere),
        EACH(a_request_that_was_put_back_comes_again_as_it_was),
        {"a_request_that_comes_whole_takes_no_memory (epoll)",
         a_request_that_comes_whole_takes_no_memory, world_setup_epoll, world_teardown, NULL},
        {"a_request_that_comes_whole_takes_no_memory (io_uring)",
         a_request_that_comes_whole_takes_no_memory, world_setup_uring, world_teardown, NULL},
        {"a_request_waits_unreceived_for_its_owners_turn",
         a_request_waits_unreceived_for_its_owners_turn, world_setup_uring, world_teardown, NULL},
        EACH(others_are_served_while_requests_are_put_back),
        EACH(a_client_that_only_half_closes_gets_all_its_answers),
        cmocka_unit_test(queries_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
