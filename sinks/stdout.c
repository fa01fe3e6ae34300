/*
 * stdout.c - the smallest sink, and a good one to copy: settings, state, deliver.
 *
 * Readable form: time, what happened, severity, title, since when, id. What comes from events is
 * stripped of control characters, so that nothing an event says can move a terminal's cursor.
 */
#include "sinks/stdout.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/clock.h"

enum { LINE_BYTES_MAX = 2048 };

struct stdout_state {
    int fd;
    bool as_json;
};

static const char *const setting_names[] = {"format", NULL};

static bool write_all(int fd, struct slice bytes) {
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes = slice_tail(bytes, (size_t)written);
    }
    return true;
}

static void add_words(struct text *line, const struct outbox_message *message) {
    char title[512];
    char severity[32];
    char id[64];
    struct text title_text = text_over(title, sizeof(title));
    struct text severity_text = text_over(severity, sizeof(severity));
    struct text id_text = text_over(id, sizeof(id));
    json_pick_text(message->payload, "title", &title_text);
    json_pick_text(message->payload, "severity", &severity_text);
    json_pick_text(message->payload, "id", &id_text);
    text_add_time(line, clock_wall_ns(), 0);
    text_add_format(line, "  %-8s %-8s [", (const char *)outbox_type_word(message->type).data,
                    severity);
    text_add_printable(line, message->tenant);
    text_add_text(line, "] ");
    text_add_printable(line, text_slice(&title_text));
    text_add_text(line, "  ");
    text_add_printable(line, text_slice(&id_text));
    text_add_char(line, '\n');
}

enum sink_verdict stdout_write_message(int fd, bool as_json, const struct outbox_message *message,
                                       struct fault *fault) {
    bool is_written = false;
    if (as_json) {
        is_written = write_all(fd, message->payload) && write_all(fd, SLICE("\n"));
    } else {
        char memory[LINE_BYTES_MAX];
        struct text line = text_over(memory, sizeof(memory));
        add_words(&line, message);
        is_written = write_all(fd, text_slice(&line));
    }
    if (!is_written) {
        (void)!status_is_ok(
            fault_set(fault, STATUS_IO, "cannot write to stdout: %s", strerror(errno)));
        return SINK_RETRY;
    }
    return SINK_DELIVERED;
}

static struct status stdout_open(const struct config_sink *config, struct arena *arena,
                                 void **state_out, struct fault *fault) {
    struct stdout_state *state = ARENA_NEW(arena, struct stdout_state);
    struct slice format = sink_setting_find(config, "format");
    if (state == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    if (format.size > 0 && !slice_equals(format, SLICE("json")) &&
        !slice_equals(format, SLICE("text"))) {
        return fault_set(fault, STATUS_INVALID, "format is \"text\" or \"json\"");
    }
    state->fd = STDOUT_FILENO;
    state->as_json = slice_equals(format, SLICE("json"));
    *state_out = state;
    return status_ok();
}

static enum sink_verdict stdout_deliver(void *context, const struct sink_delivery *delivery,
                                        struct fault *fault) {
    const struct stdout_state *state = context;
    ASSERT(state != NULL);
    return stdout_write_message(state->fd, state->as_json, &delivery->message, fault);
}

const struct sink_type sink_stdout_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "stdout",
    .setting_names = setting_names,
    .open = stdout_open,
    .deliver = stdout_deliver,
};
