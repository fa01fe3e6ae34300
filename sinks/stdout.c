/*
 * stdout.c - the smallest sink, and a good one to read first: settings, state, start.
 *
 * Readable form: time, what happened, severity, tenant, title, id, who has acknowledged it, or
 * resolved it and the note; "merged", and the id it goes on under, where that is its end. What
 * comes from events is stripped of control characters, so that nothing an event says can move a
 * terminal's cursor.
 *
 * Who reads our stdout may rest for any time (a pipe into a pager, a terminal that is held).
 * O_NONBLOCK is no way out: it would hold for all that share the open file, such as the shell. So
 * room is asked for before each write, and when there is none the loop tells of it:
 *
 * 1. No write is more than PIPE_BUF bytes: a pipe that poll(2) calls writable takes that many
 *    without waiting, and all at once.
 * 2. A terminal promises nothing of the kind, and is opened anew (core/terminal.h). Where it is
 *    called writable and takes nothing all the same, the attempt has failed: to ask again at once
 *    would go round without end.
 * 3. A line that began is finished before another begins, whatever becomes of its message and of
 *    its sink: all sinks of the type share one struct stdout_line.
 */
#include "sinks/stdout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/clock.h"
#include "core/loop.h"
#include "core/terminal.h"

enum { TEXT_BYTES_MAX = 2048 };

struct stdout_state {
    struct stdout_line *line; /* shared */
    bool as_json;
    bool has_format;  /* in the config */
    int watched_fd;   /* a duplicate, since a descriptor is watched for one; -1: none */
    uint64_t written; /* the last message whose line is out; 0: none */
    /* The attempt. */
    const struct sink_delivery *delivery;
    struct sink_watcher *watcher;
};

static const char *const setting_names[] = {"format", NULL};

/* --- The line --- */

void stdout_line_init(struct stdout_line *line, int fd) {
    *line = (struct stdout_line){.fd = terminal_open(fd), .given_fd = fd};
}

void stdout_line_deinit(struct stdout_line *line) {
    terminal_close(line->fd, line->given_fd);
    free(line->bytes);
    *line = (struct stdout_line){0};
}

/* Errors count as room: write(2) gives them their names. */
static bool has_room(int fd) {
    struct pollfd ask = {.fd = fd, .events = POLLOUT};
    return poll(&ask, 1, 0) == 1;
}

static void drop(struct stdout_line *line) {
    line->size = 0;
    line->done = 0;
    line->writer = NULL;
}

static struct status flush(struct stdout_line *line) {
    while (line->done < line->size) {
        size_t rest = line->size - line->done;
        if (!has_room(line->fd)) {
            return status_of(STATUS_FULL);
        }
        ssize_t written =
            write(line->fd, line->bytes + line->done, rest < PIPE_BUF ? rest : PIPE_BUF);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno == EPIPE) {
            drop(line); /* who reads next has not seen how it begins */
        }
        if (written <= 0) {
            return status_of(STATUS_IO);
        }
        line->done += (size_t)written;
    }
    if (line->writer != NULL) {
        line->writer->written = line->number;
    }
    drop(line);
    return status_ok();
}

static struct status begin_line(struct stdout_line *line, struct slice words) {
    ASSERT(line->size == 0 && line->done == 0);
    if (words.size + 1 > line->capacity) {
        char *larger = realloc(line->bytes, words.size + 1);
        if (larger == NULL) {
            errno = ENOMEM;
            return status_of(STATUS_IO);
        }
        line->bytes = larger;
        line->capacity = words.size + 1;
    }
    memcpy(line->bytes, words.data, words.size);
    line->bytes[words.size] = '\n';
    line->size = words.size + 1;
    return status_ok();
}

/* " resolved by anna: restarted it"; nothing for what no person did. */
static void add_person(struct text *line, const char *what, struct slice name, struct slice note) {
    if (name.size == 0 && note.size == 0) {
        return;
    }
    text_add_text(line, what);
    text_add_printable(line, name.size > 0 ? name : SLICE("somebody"));
    text_add_text(line, note.size > 0 ? ": " : "");
    text_add_printable(line, note);
}

static void add_words(struct text *line, const struct outbox_message *message) {
    char title[512];
    char severity[32];
    char id[64];
    char survivor[64];
    char holder[4 * LABEL_BYTES_MAX];
    char note[4 * REASON_BYTES_MAX];
    struct text title_text = text_over(title, sizeof(title));
    struct text severity_text = text_over(severity, sizeof(severity));
    struct text id_text = text_over(id, sizeof(id));
    struct text survivor_text = text_over(survivor, sizeof(survivor));
    struct text holder_text = text_over(holder, sizeof(holder));
    struct text note_text = text_over(note, sizeof(note));
    struct slice labels = json_pick(message->payload, "labels");
    json_pick_text(message->payload, "title", &title_text);
    json_pick_text(message->payload, "severity", &severity_text);
    json_pick_text(message->payload, "id", &id_text);
    json_pick_text(labels, "merged_into", &survivor_text);
    bool is_end = message->type == OUTBOX_RESOLVED;
    json_pick_text(labels, is_end ? "resolved_by" : "acknowledged_by", &holder_text);
    json_pick_text(labels, "resolved_note", &note_text);
    /* It goes on as another, which may fail still: that end is none. */
    bool is_merged = is_end && survivor_text.size > 0;
    const uint8_t *what = is_merged ? SLICE("merged").data : outbox_type_word(message->type).data;
    text_add_time(line, clock_wall_ns(), 0);
    text_add_format(line, "  %-8s %-8s [", (const char *)what, severity);
    text_add_printable(line, message->tenant);
    text_add_text(line, "] ");
    text_add_printable(line, text_slice(&title_text));
    text_add_text(line, "  ");
    text_add_printable(line, text_slice(&id_text));
    if (message->type == OUTBOX_UPDATED && message->is_repeat) {
        text_add_text(line, " still open");
    } else if (!is_end && json_pick(labels, "reopened_at").size > 0) {
        text_add_text(line, " reopened");
    }
    if (is_merged) {
        text_add_text(line, " into ");
        text_add_printable(line, text_slice(&survivor_text));
    } else {
        add_person(line, is_end ? " resolved by " : " acknowledged by ", text_slice(&holder_text),
                   text_slice(&note_text));
    }
}

/* FULL: no room now. IO: errno says why. */
static struct status write_message(struct stdout_state *state,
                                   const struct outbox_message *message) {
    struct stdout_line *line = state->line;
    char memory[TEXT_BYTES_MAX];
    struct text text = text_over(memory, sizeof(memory));
    TRY(flush(line));
    if (state->written == message->number) {
        return status_ok(); /* it began before, and whoever found room has finished it */
    }
    if (!state->as_json) {
        add_words(&text, message);
    }
    TRY(begin_line(line, state->as_json ? message->payload : text_slice(&text)));
    line->number = message->number;
    line->writer = state;
    struct status status = flush(line);
    if (!status_is_ok(status) && line->done == 0) {
        drop(line); /* nothing of it is out: by the next time it may be old */
    }
    return status;
}

/* --- The sink --- */

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
    state->watched_fd = -1;
    state->has_format = format.size > 0;
    state->as_json = slice_equals(format, SLICE("json"));
    *state_out = state;
    return status_ok();
}

void stdout_share_line(void *context, struct stdout_line *line, bool as_json) {
    struct stdout_state *state = context;
    state->line = line;
    state->as_json = state->has_format ? state->as_json : as_json;
}

static void stop_waiting(struct stdout_state *state) {
    if (state->watched_fd >= 0) {
        (void)!status_is_ok(
            state->watcher->watch(state->watcher, state->watched_fd, 0, NULL, NULL));
        (void)close(state->watched_fd);
        state->watched_fd = -1;
    }
}

static void go_on(void *context);

static bool wait_for_room(struct stdout_state *state) {
    if (state->watched_fd < 0) {
        state->watched_fd = fcntl(state->line->fd, F_DUPFD_CLOEXEC, 3);
    }
    return state->watched_fd >= 0 &&
           status_is_ok(state->watcher->watch(state->watcher, state->watched_fd, LOOP_WRITABLE,
                                              go_on, state));
}

static void go_on(void *context) {
    struct stdout_state *state = context;
    struct fault fault = {{0}};
    struct status status = write_message(state, &state->delivery->message);
    if (status.code == STATUS_FULL && wait_for_room(state)) {
        return;
    }
    if (!status_is_ok(status)) {
        fault_write(&fault, "cannot write to stdout: %s", strerror(errno));
    }
    stop_waiting(state);
    state->watcher->finish(state->watcher, status_is_ok(status) ? SINK_DELIVERED : SINK_RETRY,
                           slice_of_text(fault.words));
}

static void stdout_start(void *context, const struct sink_delivery *delivery, struct arena *arena,
                         struct sink_watcher *watcher) {
    struct stdout_state *state = context;
    (void)arena;
    ASSERT(state->line != NULL && state->watched_fd < 0);
    state->delivery = delivery;
    state->watcher = watcher;
    go_on(state);
}

static void stdout_cancel(void *context) {
    stop_waiting(context);
}

static void stdout_close(void *context) {
    struct stdout_state *state = context;
    if (state->line != NULL && state->line->writer == state) {
        state->line->writer = NULL;
    }
}

const struct sink_type sink_stdout_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "stdout",
    .setting_names = setting_names,
    .open = stdout_open,
    .close = stdout_close,
    .start = stdout_start,
    .cancel = stdout_cancel,
};
