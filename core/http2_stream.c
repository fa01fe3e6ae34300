/*
 * http2_stream.c - what a stream holds in memory, and the bounds on it. See http2_conn.h.
 */
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http2_conn.h"

enum { BYTES_MIN = 1024 };

struct status http2_pools_init(struct http2_server *server) {
    size_t conns_bytes = HTTP2_CONNECTIONS_MAX * sizeof(struct http2_conn);
    size_t streams_bytes = HTTP2_STREAMS_MAX * sizeof(struct http2_stream);
    TRY(arena_init(&server->arena, conns_bytes + streams_bytes + 4 * KIB));
    server->conns = ARENA_ARRAY(&server->arena, struct http2_conn, HTTP2_CONNECTIONS_MAX);
    server->streams = ARENA_ARRAY(&server->arena, struct http2_stream, HTTP2_STREAMS_MAX);
    ASSERT(server->conns != NULL && server->streams != NULL);
    for (uint32_t i = HTTP2_CONNECTIONS_MAX; i > 0; i--) {
        server->conns[i - 1].next_free = server->free_conns;
        server->free_conns = &server->conns[i - 1];
    }
    for (uint32_t i = HTTP2_STREAMS_MAX; i > 0; i--) {
        server->streams[i - 1].index = i - 1;
        server->streams[i - 1].next = server->free_streams;
        server->free_streams = &server->streams[i - 1];
    }
    return status_ok();
}

struct http2_stream *http2_stream_open(struct http2_conn *conn, int32_t id) {
    struct http2_server *server = conn->server;
    struct http2_stream *stream = server->free_streams;
    if (stream == NULL) {
        return NULL;
    }
    server->free_streams = stream->next;
    uint32_t index = stream->index;
    uint32_t generation = stream->generation + 1;
    memset(stream, 0, sizeof(*stream));
    stream->conn = conn;
    stream->index = index;
    stream->generation = generation;
    stream->id = id;
    stream->state = STREAM_RECEIVING;
    stream->began_ns = http2_now_ns(conn);
    stream->next = conn->streams;
    if (conn->streams != NULL) {
        conn->streams->previous = stream;
    }
    conn->streams = stream;
    conn->streams_count++;
    server->streams_count++;
    return stream;
}

/* --- Memory --- */

static void drop(struct http2_bytes *bytes) {
    free(bytes->data);
    *bytes = (struct http2_bytes){0};
}

static bool append(struct http2_bytes *bytes, struct slice more, uint64_t *total,
                   uint64_t total_max) {
    if (bytes->size + more.size > bytes->capacity) {
        size_t capacity = bytes->capacity < BYTES_MIN ? BYTES_MIN : bytes->capacity;
        while (capacity < bytes->size + more.size) {
            capacity *= 2;
        }
        if (*total + capacity - bytes->capacity > total_max) {
            capacity = bytes->size + more.size; /* it may fit where twice what it had does not */
        }
        uint64_t grown_by = capacity - bytes->capacity;
        uint8_t *grown = *total + grown_by > total_max ? NULL : realloc(bytes->data, capacity);
        if (grown == NULL) {
            return false;
        }
        *total += grown_by;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    if (more.size > 0) {
        memcpy(bytes->data + bytes->size, more.data, more.size);
        bytes->size += more.size;
    }
    return true;
}

/* Of all ingest threads together: a sum, to which a negative amount wraps round. */
static void tell_buffered(struct http2_server *server, uint64_t grown_by) {
    server->buffered_bytes += grown_by;
    http2_count(server, STAT_BUFFERED_BYTES, grown_by);
}

void http2_stream_drop_request(struct http2_stream *stream) {
    struct http2_server *server = stream->conn->server;
    ASSERT(stream->state != STREAM_ANSWERING);
    tell_buffered(server, UINT64_C(0) - (stream->head.capacity + stream->body.capacity));
    drop(&stream->head);
    drop(&stream->body);
    stream->fields_count = 0;
}

void http2_stream_close(struct http2_stream *stream) {
    struct http2_conn *conn = stream->conn;
    struct http2_server *server = conn->server;
    ASSERT(stream->state != STREAM_FREE && server->streams_count > 0);
    http_queue_remove(server->put_back, &stream->queued);
    if (stream->state == STREAM_ANSWERING) {
        drop(&stream->body);
        free(stream->trailers);
    } else {
        http2_stream_drop_request(stream);
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        conn->streams = stream->next;
    }
    conn->streams_count--;
    server->streams_count--;
    stream->state = STREAM_FREE;
    stream->generation++;
    stream->next = server->free_streams;
    server->free_streams = stream;
}

/* --- The request --- */

void http2_stream_refuse(struct http2_stream *stream, unsigned status, const char *words) {
    if (stream->refusal == 0) {
        stream->refusal = status;
        stream->refusal_words = words;
    }
}

static bool append_request(struct http2_stream *stream, struct http2_bytes *bytes,
                           struct slice more) {
    struct http2_server *server = stream->conn->server;
    uint64_t total = server->buffered_bytes;
    bool is_taken = append(bytes, more, &total, server->options.body_bytes_total_max);
    tell_buffered(server, total - server->buffered_bytes);
    if (!is_taken && stream->refusal == 0) {
        http2_count(server, STAT_BUFFERS_FULL, 1);
        http2_stream_refuse(stream, 503, "too many requests are being received, try again");
    }
    return is_taken;
}

void http2_stream_add_field(struct http2_stream *stream, struct slice name, struct slice value) {
    if (stream->fields_count == HTTP_HEADERS_MAX ||
        stream->head.size + name.size + value.size > HTTP_HEADER_BYTES_MAX) {
        http2_stream_refuse(stream, 431, "the headers are too large");
        return;
    }
    if (!append_request(stream, &stream->head, name) ||
        !append_request(stream, &stream->head, value)) {
        return;
    }
    stream->fields[stream->fields_count++] =
        (struct http2_field){(uint32_t)name.size, (uint32_t)value.size};
}

void http2_stream_add_body(struct http2_stream *stream, struct slice bytes) {
    struct http2_server *server = stream->conn->server;
    if (stream->refusal != 0 || stream->state != STREAM_RECEIVING) {
        return;
    }
    if (stream->body.size + bytes.size > server->options.request_bytes_max) {
        http2_stream_refuse(stream, 413, server->too_large);
    } else {
        (void)append_request(stream, &stream->body, bytes);
    }
}

void http2_stream_make_request(const struct http2_stream *stream, struct http_header *headers,
                               struct http_request *request_out) {
    struct http_request request = {
        .headers = headers,
        .peer = loop_conn_identity(stream->conn->conn),
        .is_http_2 = true,
    };
    struct slice head = slice_of(stream->head.data, stream->head.size);
    for (uint32_t i = 0; i < stream->fields_count; i++) {
        struct slice name = slice_head(head, stream->fields[i].name_size);
        head = slice_tail(head, name.size);
        struct slice value = slice_head(head, stream->fields[i].value_size);
        head = slice_tail(head, value.size);
        if (slice_equals(name, SLICE(":method"))) {
            request.method = value;
        } else if (slice_equals(name, SLICE(":path"))) {
            size_t question = slice_find_byte(value, '?');
            request.path = slice_head(value, question);
            request.query = slice_tail(value, question + 1);
        } else {
            bool is_host = slice_equals(name, SLICE(":authority"));
            headers[request.headers_count++] =
                (struct http_header){is_host ? SLICE("host") : name, value};
        }
    }
    request.is_head = slice_equals(request.method, SLICE("HEAD"));
    request.body = slice_of(stream->body.data, stream->body.size);
    *request_out = request;
}

/* --- The answer --- */

static bool keep(const struct http_answer *answer, struct http2_bytes *body, char **trailers_out) {
    uint64_t unbounded = 0; /* the handler bounds its answers */
    char *trailers = answer->trailers == NULL ? NULL : strdup(answer->trailers);
    if ((answer->trailers != NULL && trailers == NULL) ||
        !append(body, answer->body, &unbounded, UINT64_MAX)) {
        free(trailers);
        return false;
    }
    *trailers_out = trailers;
    return true;
}

bool http2_stream_keep_answer(struct http2_stream *stream, const struct http_answer *answer) {
    struct http2_bytes body = {0};
    char *trailers = NULL;
    if (!keep(answer, &body, &trailers)) {
        return false;
    }
    http2_stream_drop_request(stream);
    stream->state = STREAM_ANSWERING;
    stream->body = body;
    stream->trailers = trailers;
    stream->is_unfinished = answer->is_unfinished;
    stream->began_ns = http2_now_ns(stream->conn);
    return true;
}

bool http2_stream_keep_more(struct http2_stream *stream, const struct http_answer *answer) {
    ASSERT(stream->state == STREAM_ANSWERING && stream->is_unfinished && stream->trailers == NULL);
    if (!http2_stream_has_unsent(stream)) {
        stream->body.size = 0;
        stream->answer_sent = 0;
        stream->began_ns = http2_now_ns(stream->conn);
    }
    if (!keep(answer, &stream->body, &stream->trailers)) {
        return false;
    }
    stream->is_unfinished = answer->is_unfinished;
    return true;
}

bool http2_stream_has_unsent(const struct http2_stream *stream) {
    return stream->state == STREAM_ANSWERING &&
           (!stream->is_unfinished || stream->answer_sent < stream->body.size);
}
