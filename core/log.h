/*
 * log.h - one record a line on stderr: JSON for machines, text for people.
 *
 * A record is one write(2) of at most PIPE_BUF bytes, so lines of several threads never mix, in a
 * pipe, too. Secrets are never passed to this file. Text from events is escaped by it.
 *
 * Memory: a stack buffer; longer records are cut. Thread: any.
 */
#pragma once

#include <pthread.h>

#include "core/base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* For a log that stops no thread when nobody reads it: a line for which there is no room is lost,
 * and the next one that finds some tells how many were. A terminal may take a part of one: it is to
 * be opened by terminal_open (core/terminal.h). Shared by all threads. */
struct log_losses {
    pthread_mutex_t mutex;
    uint64_t lines;
    bool is_cut; /* the line that was written last has no end */
};

struct logger {
    int fd;
    enum log_format format;
    enum log_level level_min;
    struct log_losses *losses; /* NULL: lines wait until there is room */
};

/* printf-like words; `area` names the room ("journal"). A NULL logger is silent. */
__attribute__((format(printf, 4, 5))) void log_write(const struct logger *logger,
                                                     enum log_level level, const char *area,
                                                     const char *format, ...);
