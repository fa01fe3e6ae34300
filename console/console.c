/* console.c - the thread: loop, server, pools, life. See console.h. */
#include "console/console_internal.h"

#include <stdlib.h>

#include "core/base/assert.h"

#define ANSWER_BYTES_MAX (256 * MIB) /* address space */

struct status console_open(const struct console_options *options, struct console **console_out,
                           struct fault *fault) {
    struct console *console = calloc(1, sizeof(*console));
    if (console == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for the console");
    }
    console->options = *options;
    console->config = options->config;
    config_acquire(console->config);
    atomic_store(&console->next_view, options->view);
    struct status status = arena_init(&console->text_arena, ANSWER_BYTES_MAX);
    if (status_is_ok(status)) {
        status = arena_init(&console->arena, ACTIONS_MAX * ACTION_BATCH_BYTES + 4096);
    }
    if (!status_is_ok(status)) {
        console_close(console);
        return fault_set(fault, status.code, "no memory for the console");
    }
    for (uint32_t i = 0; i < ACTIONS_MAX; i++) {
        void *memory = arena_allocate(&console->arena, ACTION_BATCH_BYTES, 64);
        ASSERT(memory != NULL);
        batch_init(&console->actions[i].batch, memory, ACTION_BATCH_BYTES);
        console->actions[i].next = console->free_actions;
        console->free_actions = &console->actions[i];
    }
    *console_out = console;
    return status_ok();
}

/* New connections see the new certificate; whether the listener speaks TLS stays as it was. */
static void renew_tls(struct console *console) {
    struct tls_server *tls = NULL;
    struct fault fault = {{0}};
    if (console->tls == NULL || !console->config->tls.is_on) {
        return;
    }
    if (!status_is_ok(tls_server_open(&console->config->tls.options, &tls, &fault))) {
        log_write(console->options.logger, LOG_LEVEL_ERROR, "console",
                  "the new certificate is not used: %s", fault.words);
        return;
    }
    loop_replace_tls(console->loop, tls);
    tls_server_release(console->tls);
    console->tls = tls;
}

static struct status take_view(struct console *console, struct fault *fault) {
    struct view *view = atomic_exchange(&console->next_view, NULL);
    if (view != NULL && !status_is_ok(view_reader_acquire(view, &console->reader))) {
        return fault_set(fault, STATUS_FULL, "no memory for the console's reader");
    }
    return status_ok();
}

static void on_wake(void *context) {
    struct console *console = context;
    struct fault fault;
    if (!status_is_ok(take_view(console, &fault))) {
        log_write(console->options.logger, LOG_LEVEL_ERROR, "console", "%s", fault.words);
    }
    struct config *config = atomic_exchange(&console->next_config, NULL);
    if (config != NULL) {
        config_release(console->config);
        console->config = config;
        renew_tls(console);
    }
    actions_take_back(console);
}

static const struct http_handler handler = {
    .on_request = console_on_request,
    .on_error = console_on_error,
};

static struct status open_on_thread(struct console *console, uint16_t *port_out,
                                    struct fault *fault) {
    const struct config *config = console->config;
    struct loop_options loop_options = {.backend = config->io, .connections_max = CONNECTIONS_MAX};
    TRY(loop_open(&loop_options, &console->loop, fault));
    TRY(loop_waker_open(console->loop, on_wake, console, &console->waker));
    atomic_store(&console->options.gate->source_waker, console->waker);
    refusals_init(&console->refusals, "console", console->options.gate, console->loop);
    TRY(take_view(console, fault));
    if (config->tls.is_on && config->tls.console) {
        TRY(tls_server_open(&config->tls.options, &console->tls, fault));
    }
    struct http_options http_options = {
        .loop = console->loop,
        .address = config->listen_console,
        .connections_max = CONNECTIONS_MAX,
        .request_bytes_max = MIB,
        .request_limit_name = "what the console takes",
        .body_bytes_total_max = 64 * MIB,
        .header_timeout_ns = config->header_timeout_ns,
        .body_timeout_ns = config->body_timeout_ns,
        .idle_timeout_ns = config->idle_timeout_ns,
        .send_timeout_ns = config->send_timeout_ns,
        .handler = &handler,
        .context = console,
        .tls = console->tls,
    };
    return http_server_open(&http_options, &console->server, port_out, fault);
}

static bool is_drained(const struct console *console, uint64_t drain_until_ns) {
    bool is_idle = console->actions_out == 0 && !console->refusals.is_out &&
                   http_server_busy_count(console->server) == 0;
    return drain_until_ns != 0 && (is_idle || loop_now_ns(console->loop) >= drain_until_ns);
}

static struct status run_loop(struct console *console) {
    struct status status = status_ok();
    uint64_t drain_until_ns = 0;
    while (status_is_ok(status)) {
        status = loop_run_once(console->loop, NS_PER_S);
        actions_take_back(console);
        if (atomic_load(&console->is_stopping) && drain_until_ns == 0) {
            drain_until_ns = loop_now_ns(console->loop) + DRAIN_NS_MAX;
            http_server_drain(console->server);
            refusals_flush(&console->refusals);
        }
        if (is_drained(console, drain_until_ns)) {
            return status_ok();
        }
    }
    return status;
}

struct status console_run(struct console *console,
                          void (*on_listening)(void *context, uint16_t port,
                                               const struct fault *fault),
                          void *context) {
    struct fault fault = {{0}};
    uint16_t port = 0;
    struct status status = open_on_thread(console, &port, &fault);
    if (on_listening != NULL) {
        on_listening(context, status_is_ok(status) ? port : 0, &fault);
    }
    if (status_is_ok(status)) {
        status = run_loop(console);
    }
    if (console->reader != NULL) {
        view_reader_release(console->reader);
        console->reader = NULL;
    }
    return status;
}

static void wake(struct console *console) {
    struct loop_waker *waker = atomic_load(&console->options.gate->source_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void console_stop(struct console *console) {
    atomic_store(&console->is_stopping, true);
    wake(console);
}

void console_serve(struct console *console, struct view *view) {
    atomic_store(&console->next_view, view);
    wake(console);
}

void console_reconfigure(struct console *console, struct config *config) {
    config_acquire(config);
    config_release(atomic_exchange(&console->next_config, config));
    wake(console);
}

void console_close(struct console *console) {
    if (console == NULL) {
        return;
    }
    http_server_close(console->server);
    loop_close(console->loop);
    tls_server_release(console->tls);
    arena_deinit(&console->arena);
    arena_deinit(&console->text_arena);
    config_release(atomic_exchange(&console->next_config, NULL));
    config_release(console->config);
    free(console);
}
