/* http_limits_test.c - what the HTTP server bounds: memory, connections, time; and how it drains.
 */
#include "tests/core/http_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/loop_sim.h"

static void all_bodies_together_are_bounded(void **state) {
    struct world *world = world_of(state);
    char *body = calloc(1, 900 * KIB);
    int fds[5];
    assert_non_null(body);
    for (uint32_t i = 0; i < 5; i++) { /* each fills 1 MiB of the 4 */
        fds[i] = client_open(world);
        forget_reply(world);
        send_words(world, fds[i], HEAD_OF("POST") "Content-Length: 1048576\r\n\r\n");
        send_bytes(world, fds[i], body, 900 * KIB);
        for (uint32_t turns = 0; turns < 20; turns++) {
            turn(world, fds[i]);
        }
        assert_int_equal(count_words(world->reply, "HTTP/1.1 503 "), i == 4);
    }
    expect(world, fds[4], "Retry-After: ");
    for (uint32_t i = 0; i < 5; i++) {
        client_close(world, fds[i]);
    }
    free(body);
}

static void a_promised_length_takes_no_memory(void **state) {
    struct world *world = world_of(state);
    int fds[8];
    for (uint32_t i = 0; i < 8; i++) { /* 8 MiB, were they believed, of the 4 */
        fds[i] = client_open(world);
        forget_reply(world);
        send_words(world, fds[i], HEAD_OF("POST") "Content-Length: 1048576\r\n\r\nx");
        for (uint32_t turns = 0; turns < 20; turns++) {
            turn(world, fds[i]);
        }
        assert_int_equal(world->reply_size, 0);
    }
    assert_true(stats_get(&world->stats, STAT_BUFFERED_BYTES) < MIB);
    for (uint32_t i = 0; i < 8; i++) {
        client_close(world, fds[i]);
    }
}

static void idle_connections_do_not_starve_a_new_one(void **state) {
    struct world *world = world_of(state);
    char *body = calloc(1, 200 * KIB);
    int fds[5];
    assert_non_null(body);
    world->options.body_bytes_total_max = MIB;
    world_reopen(world);
    for (uint32_t i = 0; i < 5; i++) { /* each keeps 256 KiB of the 1024 */
        fds[i] = client_open(world);
        forget_reply(world);
        send_words(world, fds[i], HEAD_OF("POST") "Content-Length: 204800\r\n\r\n");
        send_bytes(world, fds[i], body, 200 * KIB);
        expect(world, fds[i], "200 OK");
    }
    for (uint32_t i = 0; i < 5; i++) {
        client_close(world, fds[i]);
    }
    free(body);
}

/* --- Time --- */

static void who_sends_nothing_is_closed(void **state) {
    struct world *world = world_of(state);
    world->options.header_timeout_ns = 30 * NS_PER_MS;
    world->options.idle_timeout_ns = 30 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    expect_end(world, fd);
    assert_int_equal(world->reply_size, 0);
    client_close(world, fd);
    fd = client_open(world);
    forget_reply(world);
    send_words(world, fd, HEAD_OF("GET") "\r\n");
    expect(world, fd, "<GET /p");
    expect_end(world, fd);
    assert_int_equal(count_words(world->reply, "HTTP/1.1"), 1);
    client_close(world, fd);
}

static void who_waits_unreceived_for_his_turn_is_not_idle(void **state) {
    struct world *world = world_of(state);
    world->options.header_timeout_ns = 200 * NS_PER_MS;
    world->options.idle_timeout_ns = 200 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    send_words(world, fd, "GET /owned HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(world, fd, "<GET /owned ");
    forget_reply(world);
    world->is_turn_over = true;
    send_words(world, fd, "GET /owned HTTP/1.1\r\nHost: h\r\n\r\n");
    uint64_t begun_ns = loop_now_ns(world->loop);
    while (loop_now_ns(world->loop) < begun_ns + 500 * NS_PER_MS) {
        turn(world, -1);
        http_server_resume(world->server);
    }
    world->is_turn_over = false;
    http_server_resume(world->server);
    expect(world, fd, "<GET /owned ");
    client_close(world, fd);
}

static void a_slow_head_times_out(void **state) {
    struct world *world = world_of(state);
    world->options.header_timeout_ns = 50 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    send_words(world, fd, "GET /p HTTP/1.1\r\n");
    for (uint32_t i = 0; i < TURNS_MAX && !world->has_ended; i++) { /* bytes do not buy time */
        send_bytes(world, fd, "a", 1);
        turn(world, fd);
        if (strstr(world->reply, "HTTP/1.1 408 ") != NULL) {
            break;
        }
    }
    expect(world, fd, "HTTP/1.1 408 ");
    assert_int_equal(world->requests, 0);
    client_close(world, fd);
}

static void blank_lines_do_not_buy_time(void **state) {
    struct world *world = world_of(state);
    world->options.header_timeout_ns = 50 * NS_PER_MS;
    world->options.idle_timeout_ns = 50 * NS_PER_MS;
    world_reopen(world);
    for (uint32_t requests = 0; requests < 2; requests++) {
        int fd = client_open(world);
        forget_reply(world);
        send_words(world, fd, requests == 0 ? "" : HEAD_OF("GET") "\r\n");
        for (uint32_t i = 0; i < TURNS_MAX / 10 && !world->has_ended; i++) {
            (void)client_write(world, fd, "\r\n", 2);
            for (uint32_t turns = 0; turns < 10; turns++) {
                turn(world, fd);
            }
        }
        assert_true(world->has_ended);
        assert_int_equal(count_words(world->reply, "HTTP/1.1"), requests);
        client_close(world, fd);
    }
}

static void many_blank_lines_before_a_request_are_passed_over(void **state) {
    struct world *world = world_of(state);
    static char blank[1 << 20];
    for (size_t i = 0; i < sizeof(blank); i += 2) {
        memcpy(blank + i, "\r\n", 2);
    }
    int fd = client_open(world);
    send_bytes(world, fd, blank, sizeof(blank));
    send_words(world, fd, HEAD_OF("GET") "\r\n");
    expect(world, fd, "<GET /p");
    client_close(world, fd);
}

static void a_body_that_stops_times_out_whatever_it_promised(void **state) {
    struct world *world = world_of(state);
    world->options.body_timeout_ns = 50 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 1000000\r\n\r\nabc");
    expect(world, fd, "HTTP/1.1 408 ");
    expect_end(world, fd);
    client_close(world, fd);
    fd = client_open(world);
    forget_reply(world);
    send_words(world, fd, HEAD_OF("POST") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc");
    expect(world, fd, "HTTP/1.1 408 ");
    expect_end(world, fd);
    client_close(world, fd);
}

/* In virtual time: it is about milliseconds, for which a machine may stop. */
static void a_body_that_flows_may_take_longer(void **state) {
    struct world *world = world_of(state);
    char body[8192];
    memset(body, 'x', sizeof(body));
    world->options.body_timeout_ns = 50 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    send_words(world, fd, HEAD_OF("POST") "Content-Length: 81920\r\n\r\n");
    uint64_t began_ns = loop_now_ns(world->loop);
    for (uint32_t i = 0; i < 10; i++) { /* 8 KiB each 20 ms: above 64 KiB/s */
        uint64_t until_ns = loop_now_ns(world->loop) + 20 * NS_PER_MS;
        while (loop_now_ns(world->loop) < until_ns) {
            turn(world, fd);
        }
        send_bytes(world, fd, body, sizeof(body));
    }
    assert_true(loop_now_ns(world->loop) - began_ns > 150 * NS_PER_MS);
    expect(world, fd, "200 OK");
    client_close(world, fd);
}

/* Nobody reads what it is answered with: `size` bytes, of which the agent's name is most. */
static void be_answered(struct world *world, int fd, size_t size) {
    static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 1000\r\n\r\n<GET /p ? body= agent=>";
    char agent[4000];
    assert_true(size - sizeof(plain) + 1 < sizeof(agent));
    memset(agent, 'a', sizeof(agent));
    send_words(world, fd, HEAD_OF("GET") "User-Agent: ");
    send_bytes(world, fd, agent, size - sizeof(plain) + 1);
    send_words(world, fd, "\r\n\r\n");
    for (uint32_t turns = 0; turns < 20; turns++) {
        turn(world, -1);
    }
}

static void who_does_not_take_100_continue_is_cut_off(void **state) {
    struct world *world = world_of(state);
    size_t left = SIM_WINDOW_BYTES - 10; /* which is too little for it */
    world->options.send_timeout_ns = 50 * NS_PER_MS;
    world_reopen(world);
    int fd = client_open(world);
    for (uint32_t i = 40; i > 0; i--) {
        be_answered(world, fd, left / i);
        left -= left / i;
    }
    send_words(world, fd, HEAD_OF("POST") "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    for (uint32_t turns = 0; turns < 100; turns++) {
        turn(world, -1);
    }
    send_words(world, fd, "x");
    for (uint32_t turns = 0; turns < 500; turns++) {
        turn(world, -1);
    }
    assert_int_equal(world->reply_size, 0);
    assert_int_equal(world->requests, 41);
    assert_int_equal(http_server_busy_count(world->server), 0);
    assert_int_equal(stats_get(&world->stats, STAT_CLIENTS_SLOW), 1);
    client_close(world, fd);
}

/* --- Draining --- */

static void draining_finishes_what_was_received(void **state) {
    struct world *world = world_of(state);
    int busy = client_open(world);
    int idle = client_open(world);
    int half = client_open(world);
    world->answers_later = true;
    send_words(world, busy, HEAD_OF("GET") "\r\n");
    send_words(world, half, HEAD_OF("POST") "Content-Length: 4\r\n\r\nab");
    expect_waiting(world, 1);
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, -1);
    }
    http_server_drain(world->server);
    expect_end(world, idle);
    assert_int_equal(http_server_busy_count(world->server), 2);
    forget_reply(world);
    http_respond(world->waiting[0], 200, "text/plain", NULL, SLICE("done"));
    expect(world, busy, "Connection: close\r\n");
    expect(world, busy, "done");
    forget_reply(world);
    send_words(world, half, "cd");
    expect_waiting(world, 2);
    http_respond(world->waiting[1], 200, "text/plain", NULL, SLICE("too"));
    expect(world, half, "too");
    expect_end(world, half);
    assert_int_equal(http_server_busy_count(world->server), 0);
    client_close(world, busy);
    client_close(world, idle);
    client_close(world, half);
}

static void draining_ends_what_is_not_received_within_the_grace(void **state) {
    struct world *world = world_of(state);
    const char *begun[] = {HEAD_OF("POST") "Content-Length: 4\r\n\r\nab", "POST /p HT",
                           "PRI * HTT"};
    world->options.drain_grace_ns = 50 * NS_PER_MS;
    world_reopen(world);
    for (uint32_t i = 0; i < 3; i++) {
        int fd = client_open(world);
        send_words(world, fd, begun[i]);
        for (uint32_t turns = 0; turns < 20; turns++) {
            turn(world, -1);
        }
        forget_reply(world);
        http_server_drain(world->server);
        assert_int_equal(http_server_busy_count(world->server), 1);
        expect(world, fd, "HTTP/1.1 503 ");
        expect(world, fd, "Retry-After: ");
        expect_end(world, fd);
        assert_int_equal(http_server_busy_count(world->server), 0);
        client_close(world, fd);
        world_reopen(world);
    }
    assert_int_equal(world->requests, 0);
}

/* Nothing is to be said to a plain one that is idle, so its end is not waited for. */
static void draining_waits_for_no_idle_connection(void **state) {
    struct world *world = world_of(state);
    int fresh = client_open(world);
    int used = client_open(world);
    send_words(world, used, HEAD_OF("GET") "\r\n");
    expect(world, used, "HTTP/1.1 200 ");
    for (uint32_t i = 0; i < 20; i++) {
        turn(world, used);
    }
    assert_int_equal(loop_connections_count(world->loop), 2);
    uint64_t began_ns = loop_now_ns(world->loop);
    http_server_drain(world->server);
    for (uint32_t i = 0; i < TURNS_MAX && loop_connections_count(world->loop) > 0; i++) {
        turn(world, -1);
    }
    assert_int_equal(loop_connections_count(world->loop), 0);
    assert_true(loop_now_ns(world->loop) - began_ns < 500 * NS_PER_MS);
    expect_end(world, used);
    client_close(world, fresh);
    client_close(world, used);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(all_bodies_together_are_bounded),
        EACH(a_promised_length_takes_no_memory),
        EACH(idle_connections_do_not_starve_a_new_one),
        EACH(who_sends_nothing_is_closed),
        EACH(who_waits_unreceived_for_his_turn_is_not_idle),
        EACH(a_slow_head_times_out),
        EACH(blank_lines_do_not_buy_time),
        EACH(many_blank_lines_before_a_request_are_passed_over),
        EACH(a_body_that_stops_times_out_whatever_it_promised),
        {"a_body_that_flows_may_take_longer (simulated)", a_body_that_flows_may_take_longer,
         world_setup_sim, world_teardown, NULL},
        {"who_does_not_take_100_continue_is_cut_off (simulated)",
         who_does_not_take_100_continue_is_cut_off, world_setup_sim, world_teardown, NULL},
        EACH(draining_finishes_what_was_received),
        EACH(draining_ends_what_is_not_received_within_the_grace),
        EACH(draining_waits_for_no_idle_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
