/*
 * http_world.h - the HTTP server as its clients meet it: raw sockets on loopback against a real
 * loop, client and server on one thread. Every test runs on epoll, on the simulated loop, and on
 * io_uring where it can be had.
 */
#pragma once

#include "tests/base/unit.h"

#include "core/http.h"

enum { WAITING_MAX = 16, REPLY_BYTES_MAX = 1 << 20, TURNS_MAX = 3000 };

struct world {
    struct loop *loop;
    struct http_server *server;
    struct http_options options;
    struct stats stats;
    uint16_t port;
    bool answers_later;
    uint32_t puts_back; /* so many requests for /again */
    bool is_turn_over;  /* of him whose /owned is */
    struct http_exchange waiting[WAITING_MAX];
    uint32_t waiting_count;
    uint32_t requests;
    size_t body_bytes;
    char reply[REPLY_BYTES_MAX];
    size_t reply_size;
    bool has_ended; /* the server closed */
};

/* cmocka fixtures: a server on a loop of that kind. */
int world_setup_epoll(void **state);
int world_setup_uring(void **state);
int world_setup_sim(void **state);
int world_teardown(void **state);
/* The test is skipped where this kernel or sandbox has no io_uring. */
struct world *world_of(void **state);
/* The server again, as world->options now say. */
void world_reopen(struct world *world);
/* A connection to the server: a socket, or a client of the simulated loop. */
int client_open(const struct world *world);
/* Bytes taken, 0 when it would block, -1 when the connection is gone. */
int64_t client_write(const struct world *world, int fd, const void *bytes, size_t size);
void client_close(const struct world *world, int fd);
void client_reset(const struct world *world, int fd);
void client_half_close(const struct world *world, int fd);
/* One turn of the loop, then what came for the client (fd < 0: nobody). */
void turn(struct world *world, int fd);
/* All of the bytes, turning the loop while they do not fit; less when the server closes. */
void send_bytes(struct world *world, int fd, const void *bytes, size_t size);
void send_words(struct world *world, int fd, const char *words);
/* Turns until the client has seen the words. */
void expect(struct world *world, int fd, const char *words);
/* Turns until the server has closed. */
void expect_end(struct world *world, int fd);
/* Turns until so many requests wait for their answer. */
void expect_waiting(struct world *world, uint32_t count);
/* What came so far is not looked at again. */
void forget_reply(struct world *world);
/* How often the words stand in the text. */
uint32_t count_words(const char *text, const char *words);
/* A connection of its own: these bytes give this status, the handler sees nothing, and it closes.
 */
void expect_refusal(struct world *world, const char *bytes, size_t size, unsigned status);

#define REFUSED(status, bytes) expect_refusal(world, "" bytes, sizeof(bytes) - 1, status)
#define HEAD_OF(method) method " /p HTTP/1.1\r\nHost: h\r\n"

/* The test on each kind of loop. */
#define EACH(name)                                                                                 \
    {#name " (epoll)", name, world_setup_epoll, world_teardown, NULL},                             \
        {#name " (io_uring)", name, world_setup_uring, world_teardown, NULL}, {                    \
#name " (simulated)", name, world_setup_sim, world_teardown, NULL                          \
    }
