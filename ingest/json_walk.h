/*
 * json_walk.h - a strict RFC 8259 pull walker: the caller asks for what it expects and gets slices.
 *
 * It steps over the tokens that json_index finds a window at a time.
 *
 * 1. In the arena: the index, and strings that hold a backslash, unescaped. Nothing else.
 * 2. The text is checked to be UTF-8; nesting ends at JSON_DEPTH_MAX.
 * 3. The first failure sticks: every later call gives nothing, and the caller asks once at the end.
 *
 * A walker is a value: a copy is a bookmark that can be walked again; the copies share the index,
 * and the one whose window is gone has it made again. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "ingest/json_index.h"

enum json_type {
    JSON_NONE, /* the walk has failed */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_walk {
    struct slice bytes;
    size_t at; /* behind the last token that was consumed */
    struct arena *arena;
    struct json_index *index; /* NULL only when the walk has failed */
    uint32_t cursor;          /* the next token in the index's window */
    uint32_t generation;      /* of that window */
    uint32_t depth;
    bool is_fresh;       /* a container was just entered: no comma is due */
    bool is_out_of_room; /* failed because the arena was full, not because of the text */
    const char *error;   /* NULL while good; static words */
    size_t error_at;
    uint32_t lines_before; /* of a text of which this is a line; 0 unless the owner says */
};

/* A walk over a text of at most JSON_TEXT_BYTES_MAX, which has failed when the arena has no room.
 */
struct json_walk json_walk_over(struct slice bytes, struct arena *arena);
/* The same by a given level of the machine, for tests and benchmarks. */
struct json_walk json_walk_over_at(struct slice bytes, struct arena *arena, enum json_level level);
/* Where the text's first byte behind blanks stands; its size when there is none. */
size_t json_find_first(struct slice text);
/* The text's first byte behind blanks, without a walk; 0 when there is none. */
uint8_t json_first_byte(struct slice text);
/* Where the next token stands. */
size_t json_next_at(struct json_walk *walk);
/* Type of the next value, which is not consumed. */
enum json_type json_peek(struct json_walk *walk);
/* Consumes '{' or '['; false when the next value is something else (a failure). */
bool json_enter_object(struct json_walk *walk);
bool json_enter_array(struct json_walk *walk);
/* The next member's key, its value is due then; false at the end (consumed) or on failure. */
bool json_next_member(struct json_walk *walk, struct slice *key_out);
/* An element is due; false at the end (consumed) or on failure. */
bool json_next_element(struct json_walk *walk);
/* Consume one value of the type. The slices live as long as the bytes and the arena. */
bool json_take_string(struct json_walk *walk, struct slice *text_out);
/* The number as written. */
bool json_take_number(struct json_walk *walk, struct slice *text_out);
bool json_take_bool(struct json_walk *walk, bool *value_out);
/* true, consumed, when the next value is null; else nothing happens. */
bool json_take_null(struct json_walk *walk);
/* Consumes any value, checking it in full; *raw_out (may be NULL) is its bytes. */
bool json_skip(struct json_walk *walk, struct slice *raw_out);
/* Goes on at `at`, in the same container: where its next element begins, or what follows one. The
 * bytes between were found good by the caller. */
void json_jump(struct json_walk *walk, size_t at);
/* true when only blanks are left; else a failure. */
bool json_finish(struct json_walk *walk);
/* Whether a key is the given literal: compiled to comparisons of words, without a call. */
#define json_key_is(key, literal)                                                                  \
    ((key).size == sizeof(literal) - 1 && memcmp((key).data, literal, sizeof(literal) - 1) == 0)
/* Makes the walk fail here with static words (a value of a wrong type and the like). */
void json_fail(struct json_walk *walk, const char *words);
/* "words at line x column y"; the walk has failed. Column counts bytes from 1. */
void json_explain(const struct json_walk *walk, struct fault *fault);
