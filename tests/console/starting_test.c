/* starting_test.c - what the console answers while the shard still restores its state. */
#include "tests/base/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console/console.h"

struct world {
    struct arena arena;
    struct gate gate;
    struct stats stats;
    struct config *config;
    struct console *console;
    pthread_t thread;
    atomic_bool is_ready;
    _Atomic uint32_t port;
    char answer[8192];
};

static void on_listening(void *context, uint16_t port, const struct fault *fault) {
    struct world *world = context;
    (void)fault;
    atomic_store(&world->port, port == 0 ? UINT32_MAX : port);
}

static void *thread_main(void *context) {
    struct world *world = context;
    (void)!status_is_ok(console_run(world->console, on_listening, world));
    return NULL;
}

static int set_up(void **state) {
    static struct world world;
    const char *override = "listen.console=127.0.0.1:0";
    char words[1024];
    struct config_errors errors = {.text = text_over(words, sizeof(words))};
    struct config_options options = {.overrides = &override, .overrides_count = 1};
    struct fault fault;
    world = (struct world){.is_ready = true};
    assert_status(arena_init(&world.arena, 16 * MIB), OK);
    assert_status(gate_init(&world.gate, &world.arena), OK);
    assert_status(config_load(&options, &world.config, &errors), OK);
    struct console_options console_options = {.config = world.config,
                                              .gate = &world.gate,
                                              .stats = &world.stats,
                                              .is_ready = &world.is_ready};
    assert_status(console_open(&console_options, &world.console, &fault), OK);
    assert_int_equal(pthread_create(&world.thread, NULL, thread_main, &world), 0);
    while (atomic_load(&world.port) == 0) {
        usleep(1000);
    }
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    console_stop(world->console);
    assert_int_equal(pthread_join(world->thread, NULL), 0);
    console_close(world->console);
    config_release(world->config);
    arena_deinit(&world->arena);
    return 0;
}

/* The whole answer to a request without a body. */
static const char *ask(struct world *world, const char *what) {
    char request[256];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)world->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int size =
        snprintf(request, sizeof(request),
                 "%s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", what);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, request, (size_t)size, 0), size);
    size_t got = 0;
    ssize_t part = 1;
    while (part > 0 && got + 1 < sizeof(world->answer)) {
        part = recv(fd, world->answer + got, sizeof(world->answer) - 1 - got, 0);
        got += part > 0 ? (size_t)part : 0;
    }
    world->answer[got] = 0;
    close(fd);
    return world->answer;
}

static void the_api_says_503_in_its_own_form(void **state) {
    static const char *const requests[] = {"GET /api/v1/incidents",
                                           "GET /api/v1/incidents/inc_1",
                                           "GET /api/v1/stats",
                                           "GET /api/v1/graph?entity=job:a",
                                           "GET /api/v1/dlq",
                                           "GET /api/v1/quarantine",
                                           "POST /api/v1/incidents/inc_1/ack",
                                           "GET /api/v1/silences",
                                           "GET /metrics"};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const char *answer = ask(*state, requests[i]);
        if (strncmp(answer, "HTTP/1.1 503 ", 13) != 0 ||
            strstr(answer, "\r\nRetry-After: 1\r\n") == NULL ||
            strstr(answer, "{\"error\":{\"code\":\"unavailable\",\"message\":\"") == NULL) {
            fail_msg("%s: %s", requests[i], answer);
        }
    }
}

static void it_lives_but_is_not_ready(void **state) {
    assert_memory_equal(ask(*state, "GET /healthz"), "HTTP/1.1 200 ", 13);
    assert_memory_equal(ask(*state, "GET /livez"), "HTTP/1.1 200 ", 13);
    const char *answer = ask(*state, "GET /readyz");
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(answer, "not ready: starting"));
    answer = ask(*state, "GET /readyz?verbose");
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(answer, "[-] shard takes no events"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_api_says_503_in_its_own_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_lives_but_is_not_ready, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
