/*
 * otlp_shape.h - log records spelled like records before them, taken without looking for tokens.
 *
 * A sender's records differ in their values; what stands between the values is the same from record
 * to record, to the blank. That is learned, as a tree: a node is the bytes up to a value and what
 * the value means, its children are what came behind that value in some record. A record is taken
 * by comparing bytes and scanning values along one path.
 *
 * 1. Learned are only records that json_walk took. Bytes equal to learned ones, with values of the
 *    same type between them, are a record of the same grammar and meaning: what is taken here gives
 *    byte for byte what the walk gives (a test and a fuzz target compare).
 * 2. A value with an escape, a fraction, or bytes that are not UTF-8 is left to the walk.
 * 3. Nothing that a sender does makes the tree or a search in it larger than the bounds below.
 *
 * Memory: one fixed struct, of the caller. Thread: one at a time.
 */
#pragma once

#include "ingest/json_walk.h"
#include "ingest/otlp_record.h"

enum {
    SHAPE_NODES_MAX = 512,
    SHAPE_TEXT_BYTES_MAX = 32 * 1024,
    SHAPE_SIBLINGS_MAX = 16,
    SHAPE_LITERAL_BYTES_MAX = 1024,
};

/* The bytes up to a value. Indexes are of nodes; 0 is none, since node 0 is what every path begins
 * at. */
struct shape_node {
    uint32_t text_at;
    uint16_t text_size;
    uint16_t key_at; /* of an attribute: its key in the text */
    uint16_t key_size;
    uint16_t first_child;
    uint16_t next_sibling;
    uint8_t kind;  /* enum shape_kind: what the value looks like */
    uint8_t field; /* enum shape_field: what it is */
    uint8_t type;  /* enum attribute_type */
    uint8_t known; /* of an attribute: enum otlp_known, else OTLP_KNOWN_COUNT */
};

struct otlp_shapes {
    uint32_t nodes_count;
    uint32_t text_bytes;
    uint32_t misses; /* records in a row that were spelled otherwise */
    uint32_t pause;  /* so many records are not looked at: their spelling keeps changing */
    bool is_full;    /* something could not be learned for want of room */
    struct shape_node nodes[SHAPE_NODES_MAX];
    uint8_t text[SHAPE_TEXT_BYTES_MAX];
};

/* Knows nothing yet. */
void otlp_shapes_init(struct otlp_shapes *shapes);
/* Takes the record that begins the text into a record that was just initialised; its size, or 0
 * when it is spelled otherwise, the record then being half taken. */
size_t otlp_shape_take(struct otlp_shapes *shapes, struct slice text, struct otlp_record *record);
/* Learns the log record at which the walk stands, which is known to be a good one. What strings
 * with escapes take of the walk's arena is given back. */
void otlp_shape_learn(struct otlp_shapes *shapes, const struct json_walk *record);
