/*
 * loop_sim.c - the simulated back-end: connections in memory, virtual time, seeded order. See
 * loop_sim.h.
 *
 * A run delivers what is ready: completed sends and writes, then each client's events in an order
 * and in pieces that the generator draws. Only a run that found nothing to do lets time pass.
 */
#include "core/loop_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/loop_internal.h"

enum { SIM_FILE_OPS_MAX = 64, SIM_FIRST_PORT = 20000 };

struct sim_pipe {
    uint8_t bytes[SIM_WINDOW_BYTES];
    size_t size;
};

enum client_state { CLIENT_FREE, CLIENT_CONNECTING, CLIENT_OPEN, CLIENT_REFUSED };

struct sim_client {
    enum client_state state;
    uint16_t port;
    struct loop_conn *conn; /* NULL: the server's side is gone */
    struct sim_pipe to_server;
    struct sim_pipe to_client;
    bool sends_no_more;
    bool is_reset;
    bool server_has_ended;
};

struct sim_write {
    struct loop_file_op *op;
    struct status status;
};

struct sim_state {
    uint64_t now_ns;
    uint64_t random;
    struct sim_client *clients;
    struct sim_client *accepting;
    struct sim_write writes[SIM_FILE_OPS_MAX];
    uint32_t writes_count;
    uint32_t fail_in; /* 0: no failure is asked for */
    int fail_error;
    bool fail_sync_only;
};

static struct sim_state *state_of(struct loop *loop) {
    ASSERT(loop->calls == &loop_sim_calls);
    return loop->backend;
}

/* splitmix64 (Steele, Lea, Flood 2014): the state counts, the output is mixed. */
static uint64_t draw(struct sim_state *state) {
    uint64_t z = (state->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static size_t draw_up_to(struct sim_state *state, size_t most) {
    return most == 0 ? 0 : 1 + (size_t)(draw(state) % most);
}

static size_t pipe_put(struct sim_pipe *pipe, const void *bytes, size_t size) {
    size_t room = sizeof(pipe->bytes) - pipe->size;
    size = size < room ? size : room;
    memcpy(pipe->bytes + pipe->size, bytes, size);
    pipe->size += size;
    return size;
}

static void pipe_drop(struct sim_pipe *pipe, size_t size) {
    pipe->size -= size;
    memmove(pipe->bytes, pipe->bytes + size, pipe->size);
}

/* --- Life --- */

static struct status sim_open(struct loop *loop, struct fault *fault) {
    struct sim_state *state = calloc(1, sizeof(*state));
    struct sim_client *clients = calloc(SIM_CLIENTS_MAX, sizeof(*clients));
    if (state == NULL || clients == NULL) {
        free(state);
        free(clients);
        return fault_set(fault, STATUS_FULL, "no memory for a simulated loop");
    }
    state->clients = clients;
    state->random = 1;
    state->now_ns = NS_PER_S;
    loop->backend = state;
    return status_ok();
}

static void sim_close(struct loop *loop) {
    struct sim_state *state = loop->backend;
    if (state != NULL) {
        free(state->clients);
        free(state);
    }
}

static uint64_t sim_now(const struct loop *loop) {
    const struct sim_state *state = loop->backend;
    return state->now_ns;
}

/* --- The server's side --- */

static uint16_t sim_port(const struct loop_listener *listener) {
    return (uint16_t)(SIM_FIRST_PORT + (listener - listener->loop->listeners));
}

static struct status sim_listen(struct loop *loop, struct loop_listener *listener) {
    listener->is_armed = true;
    return status_ok();
}

static void sim_stop_listening(struct loop *loop, struct loop_listener *listener) {
    listener->is_armed = false;
}

static struct sim_client *client_of(struct loop_conn *conn) {
    struct sim_state *state = state_of(conn->loop);
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        if (state->clients[i].conn == conn) {
            return &state->clients[i];
        }
    }
    return NULL;
}

static void sim_conn_start(struct loop_conn *conn) {
    struct sim_state *state = state_of(conn->loop);
    ASSERT(state->accepting != NULL);
    state->accepting->conn = conn;
    state->accepting->state = CLIENT_OPEN;
}

static void sim_conn_send(struct loop_conn *conn) {
    (void)conn; /* the next runs move it, piece by piece */
}

static void sim_conn_update(struct loop_conn *conn) {
    (void)conn; /* is_paused is looked at when something would be delivered */
}

static bool sim_conn_shutdown(struct loop_conn *conn) {
    struct sim_client *client = client_of(conn);
    if (client == NULL) {
        return false;
    }
    client->server_has_ended = true;
    return true;
}

static void sim_conn_close(struct loop_conn *conn) {
    struct sim_client *client = client_of(conn);
    if (client != NULL) {
        client->conn = NULL;
        client->server_has_ended = true;
    }
    loop_conn_release(conn);
}

static struct status sim_watch(struct loop *loop, struct loop_watch_slot *slot) {
    (void)loop;
    return slot->events == 0 ? status_ok() : status_of(STATUS_UNSUPPORTED);
}

/* --- Files --- */

static struct status write_now(struct sim_state *state, struct loop_file_op *op) {
    bool fails = state->fail_in > 0 && --state->fail_in == 0;
    if (!fails || state->fail_sync_only) {
        bool is_done = file_write(op->files, op->fd, op->data, op->size, op->offset) == 0 &&
                       (!op->sync || fails || file_sync_data(op->files, op->fd) == 0);
        op->error_number = is_done ? 0 : errno;
    }
    op->error_number = fails ? state->fail_error : op->error_number;
    return op->error_number == 0 ? status_ok() : status_of(STATUS_IO);
}

static void sim_file_write(struct loop *loop, struct loop_file_op *op) {
    struct sim_state *state = state_of(loop);
    ASSERT(state->writes_count < SIM_FILE_OPS_MAX);
    state->writes[state->writes_count++] =
        (struct sim_write){.op = op, .status = write_now(state, op)};
}

static bool tell_writes(struct sim_state *state) {
    struct sim_write writes[SIM_FILE_OPS_MAX];
    uint32_t count = state->writes_count;
    memcpy(writes, state->writes, sizeof(writes));
    state->writes_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        writes[i].op->on_done(writes[i].op->context, writes[i].status);
    }
    return count > 0;
}

/* --- A run --- */

static bool accept_client(struct loop *loop, struct sim_client *client) {
    struct sim_state *state = state_of(loop);
    client->state = CLIENT_REFUSED;
    for (uint32_t i = 0; i < loop->listeners_count; i++) {
        struct loop_listener *listener = &loop->listeners[i];
        if (listener->is_armed && sim_port(listener) == client->port) {
            state->accepting = client;
            loop_accepted(listener, -1);
            state->accepting = NULL;
        }
    }
    client->server_has_ended = client->conn == NULL;
    return true;
}

/* A piece of the send in flight, as far as the client's window has room. */
static bool move_sending(struct sim_client *client) {
    struct loop_conn *conn = client->conn;
    if (conn == NULL || !conn->is_sending) {
        return false;
    }
    const struct iovec *part = &conn->parts[conn->parts_at];
    size_t piece = draw_up_to(state_of(conn->loop), part->iov_len);
    size_t moved = pipe_put(&client->to_client, part->iov_base, piece);
    if (moved > 0 || part->iov_len == 0) {
        (void)loop_sent(conn, moved);
        return true;
    }
    return false;
}

static bool deliver(struct sim_client *client) {
    struct loop_conn *conn = client->conn;
    if (conn == NULL) {
        return false;
    }
    if (client->is_reset) {
        loop_lost(conn);
        return true;
    }
    if (conn->is_paused || conn->has_ended) {
        return false;
    }
    if (client->to_server.size > 0) {
        uint8_t piece[4096];
        size_t most =
            client->to_server.size < sizeof(piece) ? client->to_server.size : sizeof(piece);
        size_t size = draw_up_to(state_of(conn->loop), most);
        memcpy(piece, client->to_server.bytes, size);
        pipe_drop(&client->to_server, size);
        loop_received(conn, slice_of(piece, size));
        return true;
    }
    if (client->sends_no_more) {
        loop_ended(conn);
        return true;
    }
    return false;
}

static bool step_client(struct loop *loop, struct sim_client *client) {
    if (client->state == CLIENT_FREE && client->conn == NULL) {
        return false; /* most are: worlds and fuzzers take thousands of turns */
    }
    if (client->state == CLIENT_CONNECTING) {
        return accept_client(loop, client);
    }
    bool sends_first = draw(state_of(loop)) % 2 == 0;
    bool has_moved = sends_first ? move_sending(client) : deliver(client);
    return (sends_first ? deliver(client) : move_sending(client)) || has_moved;
}

static struct status sim_run(struct loop *loop, uint64_t timeout_ns) {
    struct sim_state *state = state_of(loop);
    bool has_moved = tell_writes(state);
    uint32_t first = (uint32_t)(draw(state) % SIM_CLIENTS_MAX);
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        has_moved = step_client(loop, &state->clients[(first + i) % SIM_CLIENTS_MAX]) || has_moved;
    }
    loop_run_wakers(loop);
    if (!has_moved && state->writes_count == 0 && timeout_ns != UINT64_MAX) {
        state->now_ns += timeout_ns;
    }
    loop_woke(loop);
    loop->polled_ns = state->now_ns; /* nothing comes while time passes */
    return status_ok();
}

const struct loop_backend_calls loop_sim_calls = {
    .backend = LOOP_SIM,
    .open = sim_open,
    .close = sim_close,
    .run = sim_run,
    .now = sim_now,
    .port = sim_port,
    .listen = sim_listen,
    .stop_listening = sim_stop_listening,
    .conn_start = sim_conn_start,
    .conn_send = sim_conn_send,
    .conn_update = sim_conn_update,
    .conn_shutdown = sim_conn_shutdown,
    .conn_close = sim_conn_close,
    .watch = sim_watch,
    .file_write = sim_file_write,
};

/* --- The test's side --- */

void loop_sim_seed(struct loop *loop, uint64_t seed) {
    state_of(loop)->random = seed;
}

/* The pipes' bytes stay: they are a quarter of a megabyte. */
static void sim_client_begin(struct sim_client *client, uint16_t port) {
    client->state = CLIENT_CONNECTING;
    client->port = port;
    client->to_server.size = client->to_client.size = 0;
    client->sends_no_more = client->is_reset = client->server_has_ended = false;
}

uint32_t loop_sim_connect(struct loop *loop, uint16_t port) {
    struct sim_state *state = state_of(loop);
    for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
        if (state->clients[i].state == CLIENT_FREE && state->clients[i].conn == NULL) {
            sim_client_begin(&state->clients[i], port);
            return i;
        }
    }
    return SIM_CLIENTS_MAX;
}

int64_t loop_sim_send(struct loop *loop, uint32_t client, struct slice bytes) {
    struct sim_client *one = &state_of(loop)->clients[client];
    ASSERT(client < SIM_CLIENTS_MAX && one->state != CLIENT_FREE && !one->sends_no_more);
    if (one->state == CLIENT_REFUSED || (one->state == CLIENT_OPEN && one->conn == NULL)) {
        return -1;
    }
    return (int64_t)pipe_put(&one->to_server, bytes.data, bytes.size);
}

int64_t loop_sim_receive(struct loop *loop, uint32_t client, void *memory, size_t capacity) {
    struct sim_client *one = &state_of(loop)->clients[client];
    ASSERT(client < SIM_CLIENTS_MAX && one->state != CLIENT_FREE);
    size_t size = one->to_client.size < capacity ? one->to_client.size : capacity;
    if (size == 0) {
        return one->server_has_ended && one->to_client.size == 0 ? -1 : 0;
    }
    memcpy(memory, one->to_client.bytes, size);
    pipe_drop(&one->to_client, size);
    return (int64_t)size;
}

void loop_sim_half_close(struct loop *loop, uint32_t client) {
    state_of(loop)->clients[client].sends_no_more = true;
}

void loop_sim_disconnect(struct loop *loop, uint32_t client, bool is_reset) {
    struct sim_client *one = &state_of(loop)->clients[client];
    one->sends_no_more = true;
    one->is_reset = is_reset;
    one->state = CLIENT_FREE; /* the slot is taken again once the server has let go, too */
}

void loop_sim_fail_write(struct loop *loop, uint32_t n, int error_number, bool is_sync_only) {
    struct sim_state *state = state_of(loop);
    state->fail_in = n;
    state->fail_error = error_number;
    state->fail_sync_only = is_sync_only;
}
