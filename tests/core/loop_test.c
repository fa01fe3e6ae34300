/*
 * loop_test.c - what every back-end of core/loop.h promises beside connections (http_test has
 * those): timers, wakes, durable writes; and what only the simulation can: virtual time, a disk
 * that fails, runs that repeat.
 */
#include "tests/base/unit.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/clock.h"
#include "core/loop_sim.h"

/* Stands before the C library's own: an old kernel, or a container's filter, has no such call. */
static int refusal; /* 0: it is let */

int epoll_pwait2(int fd, struct epoll_event *events, int events_max, const struct timespec *limit,
                 const sigset_t *mask) {
    typedef int wait_call(int, struct epoll_event *, int, const struct timespec *,
                          const sigset_t *);
    wait_call *next = (wait_call *)dlsym(RTLD_NEXT, "epoll_pwait2");
    errno = refusal;
    return refusal != 0 ? -1 : next(fd, events, events_max, limit, mask);
}

struct bench {
    struct loop *loop;
    char order[64];
    size_t order_size;
    uint32_t wakes;
    uint32_t writes_done;
    struct status write_status;
};

struct named_timer {
    struct loop_timer timer;
    struct bench *bench;
    char name;
};

static int open_bench(void **state, enum loop_backend backend) {
    struct bench *bench = calloc(1, sizeof(*bench));
    struct fault fault = {{0}};
    struct loop_options options = {.backend = backend, .connections_max = 4};
    assert_non_null(bench);
    *state = bench;
    if (!status_is_ok(loop_open(&options, &bench->loop, &fault))) {
        bench->loop = NULL; /* this kernel or sandbox has no io_uring */
    }
    return 0;
}

static int open_epoll(void **state) {
    return open_bench(state, LOOP_EPOLL);
}

static int open_epoll_of_an_old_kernel(void **state) {
    refusal = ENOSYS;
    return open_bench(state, LOOP_EPOLL);
}

static int open_epoll_behind_a_filter(void **state) {
    refusal = EPERM;
    return open_bench(state, LOOP_EPOLL);
}

static int open_uring(void **state) {
    return open_bench(state, LOOP_IO_URING);
}

static int open_sim(void **state) {
    return open_bench(state, LOOP_SIM);
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    loop_close(bench->loop);
    free(bench);
    refusal = 0;
    return 0;
}

static struct bench *bench_of(void **state) {
    struct bench *bench = *state;
    if (bench->loop == NULL) {
        skip();
    }
    return bench;
}

static void on_timer(void *context) {
    struct named_timer *timer = context;
    timer->bench->order[timer->bench->order_size++] = timer->name;
}

static void timers_fire_in_the_order_of_their_time(void **state) {
    struct bench *bench = bench_of(state);
    struct named_timer timers[4];
    uint64_t start = loop_now_ns(bench->loop);
    static const uint64_t delays[4] = {30, 10, 20, 15};
    for (uint32_t i = 0; i < 4; i++) {
        timers[i] = (struct named_timer){.bench = bench, .name = (char)('a' + i)};
        timers[i].timer.on_due = on_timer;
        timers[i].timer.context = &timers[i];
        loop_timer_start(bench->loop, &timers[i].timer, start + delays[i] * NS_PER_MS);
    }
    loop_timer_stop(bench->loop, &timers[3].timer);
    for (uint32_t i = 0; i < 1000 && bench->order_size < 3; i++) {
        assert_status(loop_run_once(bench->loop, NS_PER_S), OK);
    }
    assert_string_equal(bench->order, "bca");
    assert_true(loop_now_ns(bench->loop) >= start + 30 * NS_PER_MS);
}

static void on_wake(void *context) {
    ((struct bench *)context)->wakes++;
}

static void *wake_from_outside(void *context) {
    loop_waker_wake(context);
    return NULL;
}

static void another_thread_wakes_the_loop(void **state) {
    struct bench *bench = bench_of(state);
    struct loop_waker *waker = NULL;
    pthread_t thread;
    assert_status(loop_waker_open(bench->loop, on_wake, bench, &waker), OK);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_outside, waker), 0);
    for (uint32_t i = 0; i < 1000000 && bench->wakes == 0; i++) {
        assert_status(loop_run_once(bench->loop, 10 * NS_PER_MS), OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(bench->wakes, 1);
}

static void a_loop_that_listens_no_more_is_not_woken_and_then_again(void **state) {
    struct bench *bench = bench_of(state);
    struct loop_waker *waker = NULL;
    assert_status(loop_waker_open(bench->loop, on_wake, bench, &waker), OK);
    loop_waker_mute(waker);
    loop_waker_wake(waker);
    assert_status(loop_run_once(bench->loop, NS_PER_MS), OK);
    assert_int_equal(bench->wakes, 0);
    loop_waker_listen(waker);
    loop_waker_wake(waker);
    for (uint32_t i = 0; i < 1000 && bench->wakes == 0; i++) {
        assert_status(loop_run_once(bench->loop, 10 * NS_PER_MS), OK);
    }
    assert_int_equal(bench->wakes, 1);
}

/* --- A thread that stands still --- */

struct visit {
    struct bench *bench;
    struct loop *loop;
    uint16_t port;
    int client;
    uint64_t connected_ns; /* just before */
    uint64_t opened_ns;    /* as the loop says */
    struct named_timer timer;
};

static void *on_visit(void *listener_context, struct loop_conn *conn) {
    struct visit *visit = listener_context;
    (void)conn;
    visit->opened_ns = loop_now_ns(visit->loop);
    return visit;
}

static void on_word(void *context, struct loop_conn *conn, struct slice bytes) {
    struct visit *visit = context;
    (void)conn;
    (void)bytes;
    visit->bench->order[visit->bench->order_size++] = 'w';
}

static void on_none(void *context, struct loop_conn *conn) {
    (void)context;
    (void)conn;
}

static const struct loop_conn_handler visit_handler = {.on_open = on_visit,
                                                       .on_receive = on_word,
                                                       .on_end = on_none,
                                                       .on_sent = on_none,
                                                       .on_lost = on_none};

static void listen_for(struct bench *bench, struct visit *visit) {
    struct fault fault = {{0}};
    *visit = (struct visit){.bench = bench, .loop = bench->loop};
    assert_status(loop_listen(bench->loop, SLICE("127.0.0.1:0"), false, &visit_handler, visit,
                              &visit->port, &fault),
                  OK);
}

static void *connect_client(void *context) {
    struct visit *visit = context;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(visit->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    visit->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    usleep(50 * 1000);
    visit->connected_ns = clock_monotonic_ns();
    (void)connect(visit->client, (struct sockaddr *)&address, sizeof(address));
    return NULL;
}

static void stand_still(void *context) {
    struct visit *visit = context;
    assert_int_equal(write(visit->client, "x", 1), 1);
    usleep(100 * 1000);
}

static void who_sends_while_the_thread_stands_still_is_heard_before_his_time_is_up(void **state) {
    struct bench *bench = bench_of(state);
    struct loop_waker *waker = NULL;
    struct visit visit;
    listen_for(bench, &visit);
    (void)connect_client(&visit);
    for (uint32_t i = 0; i < 1000 && visit.opened_ns == 0; i++) {
        assert_status(loop_run_once(bench->loop, 10 * NS_PER_MS), OK);
    }
    assert_status(loop_waker_open(bench->loop, stand_still, &visit, &waker), OK);
    visit.timer = (struct named_timer){.bench = bench, .name = 't'};
    visit.timer.timer.on_due = on_timer;
    visit.timer.timer.context = &visit.timer;
    loop_timer_start(bench->loop, &visit.timer.timer, loop_now_ns(bench->loop) + 50 * NS_PER_MS);
    loop_waker_wake(waker);
    for (uint32_t i = 0; i < 1000 && bench->order_size < 2; i++) {
        assert_status(loop_run_once(bench->loop, 10 * NS_PER_MS), OK);
    }
    assert_string_equal(bench->order, "wt");
    close(visit.client);
}

static void stand_still_for_long(void *context) {
    (void)context;
    usleep(900 * 1000);
}

static void the_time_in_which_the_loop_did_not_listen_is_told(void **state) {
    struct bench *bench = bench_of(state);
    struct loop_waker *waker = NULL;
    assert_status(loop_waker_open(bench->loop, stand_still_for_long, bench, &waker), OK);
    uint64_t before_ns = loop_deaf_ns(bench->loop);
    uint64_t clock_ns = loop_now_ns(bench->loop) - before_ns;
    loop_waker_wake(waker);
    for (uint32_t i = 0; i < 3; i++) { /* in the same turn already: its timers ask for it */
        assert_status(loop_run_once(bench->loop, 0), OK);
        uint64_t deaf_ns = loop_deaf_ns(bench->loop);
        assert_true(deaf_ns >= before_ns + 200 * NS_PER_MS);
        assert_true(loop_now_ns(bench->loop) - deaf_ns >= clock_ns);
        clock_ns = loop_now_ns(bench->loop) - deaf_ns;
    }
}

/* Not when the loop began to wait for it. */
static void a_connections_time_begins_when_it_comes(void **state) {
    struct bench *bench = bench_of(state);
    struct visit visit;
    pthread_t thread;
    listen_for(bench, &visit);
    assert_int_equal(pthread_create(&thread, NULL, connect_client, &visit), 0);
    for (uint32_t i = 0; i < 1000 && visit.opened_ns == 0; i++) {
        assert_status(loop_run_once(bench->loop, NS_PER_S), OK);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(visit.opened_ns >= visit.connected_ns);
    close(visit.client);
}

/* --- Files --- */

static void on_done(void *context, struct status status) {
    struct bench *bench = context;
    bench->writes_done++;
    bench->write_status = status;
}

static int make_file(void) {
    char path[] = "/tmp/quell-loop-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

static void write_file(struct bench *bench, struct loop_file_op *op) {
    uint32_t done = bench->writes_done;
    loop_file_write(bench->loop, op);
    assert_int_equal(bench->writes_done, done); /* never from inside the call */
    for (uint32_t i = 0; i < 1000 && bench->writes_done == done; i++) {
        assert_status(loop_run_once(bench->loop, NS_PER_S), OK);
    }
    assert_int_equal(bench->writes_done, done + 1);
}

static void a_write_is_in_the_file_when_it_is_done(void **state) {
    struct bench *bench = bench_of(state);
    char memory[8] = {0};
    int fd = make_file();
    struct loop_file_op op = {.fd = fd,
                              .data = "journal",
                              .size = 7,
                              .offset = 3,
                              .sync = true,
                              .on_done = on_done,
                              .context = bench};
    write_file(bench, &op);
    assert_status(bench->write_status, OK);
    assert_int_equal(pread(fd, memory, 7, 3), 7);
    assert_string_equal(memory, "journal");
    close(fd);
}

static void a_write_that_cannot_be_done_says_why(void **state) {
    struct bench *bench = bench_of(state);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct loop_file_op op = {
        .fd = fd, .data = "x", .size = 1, .on_done = on_done, .context = bench};
    write_file(bench, &op);
    assert_status(bench->write_status, IO);
    assert_int_equal(op.error_number, ENOSPC);
    close(fd);
}

/* --- Only simulated --- */

static void an_hour_passes_at_once(void **state) {
    struct bench *bench = bench_of(state);
    struct named_timer timer = {.bench = bench, .name = 'x'};
    uint64_t real = clock_monotonic_ns();
    timer.timer.on_due = on_timer;
    timer.timer.context = &timer;
    loop_timer_start(bench->loop, &timer.timer, loop_now_ns(bench->loop) + NS_PER_HOUR);
    assert_status(loop_run_once(bench->loop, 2 * NS_PER_HOUR), OK);
    assert_string_equal(bench->order, "x");
    assert_int_equal(loop_deaf_ns(bench->loop), 0);
    assert_true(clock_monotonic_ns() - real < 10 * NS_PER_S);
}

static void a_failing_sync_is_told_once_and_the_bytes_may_be_there(void **state) {
    struct bench *bench = bench_of(state);
    char byte = 0;
    int fd = make_file();
    struct loop_file_op op = {
        .fd = fd, .data = "y", .size = 1, .sync = true, .on_done = on_done, .context = bench};
    loop_sim_fail_write(bench->loop, 2, EIO, true);
    write_file(bench, &op);
    assert_status(bench->write_status, OK);
    op.offset = 1;
    write_file(bench, &op);
    assert_status(bench->write_status, IO);
    assert_int_equal(op.error_number, EIO);
    assert_int_equal(pread(fd, &byte, 1, 1), 1);
    op.offset = 2;
    write_file(bench, &op);
    assert_status(bench->write_status, OK);
    close(fd);
}

/* --- Runs that repeat --- */

struct trace {
    char pieces[256];
    size_t size;
};

static void *on_open(void *listener_context, struct loop_conn *conn) {
    (void)conn;
    return listener_context;
}

static void on_receive(void *context, struct loop_conn *conn, struct slice bytes) {
    struct trace *trace = context;
    (void)conn;
    if (trace->size < sizeof(trace->pieces)) {
        trace->pieces[trace->size++] = (char)bytes.size;
    }
}

static void on_nothing(void *context, struct loop_conn *conn) {
    (void)context;
    (void)conn;
}

static const struct loop_conn_handler trace_handler = {
    .on_open = on_open,
    .on_receive = on_receive,
    .on_end = on_nothing,
    .on_sent = on_nothing,
    .on_lost = on_nothing,
};

static struct trace record_trace(uint64_t seed) {
    struct trace trace = {.size = 0};
    struct loop *loop = NULL;
    struct fault fault = {{0}};
    uint16_t port = 0;
    uint8_t bytes[100] = {0};
    struct loop_options options = {.backend = LOOP_SIM, .connections_max = 4};
    assert_status(loop_open(&options, &loop, &fault), OK);
    loop_sim_seed(loop, seed);
    assert_status(
        loop_listen(loop, SLICE("127.0.0.1:0"), false, &trace_handler, &trace, &port, &fault), OK);
    uint32_t client = loop_sim_connect(loop, port);
    assert_int_equal(loop_sim_send(loop, client, slice_of(bytes, sizeof(bytes))), 100);
    for (uint32_t i = 0; i < 300; i++) {
        assert_status(loop_run_once(loop, NS_PER_MS), OK);
    }
    loop_close(loop);
    size_t sum = 0;
    for (size_t i = 0; i < trace.size; i++) {
        sum += (size_t)trace.pieces[i];
    }
    assert_int_equal(sum, 100);
    return trace;
}

static void a_seed_repeats_its_run_and_another_differs(void **state) {
    (void)state;
    struct trace first = record_trace(7);
    struct trace again = record_trace(7);
    struct trace other = record_trace(8);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_true(memcmp(&first, &other, sizeof(first)) != 0);
}

#define ON_SOCKETS(name)                                                                           \
    {#name " (epoll)", name, open_epoll, close_bench, NULL}, {                                     \
#name " (io_uring)", name, open_uring, close_bench, NULL                                   \
    }
#define EACH(name)                                                                                 \
    {#name " (epoll)", name, open_epoll, close_bench, NULL},                                       \
        {#name " (io_uring)", name, open_uring, close_bench, NULL}, {                              \
#name " (simulated)", name, open_sim, close_bench, NULL                                    \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(timers_fire_in_the_order_of_their_time),
        EACH(another_thread_wakes_the_loop),
        EACH(a_loop_that_listens_no_more_is_not_woken_and_then_again),
        ON_SOCKETS(who_sends_while_the_thread_stands_still_is_heard_before_his_time_is_up),
        ON_SOCKETS(the_time_in_which_the_loop_did_not_listen_is_told),
        ON_SOCKETS(a_connections_time_begins_when_it_comes),
        EACH(a_write_is_in_the_file_when_it_is_done),
        EACH(a_write_that_cannot_be_done_says_why),
        {"timers_fire_in_the_order_of_their_time (old kernel)",
         timers_fire_in_the_order_of_their_time, open_epoll_of_an_old_kernel, close_bench, NULL},
        {"another_thread_wakes_the_loop (filtered)", another_thread_wakes_the_loop,
         open_epoll_behind_a_filter, close_bench, NULL},
        cmocka_unit_test_setup_teardown(an_hour_passes_at_once, open_sim, close_bench),
        cmocka_unit_test_setup_teardown(a_failing_sync_is_told_once_and_the_bytes_may_be_there,
                                        open_sim, close_bench),
        cmocka_unit_test(a_seed_repeats_its_run_and_another_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
