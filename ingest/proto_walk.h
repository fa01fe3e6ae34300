/*
 * proto_walk.h - protobuf's wire format, field by field, bounds-checked (protobuf encoding guide).
 *
 * A walk is over one message; a field of it that is a message is walked by a walk of its own, which
 * reports its failures to the same `root`. Nothing is copied. Groups, long deprecated, are fields
 * that nobody here knows: whole ones are passed over, as parsers of all languages do it.
 * The first failure sticks: later calls give nothing. Thread: one at a time.
 */
#pragma once

#include "core/base/slice.h"

/* What all walks over one request share. */
struct proto_root {
    struct slice bytes;
    const char *error; /* NULL while good; static words */
    size_t error_at;
};

struct proto_walk {
    struct proto_root *root;
    const uint8_t *at;
    const uint8_t *end;
};

enum proto_wire {
    PROTO_VARINT = 0,
    PROTO_FIXED64 = 1,
    PROTO_LENGTH = 2,
    PROTO_GROUP = 3, /* these two are never given to who walks */
    PROTO_GROUP_END = 4,
    PROTO_FIXED32 = 5,
};
enum { PROTO_GROUP_DEPTH_MAX = 32 }; /* groups in one another */

struct proto_field {
    uint32_t number;
    enum proto_wire wire;
    uint64_t value;     /* of varints and fixed ones */
    struct slice bytes; /* of PROTO_LENGTH */
};

static inline struct proto_walk proto_walk_over(struct proto_root *root, struct slice message) {
    /* A message that is empty may be nowhere, and nothing can be added to that, not even nothing.
     */
    const uint8_t *end = message.size == 0 ? message.data : message.data + message.size;
    return (struct proto_walk){.root = root, .at = message.data, .end = end};
}

/* proto_next for every field there may be. */
bool proto_next_any(struct proto_walk *walk, struct proto_field *field_out);

/* The next field, consumed whole; false at the end of the message or on failure. Most fields have a
 * number below 16 and a length or value below 128, a byte each: those, and fixed numbers, without a
 * call. */
static inline bool proto_next(struct proto_walk *walk, struct proto_field *field_out) {
    const uint8_t *at = walk->at;
    size_t left = (size_t)(walk->end - at);
    if (left < 2 || at[0] < 8 || at[0] >= 0x80 || walk->root->error != NULL) {
        return proto_next_any(walk, field_out);
    }
    *field_out = (struct proto_field){.number = at[0] >> 3, .wire = (enum proto_wire)(at[0] & 7)};
    if (field_out->wire == PROTO_LENGTH && at[1] < 0x80 && at[1] <= left - 2) {
        field_out->bytes = slice_of(at + 2, at[1]);
        walk->at = at + 2 + at[1];
        return true;
    }
    if (field_out->wire == PROTO_VARINT && at[1] < 0x80) {
        field_out->value = at[1];
        walk->at = at + 2;
        return true;
    }
    if (field_out->wire == PROTO_FIXED64 && left > sizeof(field_out->value)) {
        memcpy(&field_out->value, at + 1, sizeof(field_out->value)); /* little-endian, as we are */
        walk->at = at + 1 + sizeof(field_out->value);
        return true;
    }
    return proto_next_any(walk, field_out);
}

/* The next number of a packed list of varints, which the walk is over. */
bool proto_next_packed(struct proto_walk *walk, uint64_t *value_out);
/* Makes the request fail at a place in its bytes, with static words. */
void proto_fail(struct proto_root *root, const uint8_t *at, const char *words);

/* Whether the field is of that number and wire type; another type under a known number is unknown,
 * as parsers of all languages have it. */
static inline bool proto_is(const struct proto_field *field, uint32_t number,
                            enum proto_wire wire) {
    return field->number == number && field->wire == wire;
}

/* A string field's text, which must be UTF-8; false with the request failed. */
bool proto_text(struct proto_root *root, const struct proto_field *field, struct slice *text_out);
