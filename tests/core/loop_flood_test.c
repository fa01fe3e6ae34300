/*
 * loop_flood_test.c - many connections with more to say than a poll tells of: timers wait for what
 * had come by their time, but not for long, and no turn is long for it.
 */
#include "tests/base/unit.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/loop.h"

enum { CROWD = 300 };

static int open_loop(void **state, enum loop_backend backend) {
    struct fault fault = {{0}};
    struct loop_options options = {.backend = backend, .connections_max = CROWD};
    struct loop *loop = NULL;
    *state = status_is_ok(loop_open(&options, &loop, &fault)) ? loop : NULL;
    return 0;
}

static int open_epoll(void **state) {
    return open_loop(state, LOOP_EPOLL);
}

static int open_uring(void **state) {
    return open_loop(state, LOOP_IO_URING);
}

static int close_loop(void **state) {
    loop_close(*state);
    return 0;
}

static struct loop *loop_of(void **state) {
    if (*state == NULL) {
        skip(); /* this kernel or sandbox has no io_uring */
    }
    return *state;
}

struct crowd {
    struct loop *loop;
    int clients[CROWD];
    uint32_t opened;
    uint32_t told;
    bool goes_on; /* who is heard says more */
    uint32_t told_by_timer;
    uint32_t fired;
    struct loop_timer timer;
};

static void *on_crowd_open(void *listener_context, struct loop_conn *conn) {
    struct crowd *crowd = listener_context;
    (void)conn;
    crowd->opened++;
    return crowd;
}

static void on_crowd_word(void *context, struct loop_conn *conn, struct slice bytes) {
    struct crowd *crowd = context;
    (void)conn;
    if (crowd->goes_on) {
        int client = crowd->clients[crowd->told % CROWD];
        assert_int_equal(write(client, bytes.data, 1), 1);
    }
    crowd->told++;
}

static void on_none(void *context, struct loop_conn *conn) {
    (void)context;
    (void)conn;
}

static const struct loop_conn_handler crowd_handler = {.on_open = on_crowd_open,
                                                       .on_receive = on_crowd_word,
                                                       .on_end = on_none,
                                                       .on_sent = on_none,
                                                       .on_lost = on_none};

static void on_crowd_timer(void *context) {
    struct crowd *crowd = context;
    crowd->told_by_timer = crowd->told;
    crowd->fired++;
    loop_timer_start(crowd->loop, &crowd->timer, loop_now_ns(crowd->loop) + NS_PER_MS);
}

static void gather(struct loop *loop, struct crowd *crowd) {
    struct fault fault = {{0}};
    uint16_t port = 0;
    *crowd = (struct crowd){.loop = loop};
    crowd->timer.on_due = on_crowd_timer;
    crowd->timer.context = crowd;
    assert_status(
        loop_listen(loop, SLICE("127.0.0.1:0"), false, &crowd_handler, crowd, &port, &fault), OK);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(crowd->clients[i], (struct sockaddr *)&address, sizeof(address)),
                         0);
        while (crowd->opened <= i) {
            assert_status(loop_run_once(loop, 10 * NS_PER_MS), OK);
        }
    }
}

static void all_speak(struct crowd *crowd) {
    for (uint32_t i = 0; i < CROWD; i++) {
        assert_int_equal(write(crowd->clients[i], "x", 1), 1);
    }
}

static void disperse(struct crowd *crowd) {
    for (uint32_t i = 0; i < CROWD; i++) {
        close(crowd->clients[i]);
    }
}

/* The most that one of many turns tells of. */
static uint32_t most_told(struct crowd *crowd) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t before = crowd->told;
        assert_status(loop_run_once(crowd->loop, NS_PER_S), OK);
        most = crowd->told - before > most ? crowd->told - before : most;
    }
    return most;
}

static void under_constant_load_a_due_timer_makes_no_turn_long(void **state) {
    struct loop *loop = loop_of(state);
    struct crowd crowd;
    gather(loop, &crowd);
    crowd.goes_on = true;
    all_speak(&crowd);
    uint32_t usual = most_told(&crowd);
    on_crowd_timer(&crowd);
    usleep(2000);
    assert_in_range(most_told(&crowd), 1, 4 * usual); /* two polls, not one for each sixteen */
    disperse(&crowd);
}

static void under_constant_load_timers_run(void **state) {
    struct loop *loop = loop_of(state);
    struct crowd crowd;
    gather(loop, &crowd);
    crowd.goes_on = true;
    all_speak(&crowd);
    on_crowd_timer(&crowd);
    for (uint32_t i = 0; i < 50; i++) {
        usleep(10 * 1000);
        assert_status(loop_run_once(loop, NS_PER_S), OK);
    }
    assert_in_range(crowd.fired, 4, 51); /* each twelfth turn */
    disperse(&crowd);
}

static void all_who_sent_while_the_thread_stood_still_are_heard_first(void **state) {
    struct loop *loop = loop_of(state);
    struct crowd crowd;
    gather(loop, &crowd);
    loop_timer_start(loop, &crowd.timer, loop_now_ns(loop) + 50 * NS_PER_MS);
    all_speak(&crowd);
    usleep(300 * 1000);
    for (uint32_t i = 0; i < 1000 && crowd.fired == 0; i++) {
        assert_status(loop_run_once(loop, 10 * NS_PER_MS), OK);
    }
    assert_int_equal(crowd.told_by_timer, CROWD);
    disperse(&crowd);
}

#define ON_SOCKETS(name)                                                                           \
    {#name " (epoll)", name, open_epoll, close_loop, NULL}, {                                      \
#name " (io_uring)", name, open_uring, close_loop, NULL                                    \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_SOCKETS(under_constant_load_a_due_timer_makes_no_turn_long),
        ON_SOCKETS(under_constant_load_timers_run),
        ON_SOCKETS(all_who_sent_while_the_thread_stood_still_are_heard_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
