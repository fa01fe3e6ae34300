/* log.c - see log.h. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/text.h"
#include "core/clock.h"

/* A byte takes at most six in JSON (\u001b), so a cut falls on the words, never on the closing
 * quote and brace: every line stays readable for machines. */
enum { WORDS_BYTES_MAX = 2048, LINE_BYTES_MAX = 6 * WORDS_BYTES_MAX + 512 };

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
    char memory[LINE_BYTES_MAX];
    struct text line = text_over(memory, sizeof(memory) - 1);
    if (logger->format == LOG_FORMAT_JSON) {
        add_json_line(&line, level, area, slice_of_text(words));
    } else {
        add_text_line(&line, level, area, slice_of_text(words));
    }
    memory[line.size] = '\n';
    /* Nobody can be told that the log cannot be written. */
    ssize_t ignored = write(logger->fd, memory, line.size + 1);
    (void)ignored;
}
