/*
 * slice.h - bytes that somebody else owns: a pointer and a length, never a terminator.
 *
 * A slice with size 0 may have any pointer, also NULL. It lives as long as the memory below it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

enum { SLICE_SHORT_BYTES_MAX = 128 };

/* A slice over a string literal. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* printf("%.*s") helper: SLICE_PRINT(s) gives the two arguments. */
#define SLICE_PRINT(slice) (int)(slice).size, (const char *)(slice).data

static inline struct slice slice_of(const void *data, size_t size) {
    return (struct slice){.data = (const uint8_t *)data, .size = size};
}

static inline struct slice slice_of_text(const char *text) {
    return slice_of(text, text == NULL ? 0 : strlen(text));
}

static inline bool slice_is_empty(struct slice slice) {
    return slice.size == 0;
}

static inline bool slice_equals(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_starts_with(struct slice slice, struct slice prefix) {
    return slice.size >= prefix.size &&
           (prefix.size == 0 || memcmp(slice.data, prefix.data, prefix.size) == 0);
}

/* The first `size` bytes, or all of them when there are fewer. */
static inline struct slice slice_head(struct slice slice, size_t size) {
    return slice_of(slice.data, size < slice.size ? size : slice.size);
}

/* Copies them. Most texts are short: those without a call, by pieces of constant size that may
 * overlap. Eight are copied for every record. */
static inline __attribute__((always_inline)) void slice_copy(struct slice slice, uint8_t *to) {
    const uint8_t *from = slice.data;
    size_t size = slice.size;
    if (size > SLICE_SHORT_BYTES_MAX) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        for (size_t at = 0; at < size - 16; at += 16) {
            memcpy(to + at, from + at, 16);
        }
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, from, 8);
        memcpy(to + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, from, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else if (size > 0) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

/* What follows the first `size` bytes; empty when there are no more. */
static inline struct slice slice_tail(struct slice slice, size_t size) {
    return size >= slice.size ? slice_of(NULL, 0) : slice_of(slice.data + size, slice.size - size);
}

/* Less than, equal to or greater than 0, bytewise; a prefix sorts first. */
int slice_compare(struct slice a, struct slice b);

/* Equal but for the case of ASCII letters. */
bool slice_equals_ignoring_case(struct slice a, struct slice b);

/* Position of the first `byte`, or slice.size when it is not there. */
size_t slice_find_byte(struct slice slice, uint8_t byte);

/* Without blanks and tabs at either end. */
struct slice slice_trim(struct slice slice);
