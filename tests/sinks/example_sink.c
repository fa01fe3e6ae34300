/*
 * example_sink.c - a sink as a stranger writes it, as a shared object: appends a line a message to
 * a file, `path`. Copy it to begin your own; a sink over HTTP fills build_request and read_response
 * instead of deliver (sinks/webhook.c).
 *
 *   cc -shared -fPIC -I <quell's sources> -o example_sink.so example_sink.c
 *   [sink.mine]
 *   type = "/usr/local/lib/quell/example_sink.so"
 *   path = "/var/log/incidents"
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sinks/sink.h"

struct example_state {
    char path[1024];
};

static const char *const setting_names[] = {"path", NULL};

static struct status example_open(const struct config_sink *config, struct arena *arena,
                                  void **state_out, struct fault *fault) {
    struct example_state *state = ARENA_NEW(arena, struct example_state);
    struct slice path = sink_setting_find(config, "path");
    if (state == NULL || path.size == 0 || path.size >= sizeof(state->path)) {
        return fault_set(fault, STATUS_INVALID, "path = \"/var/log/incidents\" is missing");
    }
    memcpy(state->path, path.data, path.size);
    *state_out = state;
    return status_ok();
}

static enum sink_verdict example_deliver(void *context, const struct sink_delivery *delivery,
                                         struct fault *fault) {
    const struct example_state *state = context;
    char memory[512];
    struct text line = text_over(memory, sizeof(memory));
    text_add(&line, outbox_type_word(delivery->message.type));
    text_add_text(&line, " inc_");
    text_add_base32(&line, delivery->message.incident_id);
    text_add_text(&line, " ");
    text_add_printable(&line, delivery->message.tenant);
    text_add_char(&line, '\n');
    int fd = open(state->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, line.data, line.size) == (ssize_t)line.size;
    if (!is_written) {
        (void)!status_is_ok(fault_set(fault, STATUS_IO, "cannot write: %s", strerror(errno)));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_written ? SINK_DELIVERED : SINK_RETRY;
}

static const struct sink_type example_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "example",
    .setting_names = setting_names,
    .open = example_open,
    .deliver = example_deliver,
};

__attribute__((visibility("default"))) const struct sink_type *quell_sink_type(void);

const struct sink_type *quell_sink_type(void) {
    return &example_type;
}
