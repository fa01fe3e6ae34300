/*
 * ingest.c - the thread of a source: loop, server, pools, life. See ingest.h.
 */
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/ingest_internal.h"

#define DECODE_ARENA_BYTES (512 * MIB) /* address space; a request's strings and scratch */

static struct status make_batches(struct ingest *ingest, struct batch *batches, uint32_t count,
                                  size_t bytes, struct batch **list) {
    for (uint32_t i = 0; i < count; i++) {
        void *memory = arena_allocate(&ingest->arena, bytes, 64);
        if (memory == NULL) {
            return status_of(STATUS_FULL);
        }
        batch_init(&batches[i], memory, bytes);
        batches[i].next = *list;
        *list = &batches[i];
    }
    return status_ok();
}

static struct status make_pools(struct ingest *ingest) {
    size_t bytes = BATCHES_SMALL * (size_t)BATCH_SMALL_BYTES +
                   BATCHES_LARGE * (size_t)BATCH_BYTES_MAX + REQUESTS_MAX * sizeof(struct pending) +
                   LATE_MAX * sizeof(struct late_answer) + MIB;
    TRY(arena_init(&ingest->arena, bytes));
    TRY(arena_init(&ingest->decode_arena, DECODE_ARENA_BYTES));
    TRY(arena_init(&ingest->rates_arena, RATES_ARENA_BYTES));
    TRY(rates_init(&ingest->rates, &ingest->rates_arena));
    TRY(late_init(&ingest->late, &ingest->arena, ingest_answer_late));
    TRY(make_batches(ingest, ingest->small, BATCHES_SMALL, BATCH_SMALL_BYTES, &ingest->free_small));
    TRY(make_batches(ingest, ingest->large, BATCHES_LARGE, BATCH_BYTES_MAX, &ingest->free_large));
    ingest->pending_items = ARENA_ARRAY(&ingest->arena, struct pending, REQUESTS_MAX);
    if (ingest->pending_items == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = 0; i < REQUESTS_MAX; i++) {
        ingest->pending_items[i].next = ingest->free_pending;
        ingest->free_pending = &ingest->pending_items[i];
    }
    return status_ok();
}

struct status ingest_open(const struct ingest_options *options, struct ingest **ingest_out,
                          struct fault *fault) {
    ASSERT(options->gates_count == 1 && options->is_ready != NULL);
    struct ingest *ingest = calloc(1, sizeof(*ingest));
    if (ingest == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for ingest");
    }
    ingest->options = *options;
    ingest->config = options->config;
    ingest->started_ns = clock_wall_ns();
    config_acquire(ingest->config);
    struct status status = make_pools(ingest);
    if (!status_is_ok(status)) {
        ingest_close(ingest);
        return fault_set(fault, status.code, "no memory for ingest");
    }
    *ingest_out = ingest;
    return status_ok();
}

static struct status open_tls(const struct ingest *ingest, struct tls_server **tls_out,
                              struct fault *fault) {
    struct tls_options options = ingest->config->tls.options;
    options.takes_http_2 = true;
    return tls_server_open(&options, tls_out, fault);
}

/* What listens in plain text or with TLS goes on so until a restart; the certificate is new. */
static void renew_tls(struct ingest *ingest) {
    struct tls_server *tls = NULL;
    struct fault fault = {{0}};
    if (ingest->tls == NULL || !ingest->config->tls.is_on) {
        return;
    }
    if (!status_is_ok(open_tls(ingest, &tls, &fault))) {
        log_write(ingest->options.logger, LOG_LEVEL_ERROR, "ingest",
                  "the new certificate is not used: %s", fault.words);
        return;
    }
    loop_replace_tls(ingest->loop, tls);
    tls_server_release(ingest->tls);
    ingest->tls = tls;
}

static void on_wake(void *context) {
    struct ingest *ingest = context;
    struct config *config = atomic_exchange(&ingest->next_config, NULL);
    if (config != NULL) {
        config_release(ingest->config);
        ingest->config = config;
        renew_tls(ingest);
    }
    ingest_take_back(ingest);
}

static const struct http_handler handler = {
    .may_begin = ingest_may_begin,
    .on_request = ingest_on_request,
    .on_error = ingest_on_error,
    .on_refused = ingest_on_refused,
};

/* Nobody asked for the usual port, so it stops nobody when another has it: a second quell, or a
 * collector. */
static struct status listen_for_grpc(struct ingest *ingest, struct fault *fault) {
    const struct config *config = ingest->config;
    struct tls_server *tls = config->tls.grpc ? ingest->tls : NULL;
    uint16_t port = 0;
    if (config->listen_grpc.size == 0) {
        return status_ok();
    }
    struct status status =
        http_server_listen(ingest->server, config->listen_grpc, tls, &port, fault);
    if (status_is_ok(status)) {
        log_write(ingest->options.logger, LOG_LEVEL_INFO, "ingest", "listening for gRPC on port %u",
                  port);
        return status;
    }
    if (config->listen_grpc_is_given) {
        return status;
    }
    log_write(ingest->options.logger, LOG_LEVEL_WARNING, "ingest",
              "no port of its own for gRPC, which listen.http takes too: %s", fault->words);
    return status_ok();
}

static struct status open_on_thread(struct ingest *ingest, uint16_t *port_out,
                                    struct fault *fault) {
    const struct config *config = ingest->config;
    struct loop_options loop_options = {
        .backend = config->io,
        .connections_max = ingest->options.connections_max,
        .stats = ingest->options.stats,
    };
    TRY(loop_open(&loop_options, &ingest->loop, fault));
    TRY(loop_waker_open(ingest->loop, on_wake, ingest, &ingest->waker));
    atomic_store(&ingest->options.gates[0]->source_waker, ingest->waker);
    shapes_init(&ingest->shapes);
    shapes_init(&ingest->native_shapes);
    refusals_init(&ingest->refusals, "ingest", ingest->options.gates[0], ingest->loop);
    if (config->tls.is_on) {
        TRY(open_tls(ingest, &ingest->tls, fault));
    }
    struct http_options http_options = {
        .loop = ingest->loop,
        .address = config->listen_http,
        .share = ingest->options.share_port,
        .connections_max = ingest->options.connections_max,
        .request_bytes_max = config->request_bytes_max,
        /* A body of all that it may have, and its head, still fit. */
        .body_bytes_total_max = config->buffered_bytes_max + 2 * HTTP_HEADER_BYTES_MAX,
        .header_timeout_ns = config->header_timeout_ns,
        .slow_head_status = 503, /* it may be an exporter, who drops what is answered 408 */
        .body_timeout_ns = config->body_timeout_ns,
        .idle_timeout_ns = config->idle_timeout_ns,
        .send_timeout_ns = config->send_timeout_ns,
        .handler = &handler,
        .context = ingest,
        .tls = config->tls.http ? ingest->tls : NULL,
        .stats = ingest->options.stats,
        .takes_http_2 = true,
    };
    TRY(http_server_open(&http_options, &ingest->server, port_out, fault));
    TRY(listen_for_grpc(ingest, fault));
    stats_set(ingest->options.stats, STAT_IO_URING,
              loop_get_backend(ingest->loop) == LOOP_IO_URING ? 1 : 0);
    log_write(ingest->options.logger, LOG_LEVEL_INFO, "ingest", "listening on port %u with %s",
              *port_out, loop_get_backend(ingest->loop) == LOOP_IO_URING ? "io_uring" : "epoll");
    return status_ok();
}

/* Answers have left, and their connections have seen our FIN through: who is cut off before that
 * may lose what was sent. */
static bool is_drained(const struct ingest *ingest) {
    return ingest->pending_count == 0 && !ingest->refusals.is_out &&
           http_server_busy_count(ingest->server) == 0 && loop_connections_count(ingest->loop) == 0;
}

/* What waited for this turn comes before what comes now; who had his turn waits for the next. */
static struct status take_turn(struct ingest *ingest) {
    turns_begin_next(&ingest->turns);
    http_server_resume(ingest->server);
    return loop_run_once(ingest->loop, http_server_has_put_back(ingest->server) ? 0 : NS_PER_S);
}

struct status ingest_run(struct ingest *ingest,
                         void (*on_listening)(void *context, uint16_t port,
                                              const struct fault *fault),
                         void *context) {
    struct fault fault = {{0}};
    uint16_t port = 0;
    struct status status = open_on_thread(ingest, &port, &fault);
    if (on_listening != NULL) {
        on_listening(context, status_is_ok(status) ? port : 0, &fault);
    }
    TRY(status);
    bool is_draining = false;
    while (status_is_ok(status)) {
        status = take_turn(ingest);
        ingest_take_back(ingest);
        health_tell(&ingest->health, atomic_load(ingest->options.is_ready));
        if (atomic_load(&ingest->is_stopping) && !is_draining) {
            is_draining = true;
            health_end(&ingest->health);
            http_server_drain(ingest->server);
            refusals_flush(&ingest->refusals);
            late_flush(&ingest->late, ingest->loop);
        }
        if (is_draining && is_drained(ingest)) {
            return status_ok();
        }
    }
    return status;
}

static void wake(struct ingest *ingest) {
    struct loop_waker *waker = atomic_load(&ingest->options.gates[0]->source_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void ingest_stop(struct ingest *ingest) {
    atomic_store(&ingest->is_stopping, true);
    wake(ingest);
}

void ingest_reconfigure(struct ingest *ingest, struct config *config) {
    config_acquire(config);
    config_release(atomic_exchange(&ingest->next_config, config));
    wake(ingest);
}

void ingest_close(struct ingest *ingest) {
    if (ingest == NULL) {
        return;
    }
    http_server_close(ingest->server);
    loop_close(ingest->loop);
    tls_server_release(ingest->tls);
    inflate_buffer_deinit(&ingest->inflated);
    arena_deinit(&ingest->arena);
    arena_deinit(&ingest->decode_arena);
    arena_deinit(&ingest->rates_arena);
    config_release(atomic_exchange(&ingest->next_config, NULL));
    config_release(ingest->config);
    free(ingest);
}
