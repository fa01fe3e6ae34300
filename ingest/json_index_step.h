/*
 * json_index_step.h - the bit logic of one 64-byte step, shared by all levels of json_index.
 *
 * Bit i of every mask is byte i of the step. Inlined into each level's loop, so that it is compiled
 * for that level's machine.
 */
#pragma once

#include "ingest/json_index.h"

/* What the bytes are, as the vector part saw them. */
struct json_masks {
    uint64_t quote;     /* " */
    uint64_t backslash; /* \ */
    uint64_t control;   /* below 0x20 */
    uint64_t high;      /* above 0x7F */
    uint64_t operator;  /* { } [ ] : , */
    uint64_t blank;     /* space, tab, line feed, carriage return */
};

/* What the entries of a step are made of. */
struct json_marks {
    uint64_t tokens;
    uint64_t escaped; /* of the tokens, closing quotes to be marked JSON_INDEX_ESCAPED */
};

#define JSON_STEP static inline __attribute__((always_inline))

/* Bit i is the parity of bits 0 to i: between an opening quote and its closing one it is set. */
JSON_STEP uint64_t json_prefix_parity(uint64_t bits) {
    for (unsigned shift = 1; shift < 64; shift *= 2) {
        bits ^= bits << shift;
    }
    return bits;
}

/* Slow parts, called for few steps. */
uint64_t json_index_find_escaped(struct json_index *index, uint64_t *backslash);
uint64_t json_index_find_escaped_ends(struct json_index *index, uint64_t inside, uint64_t ends,
                                      uint64_t backslash);
void json_index_check_high(struct json_index *index, size_t end);
void json_index_fail(struct json_index *index, size_t at, const char *words);
/* The window ends: checks what can be checked, and ends the text when it is at its end. */
void json_index_close_window(struct json_index *index);

JSON_STEP void json_step_note_high(struct json_index *index, uint64_t high) {
    if (__builtin_expect(high != 0, 0)) {
        if (!index->has_high) {
            index->has_high = true;
            index->high_at = index->next_at;
        }
    } else if (__builtin_expect(index->has_high, 0)) {
        json_index_check_high(index, index->next_at);
    }
}

JSON_STEP struct json_marks json_step(struct json_index *index, const struct json_masks *masks) {
    struct json_marks marks = {0};
    uint64_t backslash = masks->backslash;
    uint64_t escaped = 0;
    if (__builtin_expect((backslash | index->escaped) != 0, 0)) {
        escaped = json_index_find_escaped(index, &backslash);
    }
    uint64_t quote = masks->quote & ~escaped;
    uint64_t inside = json_prefix_parity(quote) ^ index->inside;
    if (__builtin_expect((backslash & inside) != 0 || index->is_string_escaped, 0)) {
        marks.escaped = json_index_find_escaped_ends(index, inside, quote & ~inside, backslash);
    }
    if (__builtin_expect((masks->control & inside) != 0, 0)) {
        json_index_fail(index, index->next_at + (size_t)__builtin_ctzll(masks->control & inside),
                        "a control character stands in a string");
    }
    json_step_note_high(index, masks->high);
    uint64_t outside = ~(inside | quote);
    uint64_t scalar = outside & ~(masks->operator| masks->blank);
    uint64_t start = scalar & ~(scalar << 1 | index->scalar);
    index->inside = 0 - (inside >> 63);
    index->scalar = scalar >> 63;
    marks.tokens = quote | (masks->operator& outside) | start;
    return marks;
}

/* Adds the marks to the tokens that were written from entries[first] on. */
JSON_STEP void json_step_mark(struct json_index *index, uint32_t first, struct json_marks marks) {
    for (uint64_t left = marks.escaped; left != 0; left &= left - 1) {
        uint64_t below = (left & (0 - left)) - 1;
        index->entries[first + (uint32_t)__builtin_popcountll(marks.tokens & below)] |=
            JSON_INDEX_ESCAPED;
    }
}

typedef struct json_masks json_classify_fn(const uint8_t *block);
typedef void json_write_fn(uint32_t *entries, uint32_t base, uint64_t tokens);

/* Writes the offsets of the set bits one by one. */
JSON_STEP void json_write_each(uint32_t *entries, uint32_t base, uint64_t tokens) {
    for (uint32_t i = 0; tokens != 0; i++, tokens &= tokens - 1) {
        entries[i] = base + (uint32_t)__builtin_ctzll(tokens);
    }
}

/* The loop of every level; classify and write are constants, and so inlined. */
JSON_STEP void json_fill_with(struct json_index *index, json_classify_fn *classify,
                              json_write_fn *write) {
    const struct slice bytes = index->bytes;
    index->count = 0;
    while (index->next_at < bytes.size && index->error == NULL &&
           index->count + JSON_INDEX_STEP_BYTES < index->count_max) {
        size_t left = bytes.size - index->next_at;
        const uint8_t *block = bytes.data + index->next_at;
        uint8_t padded[JSON_INDEX_STEP_BYTES];
        if (__builtin_expect(left < JSON_INDEX_STEP_BYTES, 0)) {
            memset(padded, ' ', sizeof(padded));
            memcpy(padded, block, left);
            block = padded;
        }
        struct json_masks masks = classify(block);
        struct json_marks marks = json_step(index, &masks);
        write(index->entries + index->count, (uint32_t)index->next_at, marks.tokens);
        if (__builtin_expect(marks.escaped != 0, 0)) {
            json_step_mark(index, index->count, marks);
        }
        index->count += (uint32_t)__builtin_popcountll(marks.tokens);
        index->next_at += left < JSON_INDEX_STEP_BYTES ? left : JSON_INDEX_STEP_BYTES;
    }
    json_index_close_window(index);
}

/* The loops; those of vectors exist on x86-64 only. */
void json_fill_plain(struct json_index *index);
void json_fill_sse2(struct json_index *index);
void json_fill_avx2(struct json_index *index);
void json_fill_avx512(struct json_index *index);
