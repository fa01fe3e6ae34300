/*
 * shape.h - objects spelled like objects before them, taken without looking for tokens.
 *
 * A sender's records differ in their values; what stands between the values is the same from record
 * to record, to the blank. That is learned, as a tree: a node is the bytes up to a value and what
 * the value means, its children are what came behind that value in some record. A record is taken
 * by comparing bytes and scanning values along one path (shape_path.h).
 *
 * 1. Learned are only objects that json_walk took. Bytes equal to learned ones, with values of the
 *    same type between them, are an object of the same grammar and meaning: what is taken by a
 *    shape gives byte for byte what the walk gives (tests and fuzz targets compare).
 * 2. A value with an escape, an exponent, or bytes that are not UTF-8 is left to the walk.
 * 3. Nothing that a sender does makes the tree or a search in it larger than the bounds below.
 *
 * What the values mean is its user's: otlp_shape.c of log records, native_shape.c of native events.
 * Memory: one fixed struct, of the caller. Thread: one at a time.
 */
#pragma once

#include "ingest/json_walk.h"

enum {
    SHAPE_NODES_MAX = 512,
    SHAPE_TEXT_BYTES_MAX = 32 * 1024,
    SHAPE_SIBLINGS_MAX = 16,
    SHAPE_LITERAL_BYTES_MAX = 1024,
};

enum shape_kind {
    SHAPE_END, /* no value: the object ends behind the literal */
    SHAPE_STRING,
    SHAPE_INTEGER,
    SHAPE_NUMBER, /* also with a fraction */
    SHAPE_BOOL,
};

/* What a value is. */
struct shape_meaning {
    uint8_t field; /* the user's */
    uint8_t type;  /* the user's: of the value, or what it is converted to */
    uint8_t known; /* the user's: more of the field */
    size_t key_at; /* of the member that it is the value of; without key_size: of no use */
    size_t key_size;
};

/* The bytes up to a value. Indexes are of nodes; 0 is none, since node 0 is what every path begins
 * at. */
struct shape_node {
    uint32_t text_at;
    uint16_t text_size;
    uint16_t key_at; /* in the text */
    uint16_t key_size;
    uint16_t first_child;
    uint16_t next_sibling;
    uint8_t kind; /* enum shape_kind: what the value looks like */
    uint8_t field;
    uint8_t type;
    uint8_t known;
};

struct shapes {
    uint32_t nodes_count;
    uint32_t text_bytes;
    uint32_t misses; /* objects in a row that were spelled otherwise */
    uint32_t pause;  /* so many objects are not looked at: their spelling keeps changing */
    bool is_full;    /* something could not be learned for want of room */
    struct shape_node nodes[SHAPE_NODES_MAX];
    uint8_t text[SHAPE_TEXT_BYTES_MAX];
};

/* Knows nothing yet. */
void shapes_init(struct shapes *shapes);
/* An object was looked for: whether one was found. */
void shapes_note(struct shapes *shapes, bool is_found);

/* --- Learning: an object that is known to be a good one becomes a path --- */
struct shape_lesson {
    struct shapes *shapes;
    struct json_walk walk;
    size_t literal_at; /* behind the last value */
    uint16_t place;    /* its node */
    bool is_over;      /* something that is not learned, or no room */
};

/* Where the walk stands; false: not now. */
bool shape_lesson_begin(struct shape_lesson *lesson, struct shapes *shapes,
                        const struct json_walk *walk);
/* The value that is due, a string, number or bool, is one of that kind with this meaning. */
void shape_lesson_add(struct shape_lesson *lesson, enum shape_kind kind,
                      const struct shape_meaning *meaning);
/* Whether a key that the walk gave stands in the text as it is; sets where. */
bool shape_lesson_has_key(const struct shape_lesson *lesson, struct slice key,
                          struct shape_meaning *meaning);
/* The object has ended: takes what strings with escapes took of the arena back. */
void shape_lesson_end(struct shape_lesson *lesson, size_t arena_mark);
