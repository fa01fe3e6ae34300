/* log.c - see log.h. */
#include "core/log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/clock.h"

/* What a line holds beside its words takes less than 512 bytes, and a byte of the words at most six
 * in JSON (\u001b). Words that are too long that way are cut to what always fits, so a cut falls on
 * them and never on the closing quote and brace: every line stays readable for machines. */
enum {
    LINE_BYTES_MAX = PIPE_BUF,
    WORDS_BYTES_MAX = 2048,
    WORDS_BYTES_SURE = (LINE_BYTES_MAX - 512) / 6
};

static const char *const level_words[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};

static void add_json_line(struct text *line, enum log_level level, const char *area,
                          struct slice words) {
    text_add_text(line, "{\"time\":\"");
    text_add_time(line, clock_wall_ns(), 3);
    text_add_format(line, "\",\"level\":\"%s\",\"area\":\"%s\",\"message\":", level_words[level],
                    area);
    text_add_json_string(line, words);
    text_add_text(line, "}");
}

static void add_text_line(struct text *line, enum log_level level, const char *area,
                          struct slice words) {
    text_add_time(line, clock_wall_ns(), 3);
    text_add_format(line, " %-7s %s: ", level_words[level], area);
    text_add_printable(line, words);
}

static void add_line(struct text *line, const struct logger *logger, enum log_level level,
                     const char *area, struct slice words) {
    if (logger->format == LOG_FORMAT_JSON) {
        add_json_line(line, level, area, words);
    } else {
        add_text_line(line, level, area, words);
    }
}

enum written { WRITTEN_WHOLE, WRITTEN_IN_PART, WRITTEN_NOT };

static enum written write_line(const struct logger *logger, enum log_level level, const char *area,
                               const char *words) {
    char memory[LINE_BYTES_MAX];
    struct slice all = slice_of_text(words);
    struct text line = text_over(memory, sizeof(memory) - 1);
    add_line(&line, logger, level, area, all);
    if (line.truncated) {
        line = text_over(memory, sizeof(memory) - 1);
        add_line(&line, logger, level, area, slice_head(all, WORDS_BYTES_SURE));
    }
    memory[line.size] = '\n';
    ssize_t size = (ssize_t)line.size + 1;
    ssize_t written = write(logger->fd, memory, (size_t)size);
    return written == size ? WRITTEN_WHOLE : written > 0 ? WRITTEN_IN_PART : WRITTEN_NOT;
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes without waiting; files are always so. A
 * terminal takes what it can, which only the write shows. */
static bool has_room(const struct logger *logger) {
    struct pollfd ask = {.fd = logger->fd, .events = POLLOUT};
    return poll(&ask, 1, 0) != 0;
}

/* False: it is lost. What has no end gets one first, so that the next line is whole. */
static bool try_line(const struct logger *logger, enum log_level level, const char *area,
                     const char *words) {
    struct log_losses *losses = logger->losses;
    if (losses->is_cut && has_room(logger)) {
        losses->is_cut = write(logger->fd, "\n", 1) != 1;
    }
    if (losses->is_cut || !has_room(logger)) {
        return false;
    }
    enum written written = write_line(logger, level, area, words);
    losses->is_cut = written == WRITTEN_IN_PART;
    return written == WRITTEN_WHOLE;
}

/* The lock is for the room: two threads that saw the same would both write. */
static void write_or_lose(const struct logger *logger, enum log_level level, const char *area,
                          const char *words) {
    struct log_losses *losses = logger->losses;
    pthread_mutex_lock(&losses->mutex);
    if (losses->lines > 0) {
        char told[64];
        (void)snprintf(told, sizeof(told), "%llu lines lost: the log was not read",
                       (unsigned long long)losses->lines);
        if (try_line(logger, LOG_LEVEL_WARNING, "log", told)) {
            losses->lines = 0;
        }
    }
    if (!try_line(logger, level, area, words)) {
        losses->lines++;
    }
    pthread_mutex_unlock(&losses->mutex);
}

void log_write(const struct logger *logger, enum log_level level, const char *area,
               const char *format, ...) {
    if (logger == NULL || level < logger->level_min) {
        return;
    }
    char words[WORDS_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    if (logger->losses != NULL) {
        write_or_lose(logger, level, area, words);
    } else {
        /* Nobody can be told that the log cannot be written. */
        (void)write_line(logger, level, area, words);
    }
}
