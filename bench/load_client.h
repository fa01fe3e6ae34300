/*
 * load_client.h - many keep-alive HTTP/1.1 connections to one server, for the load generator.
 *
 * One epoll set, one request under way per connection. The latency of a request counts from the
 * moment at which it was due, not from when a connection was free for it: a slow server cannot hide
 * the requests that it kept waiting (coordinated omission). A connection that fails or times out is
 * opened again after LOAD_RECONNECT_NS.
 *
 * Memory: fixed per connection, plus the unsent rest of a request. One thread.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/fault.h"

enum { LOAD_CONNECTIONS_MAX = 10000, LOAD_ANSWER_BYTES_MAX = 16 * 1024 };
#define LOAD_RECONNECT_NS (100ULL * 1000 * 1000)

struct load_address {
    struct sockaddr_storage socket_address;
    socklen_t size;
};

/* What became of one request. */
struct load_outcome {
    uint16_t http_status; /* 0: no answer, the connection failed or timed out */
    bool is_timeout;
    uint32_t records;
    uint64_t latency_ns; /* since it was due */
};

struct load_client_options {
    struct load_address address;
    uint32_t connections;
    uint64_t timeout_ns;
    void (*on_outcome)(void *owner, const struct load_outcome *outcome);
    void *owner;
};

struct load_client;

/* IO with words when the server cannot be reached at all. */
MUST_CHECK struct status load_client_open(const struct load_client_options *options,
                                          struct load_client **client_out, struct fault *fault);
void load_client_close(struct load_client *client);
/* Whether a connection is free for load_client_send. */
bool load_client_has_room(struct load_client *client);
uint32_t load_client_under_way(const struct load_client *client);
/* Sends a whole request (head and body); `bytes` may change once this returns. */
void load_client_send(struct load_client *client, struct slice bytes, uint32_t records,
                      uint64_t due_ns);
/* Waits at most `wait_ns` for answers, takes them, opens what is to be opened. */
void load_client_poll(struct load_client *client, uint64_t wait_ns);
