/* http_buffer.c - what a connection holds in memory, and the bound on all of it. See http_conn.h.
 */
#include <stdlib.h>

#include "core/http_conn.h"

enum { INPUT_BYTES_MIN = 16 * 1024 };

/* Of all ingest threads together: a sum, to which a negative amount wraps round. */
static void tell_buffered(struct http_server *server, uint64_t grown_by) {
    server->buffered_bytes += grown_by;
    if (server->options.stats != NULL) {
        stats_add(server->options.stats, STAT_BUFFERED_BYTES, grown_by);
    }
}

void http_input_drop(struct http_conn *http) {
    tell_buffered(http->server, UINT64_C(0) - http->input_capacity);
    free(http->memory);
    http->memory = NULL;
    http->input = NULL;
    http->input_capacity = 0;
}

/* Idle connections lend their buffers: they must not starve one that has something to say. */
static void drop_idle_inputs(struct http_server *server, const struct http_conn *but) {
    for (uint32_t i = 0; i < server->options.connections_max; i++) {
        struct http_conn *http = &server->conns[i];
        if (http != but && http->phase == PHASE_HEAD && http->input_size == 0) {
            http_input_drop(http);
        }
    }
}

static bool has_room(const struct http_server *server, uint64_t grown_by) {
    return server->buffered_bytes + grown_by <= server->options.body_bytes_total_max;
}

static bool grow_memory(struct http_conn *http, size_t size) {
    size_t capacity =
        http->input_capacity < INPUT_BYTES_MIN ? INPUT_BYTES_MIN : http->input_capacity;
    while (capacity < size) {
        capacity *= 2;
    }
    struct http_server *server = http->server;
    if (!has_room(server, capacity - http->input_capacity)) {
        drop_idle_inputs(server, http);
    }
    if (!has_room(server, capacity - http->input_capacity)) {
        capacity = size; /* what it needs may fit where twice what it had does not */
    }
    uint64_t grown_by = capacity - http->input_capacity;
    if (!has_room(server, grown_by)) {
        return false;
    }
    bool is_own = http->input == http->memory;
    uint8_t *grown = realloc(http->memory, capacity);
    if (grown == NULL) {
        return false;
    }
    http->memory = grown;
    http->input = is_own ? grown : http->input;
    http->input_capacity = capacity;
    tell_buffered(server, grown_by);
    return true;
}

bool http_input_reserve(struct http_conn *http, size_t size) {
    size = size < http->input_size ? http->input_size : size;
    if (size > http->input_capacity && !grow_memory(http, size)) {
        return false;
    }
    if (http->input != http->memory && http->input_size > 0) {
        memcpy(http->memory, http->input, http->input_size);
    }
    http->input = http->memory;
    return true;
}

bool http_output_reserve(struct http_conn *http, size_t size) {
    if (size <= http->output_capacity) {
        return true;
    }
    char *grown = realloc(http->output, size);
    if (grown == NULL) {
        return false;
    }
    http->output = grown;
    http->output_capacity = size;
    return true;
}

void http_output_drop(struct http_conn *http) {
    free(http->output);
    http->output = NULL;
    http->output_capacity = 0;
}
