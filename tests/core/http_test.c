/*
 * http_test.c - the HTTP server as its clients meet it: raw sockets on loopback against a real
 * loop, client and server on one thread. Every test runs on epoll, on the simulated loop, and on
 * io_uring where it can be had.
 */
#include "tests/base/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/http.h"
#include "core/loop_sim.h"

enum { WAITING_MAX = 16, REPLY_BYTES_MAX = 1 << 20, TURNS_MAX = 3000 };

struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_options options;
    struct stats stats;
    uint16_t port;
    bool answers_later;
    struct http_exchange waiting[WAITING_MAX];
    uint32_t waiting_count;
    uint32_t requests;
    size_t body_bytes;
    char reply[REPLY_BYTES_MAX];
    size_t reply_size;
    bool has_ended; /* the server closed */
};

/* --- The server's side --- */

static void on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request) {
    struct world *world = context;
    char memory[4096];
    struct text text = text_over(memory, sizeof(memory));
    world->requests++;
    world->body_bytes = request->body.size;
    if (world->answers_later) {
        assert_true(world->waiting_count < WAITING_MAX);
        world->waiting[world->waiting_count++] = exchange;
        return;
    }
    text_add_format(&text, "<%.*s %.*s ?%.*s body=%.*s agent=%.*s>", SLICE_PRINT(request->method),
                    SLICE_PRINT(request->path), SLICE_PRINT(request->query),
                    SLICE_PRINT(slice_head(request->body, 64)),
                    SLICE_PRINT(http_header_find(request, "User-Agent")));
    http_respond(exchange, 200, "text/plain", NULL, text_slice(&text));
}

static void on_error(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out) {
    (void)context;
    *content_type_out = "text/plain";
    text_add_format(body, "refused %u: %s", status, words);
}

static const struct http_handler handler = {.on_request = on_request, .on_error = on_error};

static void world_open(struct world *world) {
    struct fault fault = {{0}};
    assert_status(http_server_open(&world->options, &world->server, &world->port, &fault), OK);
}

static int setup(void **state, enum loop_backend backend) {
    struct world *world = calloc(1, sizeof(*world));
    struct fault fault = {{0}};
    struct loop_options loop_options = {.backend = backend, .connections_max = 8};
    assert_non_null(world);
    *state = world;
    if (!status_is_ok(loop_open(&loop_options, &world->loop, &fault))) {
        world->loop = NULL; /* this kernel or sandbox has no io_uring */
        return 0;
    }
    world->options = (struct http_options){
        .loop = world->loop,
        .address = SLICE("127.0.0.1:0"),
        .connections_max = 8,
        .request_bytes_max = MIB,
        .body_bytes_total_max = 4 * MIB,
        .header_timeout_ns = 5 * NS_PER_S,
        .body_timeout_ns = 5 * NS_PER_S,
        .idle_timeout_ns = 5 * NS_PER_S,
        .handler = &handler,
        .context = world,
        .stats = &world->stats,
    };
    world_open(world);
    return 0;
}

static int setup_epoll(void **state) {
    return setup(state, LOOP_EPOLL);
}

static int setup_uring(void **state) {
    return setup(state, LOOP_IO_URING);
}

static int setup_sim(void **state) {
    return setup(state, LOOP_SIM);
}

static int teardown(void **state) {
    struct world *world = *state;
    http_server_close(world->server);
    loop_close(world->loop);
    free(world);
    return 0;
}

static struct world *world_of(void **state) {
    struct world *world = *state;
    if (world->loop == NULL) {
        skip();
    }
    return world;
}

static void reopen(struct world *world) {
    http_server_close(world->server);
    world->server = NULL;
    world_open(world);
}

/* --- The client's side --- */

static bool is_simulated(const struct world *world) {
    return loop_get_backend(world->loop) == LOOP_SIM;
}

static int client_open(const struct world *world) {
    if (is_simulated(world)) {
        uint32_t client = loop_sim_connect(world->loop, world->port);
        assert_true(client < SIM_CLIENTS_MAX);
        return (int)client;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(world->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Bytes taken or given, 0 when it would block, -1 when the connection is gone. */
static int64_t client_write(const struct world *world, int fd, const void *bytes, size_t size) {
    if (is_simulated(world)) {
        return loop_sim_send(world->loop, (uint32_t)fd, slice_of(bytes, size));
    }
    ssize_t sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

static int64_t client_read(const struct world *world, int fd, void *memory, size_t capacity) {
    if (is_simulated(world)) {
        return loop_sim_receive(world->loop, (uint32_t)fd, memory, capacity);
    }
    ssize_t got = recv(fd, memory, capacity, MSG_DONTWAIT);
    return got == 0 ? -1 : got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : got;
}

static void client_close(const struct world *world, int fd) {
    if (is_simulated(world)) {
        loop_sim_disconnect(world->loop, (uint32_t)fd, false);
    } else {
        close(fd);
    }
}

static void client_reset(const struct world *world, int fd) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (is_simulated(world)) {
        loop_sim_disconnect(world->loop, (uint32_t)fd, true);
        return;
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
}

static void client_half_close(const struct world *world, int fd) {
    if (is_simulated(world)) {
        loop_sim_half_close(world->loop, (uint32_t)fd);
    } else {
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    }
}

/* One turn of the loop, then what came for the client. */
static void turn(struct world *world, int fd) {
    assert_status(loop_run_once(world->loop, NS_PER_MS), OK);
    if (fd < 0 || world->has_ended) {
        return;
    }
    size_t room = sizeof(world->reply) - 1 - world->reply_size;
    int64_t got = client_read(world, fd, world->reply + world->reply_size, room);
    if (got > 0) {
        world->reply_size += (size_t)got;
        world->reply[world->reply_size] = 0;
    }
    world->has_ended = got < 0;
}

static void send_bytes(struct world *world, int fd, const void *bytes, size_t size) {
    size_t sent = 0;
    for (uint32_t i = 0; sent < size && i < TURNS_MAX; i++) {
        int64_t now = client_write(world, fd, (const char *)bytes + sent, size - sent);
        if (now < 0) {
            return;
        }
        sent += (size_t)now;
        if (now == 0) {
            turn(world, fd);
        }
    }
}

static void send_words(struct world *world, int fd, const char *words) {
    send_bytes(world, fd, words, strlen(words));
}

/* Until the client has seen the words. */
static void expect(struct world *world, int fd, const char *words) {
    for (uint32_t i = 0; i < TURNS_MAX && strstr(world->reply, words) == NULL; i++) {
        turn(world, fd);
        if (world->has_ended) {
            break;
        }
    }
    if (strstr(world->reply, words) == NULL) {
        print_error("wanted \"%s\", got \"%s\"\n", words, world->reply);
        fail();
    }
}

static void expect_end(struct world *world, int fd) {
    for (uint32_t i = 0; i < TURNS_MAX && !world->has_ended; i++) {
        turn(world, fd);
    }
    assert_true(world->has_ended);
}

static void expect_waiting(struct world *world, uint32_t count) {
    for (uint32_t i = 0; i < TURNS_MAX && world->waiting_count < count; i++) {
        turn(world, -1);
    }
    assert_int_equal(world->waiting_count, count);
}

static void forget_reply(struct world *world) {
    world->reply_size = 0;
    world->reply[0] = 0;
    world->has_ended = false;
}

static uint32_t count_words(const char *text, const char *words) {
    uint32_t count = 0;
    for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    return count;
}

/* A connection of its own: these bytes give this status, the handler sees nothing, and it closes.
 */
static void expect_refusal(struct world *world, const char *bytes, size_t size, unsigned status) {
    char wanted[32];
    uint32_t requests = world->requests;
    int fd = client_open(world);
    forget_reply(world);
    (void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", status);
    send_bytes(world, fd, bytes, size);
    expect(world, fd, wanted);
    expect(world, fd, "Connection: close\r\n");
    expect_end(world, fd);
    assert_int_equal(world->requests, requests);
    assert_int_equal(count_words(world->reply, "Content-Length: "), 1);
    client_close(world, fd);
}

#define REFUSED(status, bytes) expect_refusal(world, "" bytes, sizeof(bytes) - 1, status)
#define HEAD_OF(method) method " /p HTTP/1.1\r\nHost: h\r\n"

/* --- Requests --- */

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

/* --- What two parsers might read in two ways --- */

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

static void all_bodies_together_are_bounded(void **state) {
    struct world *world = world_of(state);
    int fds[4];
    for (uint32_t i = 0; i < 4;
         i++) { /* each asks for 2 MiB of the 4: length, head, and doubling */
        fds[i] = client_open(world);
        forget_reply(world);
        send_words(world, fds[i], HEAD_OF("POST") "Content-Length: 1048576\r\n\r\nx");
        for (uint32_t turns = 0; turns < 20; turns++) {
            turn(world, fds[i]);
        }
    }
    expect(world, fds[3], "HTTP/1.1 503 ");
    expect(world, fds[3], "Retry-After: ");
    for (uint32_t i = 0; i < 4; i++) {
        client_close(world, fds[i]);
    }
}

static void idle_connections_do_not_starve_a_new_one(void **state) {
    struct world *world = world_of(state);
    char *body = calloc(1, 200 * KIB);
    int fds[5];
    assert_non_null(body);
    world->options.body_bytes_total_max = MIB;
    reopen(world);
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
    reopen(world);
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

static void a_slow_head_times_out(void **state) {
    struct world *world = world_of(state);
    world->options.header_timeout_ns = 50 * NS_PER_MS;
    reopen(world);
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

static void a_body_that_stops_times_out_whatever_it_promised(void **state) {
    struct world *world = world_of(state);
    world->options.body_timeout_ns = 50 * NS_PER_MS;
    reopen(world);
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

static void a_body_that_flows_may_take_longer(void **state) {
    struct world *world = world_of(state);
    char body[8192];
    memset(body, 'x', sizeof(body));
    world->options.body_timeout_ns = 50 * NS_PER_MS;
    reopen(world);
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
}

#define EACH(name)                                                                                 \
    {#name " (epoll)", name, setup_epoll, teardown, NULL},                                         \
        {#name " (io_uring)", name, setup_uring, teardown, NULL}, {                                \
#name " (simulated)", name, setup_sim, teardown, NULL                                      \
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
        EACH(a_client_that_only_half_closes_gets_all_its_answers),
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
        EACH(all_bodies_together_are_bounded),
        EACH(idle_connections_do_not_starve_a_new_one),
        EACH(who_sends_nothing_is_closed),
        EACH(a_slow_head_times_out),
        EACH(a_body_that_stops_times_out_whatever_it_promised),
        EACH(a_body_that_flows_may_take_longer),
        EACH(draining_finishes_what_was_received),
        cmocka_unit_test(queries_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
