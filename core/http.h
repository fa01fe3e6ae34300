/*
 * http.h - a strict HTTP/1.1 server over core/loop.h, for ingest and console; with HTTP/2 beside it
 * (http2.h) where it is asked for.
 *
 * A request is given to the handler whole, its body in memory; it is answered now or later (ingest
 * answers when the journal is durable). A connection's requests are taken one after the other, so
 * answers leave in order; what is pipelined behind waits in the connection's buffer, and above
 * PIPELINED_BYTES the connection is not read (TCP pushes back).
 *
 * A handler that is asked for more than its share of a turn puts a request back (http_put_back): it
 * stays where it is, and comes again by http_server_resume. Of a connection whose requests are that
 * owner's the next one is not even received until then (may_begin): it is dealt with as soon as it
 * is, with its bytes in the processor's cache.
 *
 * Strict: whatever two parsers might read in two ways is 400 and the connection closes (RFC 9112):
 * both length headers, differing or odd lengths, bad chunk sizes, obs-fold, bare CR or LF, blanks
 * before a colon, a missing or doubled Host.
 *
 * Bounds: line, head, body, time to send a head and a body, connections, and all bodies together.
 * Thread: the loop's.
 */
#pragma once

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/loop.h"

struct http_server;

struct http_header {
    struct slice name;
    struct slice value;
};

struct http_request {
    struct slice method;
    struct slice path;  /* without the query, as sent */
    struct slice query; /* behind '?', empty when there is none */
    const struct http_header *headers;
    uint32_t headers_count;
    struct slice body;
    const struct tls_peer *peer; /* whose certificate was shown; NULL: nobody's */
    bool is_head;                /* HEAD: the answer's body is not sent */
    bool is_http_2;              /* its answer may have trailers */
};

/* The header's value, trimmed; empty when it is not there. The first one counts. */
struct slice http_header_find(const struct http_request *request, const char *name);
/* Whether the request bears a token ("Authorization: Bearer ..."); then which. */
bool http_bearer_find(const struct http_request *request, struct slice *token_out);
/* A query parameter, percent-decoded into memory of the caller; the first one counts. False when it
 * is not there, does not fit, or is badly encoded: http_query_has tells the first from the others.
 */
bool http_query_has(struct slice query, const char *name);
/* How often it is given. */
uint32_t http_query_count(struct slice query, const char *name);
bool http_query_find(struct slice query, const char *name, char *value_out, size_t capacity,
                     size_t *size_out);

struct http_answer {
    unsigned status;
    const char *content_type; /* NULL: no body */
    const char *headers;      /* complete lines, each ended by CR LF, or NULL */
    struct slice body;        /* copied */
    const char *trailers;     /* as headers, sent behind the body; HTTP/2 only */
    bool is_bare;             /* without Content-Length; HTTP/2 only */
    /* More of the body follows by the same exchange, until an answer that is not so; what comes
     * behind the first has a body and trailers only. HTTP/2 only. */
    bool is_unfinished;
};

/* Names one request that waits for its answer; stays harmless when the client is gone. */
struct http_exchange {
    void (*answer)(struct http_exchange exchange, const struct http_answer *answer);
    bool (*is_waiting)(struct http_exchange exchange);
    void (*put_back)(struct http_exchange exchange);
    void *server; /* of HTTP/1.1 or HTTP/2 */
    uint32_t index;
    uint32_t generation;
};

struct http_handler {
    /* NULL: always. Whether another request of this owner may be received; else it is put back
     * before it is. HTTP/1.1 only. */
    bool (*may_begin)(void *context, struct hash128 owner);
    /* The request lives only during the call; its answer may come later. */
    void (*on_request)(void *context, struct http_exchange exchange,
                       const struct http_request *request);
    /* The body and content type of an error that the server itself answers with. */
    void (*on_error)(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out);
    /* A request that the server refuses once its head is known (too large, too slow) is answered by
     * the handler, during the call; it comes without its body. NULL: by on_error, and no HTTP/2. */
    void (*on_refused)(void *context, struct http_exchange exchange,
                       const struct http_request *request, unsigned status, const char *words);
};

struct http_options {
    struct loop *loop;
    struct slice address;
    bool share;
    uint32_t connections_max; /* as the loop's */
    uint64_t request_bytes_max;
    const char *request_limit_name; /* in refusals; NULL: max_request_bytes */
    uint64_t body_bytes_total_max;  /* all requests being received together; beyond: 503 */
    uint64_t header_timeout_ns;
    unsigned slow_head_status; /* who takes longer is answered so, unknown as he is; 0: 408 */
    uint64_t body_timeout_ns;  /* plus the time the length takes at 64 KiB/s */
    uint64_t idle_timeout_ns;
    uint64_t send_timeout_ns; /* 0: 30 s; for one answer to be taken by the client's side */
    uint64_t drain_grace_ns;  /* 0: HTTP_DRAIN_GRACE_NS */
    const struct http_handler *handler;
    void *context;
    struct tls_server *tls; /* NULL: plain; the server takes its own reference */
    struct stats *stats;    /* may be NULL */
    bool takes_http_2;      /* too, by prior knowledge: a connection that begins with its preface */
};

enum { HTTP_LIMIT_WORDS_BYTES_MAX = 128 };
/* "the body is larger than max_request_bytes (67108864 bytes)", with `tail` behind it. */
void http_limit_words(const char *limit_name, uint64_t bytes_max, const char *tail,
                      char words_out[HTTP_LIMIT_WORDS_BYTES_MAX]);

/* Listens. port_out may be NULL. IO with words when the address cannot be had. */
MUST_CHECK struct status http_server_open(const struct http_options *options,
                                          struct http_server **server_out, uint16_t *port_out,
                                          struct fault *fault);
/* Listens on one more address; tls as in the options. */
MUST_CHECK struct status http_server_listen(struct http_server *server, struct slice address,
                                            struct tls_server *tls, uint16_t *port_out,
                                            struct fault *fault);
/* Stops listening; connections close after the request they are at. One that is not received by the
 * end of the grace is answered 503. */
void http_server_drain(struct http_server *server);
/* Requests given to the handler and not yet answered and sent. */
uint32_t http_server_busy_count(const struct http_server *server);
/* Hands over what was put back, oldest first, until nothing is left or one is put back again. */
void http_server_resume(struct http_server *server);
bool http_server_has_put_back(const struct http_server *server);
/* After the loop's connections are gone or will be closed with it. NULL is allowed. */
void http_server_close(struct http_server *server);

/* Answers. Later calls for the same exchange, or after the client left, do nothing. */
static inline void http_answer(struct http_exchange exchange, const struct http_answer *answer) {
    exchange.answer(exchange, answer);
}
/* During on_request, instead of an answer: http_server_resume gives the handler the same request
 * and exchange again. */
static inline void http_put_back(struct http_exchange exchange) {
    exchange.put_back(exchange);
}
/* During on_request: whose it is. The connection's next one is taken for his until it is received:
 * may_begin is asked. */
void http_name_owner(struct http_exchange exchange, struct hash128 owner);
/* Whether the client is still there for an answer, or for more of one. */
static inline bool http_is_waiting(struct http_exchange exchange) {
    return exchange.is_waiting(exchange);
}
void http_respond(struct http_exchange exchange, unsigned status, const char *content_type,
                  const char *headers, struct slice body);
/* The reason phrase. */
const char *http_status_words(unsigned status);
