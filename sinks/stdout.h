/* stdout.h - the smallest sink: one readable line or one JSON line a message. */
#pragma once

#include "sinks/sink.h"

extern const struct sink_type sink_stdout_type;

/* The line on its way to our stdout, shared by all sinks of the type. Thread: the sinks'. */
struct stdout_line {
    int fd;       /* where it is written */
    int given_fd; /* what was asked for: the same, unless it is a terminal */
    char *bytes;  /* owned; the last line that began */
    size_t capacity;
    size_t size;
    size_t done;                 /* bytes of it that are out */
    uint64_t number;             /* of its message in the outbox */
    struct stdout_state *writer; /* the sink that began it; NULL: gone */
};

void stdout_line_init(struct stdout_line *line, int fd);
void stdout_line_deinit(struct stdout_line *line);
/* Where the sink of that state writes; as JSON lines, unless its config says a format. */
void stdout_share_line(void *state, struct stdout_line *line, bool as_json);
