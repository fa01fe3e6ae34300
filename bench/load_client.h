/*
 * load_client.h - many keep-alive HTTP/1.1 connections to one server, for the load generator.
 *
 * One epoll set, one request under way per connection. A connection that fails or times out is
 * opened again after LOAD_RECONNECT_NS.
 *
 * Memory: fixed per connection, plus the unsent rest of a request. One thread.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "bench/load_way.h"
#include "core/base/fault.h"

enum { LOAD_CONNECTIONS_MAX = 10000, LOAD_ANSWER_BYTES_MAX = 16 * 1024 };
#define LOAD_RECONNECT_NS (100ULL * 1000 * 1000)

struct load_address {
    struct sockaddr_storage socket_address;
    socklen_t size;
};

struct load_client_options {
    struct load_address address;
    uint32_t connections;
    uint64_t timeout_ns;
    load_outcome_fn *on_outcome;
    void *owner;
};

extern const struct load_way load_client_way;

/* IO with words when the server cannot be reached at all. */
MUST_CHECK struct status load_client_open(const struct load_client_options *options, void **way_out,
                                          struct fault *fault);
