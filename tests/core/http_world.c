/* http_world.c - see http_world.h. */
#include "tests/core/http_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop_sim.h"

/* --- The server's side --- */

static const struct hash128 owner = {1, 2};

static bool may_begin(void *context, struct hash128 asked) {
    const struct world *world = context;
    assert_true(hash128_equals(asked, owner));
    return !world->is_turn_over;
}

static void on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request) {
    struct world *world = context;
    char memory[4096];
    struct text text = text_over(memory, sizeof(memory));
    if (world->puts_back > 0 && slice_equals(request->path, SLICE("/again"))) {
        world->puts_back--;
        http_put_back(exchange);
        return;
    }
    if (slice_equals(request->path, SLICE("/owned"))) {
        http_name_owner(exchange, owner);
    }
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

static const struct http_handler handler = {
    .may_begin = may_begin, .on_request = on_request, .on_error = on_error};

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

int world_setup_epoll(void **state) {
    return setup(state, LOOP_EPOLL);
}

int world_setup_uring(void **state) {
    return setup(state, LOOP_IO_URING);
}

int world_setup_sim(void **state) {
    return setup(state, LOOP_SIM);
}

int world_teardown(void **state) {
    struct world *world = *state;
    http_server_close(world->server);
    loop_close(world->loop);
    free(world);
    return 0;
}

struct world *world_of(void **state) {
    struct world *world = *state;
    if (world->loop == NULL) {
        skip();
    }
    return world;
}

void world_reopen(struct world *world) {
    http_server_close(world->server);
    world->server = NULL;
    world_open(world);
}

/* --- The client's side --- */

static bool is_simulated(const struct world *world) {
    return loop_get_backend(world->loop) == LOOP_SIM;
}

int client_open(const struct world *world) {
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
int64_t client_write(const struct world *world, int fd, const void *bytes, size_t size) {
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

void client_close(const struct world *world, int fd) {
    if (is_simulated(world)) {
        loop_sim_disconnect(world->loop, (uint32_t)fd, false);
    } else {
        close(fd);
    }
}

void client_reset(const struct world *world, int fd) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    if (is_simulated(world)) {
        loop_sim_disconnect(world->loop, (uint32_t)fd, true);
        return;
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
}

void client_half_close(const struct world *world, int fd) {
    if (is_simulated(world)) {
        loop_sim_half_close(world->loop, (uint32_t)fd);
    } else {
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    }
}

void turn(struct world *world, int fd) {
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

void send_bytes(struct world *world, int fd, const void *bytes, size_t size) {
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

void send_words(struct world *world, int fd, const char *words) {
    send_bytes(world, fd, words, strlen(words));
}

void expect(struct world *world, int fd, const char *words) {
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

void expect_end(struct world *world, int fd) {
    for (uint32_t i = 0; i < TURNS_MAX && !world->has_ended; i++) {
        turn(world, fd);
    }
    assert_true(world->has_ended);
}

void expect_waiting(struct world *world, uint32_t count) {
    for (uint32_t i = 0; i < TURNS_MAX && world->waiting_count < count; i++) {
        turn(world, -1);
    }
    assert_int_equal(world->waiting_count, count);
}

void forget_reply(struct world *world) {
    world->reply_size = 0;
    world->reply[0] = 0;
    world->has_ended = false;
}

uint32_t count_words(const char *text, const char *words) {
    uint32_t count = 0;
    for (const char *at = strstr(text, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    return count;
}

void expect_refusal(struct world *world, const char *bytes, size_t size, unsigned status) {
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
