/*
 * config_errors.c - what is wrong with a configuration, in words a person can act on: every error
 * with its place, in the order of the files' lines, with the key's name and a suggestion.
 */
#include "core/config_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"

static void add_error(struct config_build *build, const struct toml_value *at, struct slice key,
                      const char *words) {
    struct text *text = &build->errors->text;
    text_add_format(text, "%.*s:%u:%u: ", SLICE_PRINT(at->file), at->line, at->column);
    text_add_printable(text, key);
    text_add_text(text, key.size > 0 ? ": " : "");
    text_add_printable(text, slice_of_text(words));
    text_add_char(text, '\n');
    build->errors->count++;
}

void config_error(struct config_build *build, const struct toml_value *at, const char *format,
                  ...) {
    char words[FAULT_WORDS_BYTES_MAX];
    va_list arguments;
    if (at == build->told) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    add_error(build, at, slice_of(NULL, 0), words);
}

void config_error_value(struct config_build *build, const struct toml_value *value,
                        const char *format, ...) {
    char words[FAULT_WORDS_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    add_error(build, value, value->key, words);
}

void config_error_unknown(struct config_build *build, const struct toml_value *value,
                          const char *section, const char *const *candidates) {
    char memory[256];
    struct text meant = text_over(memory, sizeof(memory));
    struct text_guess guess = text_guess_of(value->key);
    for (uint32_t i = 0; candidates[i] != NULL; i++) {
        text_guess_try(&guess, candidates[i]);
    }
    /* What is a key elsewhere to the letter is rather misplaced than mistyped. */
    if (guess.nearest == NULL || guess.distance > 1) {
        config_add_elsewhere(&meant, section, value->key, build->is_of_tenant);
    }
    if (meant.size == 0) {
        text_add_guess(&meant, &guess);
    }
    config_error(build, value, "unknown key \"%.*s\"%.*s", SLICE_PRINT(value->key),
                 SLICE_PRINT(text_slice(&meant)));
}

void config_error_words(struct config_build *build, const struct fault *fault) {
    text_add_text(&build->errors->text, fault->words);
    text_add_char(&build->errors->text, '\n');
    build->errors->count++;
}

struct toml_value config_file_place(const char *path) {
    return (struct toml_value){.file = slice_of_text(path), .line = 1, .column = 1};
}

/* --- In the order of the files' lines --- */

struct error_line {
    struct slice line; /* with its newline */
    struct slice file;
    uint64_t row;
    uint64_t column;
    uint32_t file_rank; /* files stand in the order in which they are read */
    uint32_t run;       /* the first of the lines of this file that end here */
    uint32_t rank;
};

/* The number that ends before `end`; `*start_out` is where it begins. False: there is none. */
static bool number_before(struct slice text, size_t end, uint64_t *number_out, size_t *start_out) {
    size_t start = end;
    while (start > 0 && text.data[start - 1] >= '0' && text.data[start - 1] <= '9') {
        start--;
    }
    *start_out = start;
    return start > 0 && text.data[start - 1] == ':' &&
           status_is_ok(text_parse_u64(slice_of(text.data + start, end - start), number_out));
}

/* "file:line:column: words"; a line without a place stays the first of a nameless file. */
static struct error_line read_line(struct slice line, uint32_t rank) {
    struct error_line read = {.line = line, .rank = rank};
    for (size_t at = 0; at + 1 < line.size; at++) {
        size_t column = 0;
        size_t row = 0;
        if (line.data[at] == ':' && line.data[at + 1] == ' ' &&
            number_before(line, at, &read.column, &column) &&
            number_before(line, column - 1, &read.row, &row)) {
            read.file = slice_head(line, row - 1);
            return read;
        }
    }
    read.row = 0;
    read.column = 0;
    return read;
}

static int compare_lines(const void *left, const void *right) {
    const struct error_line *a = left;
    const struct error_line *b = right;
    if (a->file_rank != b->file_rank) {
        return a->file_rank < b->file_rank ? -1 : 1;
    }
    if (a->row != b->row) {
        return a->row < b->row ? -1 : 1;
    }
    if (a->column != b->column) {
        return a->column < b->column ? -1 : 1;
    }
    return a->rank < b->rank ? -1 : 1;
}

/* The newest lines are most likely of the same file; all of another's are stepped over at once. */
static void rank_file(struct error_line *lines, uint32_t at) {
    lines[at].file_rank = at;
    lines[at].run = at;
    for (uint32_t i = at; i > 0; i = lines[i - 1].run) {
        if (slice_equals(lines[i - 1].file, lines[at].file)) {
            lines[at].file_rank = lines[i - 1].file_rank;
            lines[at].run = i == at ? lines[i - 1].run : at;
            return;
        }
    }
}

static uint32_t split_lines(struct slice words, struct error_line *lines, uint32_t lines_max) {
    uint32_t count = 0;
    while (words.size > 0 && count < lines_max) {
        size_t end = slice_find_byte(words, '\n');
        size_t size = end < words.size ? end + 1 : end;
        lines[count] = read_line(slice_head(words, size), count);
        rank_file(lines, count);
        words = slice_tail(words, size);
        count++;
    }
    return count;
}

void config_sort_errors(struct config_build *build) {
    struct text *text = &build->errors->text;
    struct slice words;
    uint32_t lines_max = 0;
    for (size_t i = 0; i < text->size; i++) {
        lines_max += text->data[i] == '\n' ? 1 : 0;
    }
    struct error_line *lines = ARENA_ARRAY(build->arena, struct error_line, lines_max + 1);
    if (lines == NULL || text->truncated ||
        !status_is_ok(arena_copy(build->arena, text_slice(text), &words))) {
        return; /* in the order in which they were found */
    }
    uint32_t count = split_lines(words, lines, lines_max);
    qsort(lines, count, sizeof(*lines), compare_lines);
    *text = text_over(text->data, text->capacity);
    for (uint32_t i = 0; i < count; i++) {
        text_add(text, lines[i].line);
    }
    ASSERT(text->size == words.size);
}
