/* proto_walk.c - see proto_walk.h. The one place that moves over protobuf bytes. */
#include "ingest/proto_walk.h"

#include "core/base/assert.h"
#include "core/base/text.h"

void proto_fail(struct proto_root *root, const uint8_t *at, const char *words) {
    if (root->error == NULL) {
        root->error = words;
        root->error_at = (size_t)(at - root->bytes.data);
    }
}

static bool fail(struct proto_walk *walk, const char *words) {
    proto_fail(walk->root, walk->at, words);
    walk->at = walk->end;
    return false;
}

/* Base 128, least significant group first, at most ten bytes. */
static bool take_varint(struct proto_walk *walk, uint64_t *value_out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (walk->at == walk->end) {
            return fail(walk, "a number is cut off");
        }
        uint8_t byte = *walk->at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value_out = value;
            return true;
        }
    }
    return fail(walk, "a number has more than 64 bits");
}

static bool take_fixed(struct proto_walk *walk, size_t size, uint64_t *value_out) {
    if ((size_t)(walk->end - walk->at) < size) {
        return fail(walk, "a fixed number is cut off");
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)walk->at[i] << (8 * i);
    }
    walk->at += size;
    *value_out = value;
    return true;
}

static bool take_bytes(struct proto_walk *walk, struct slice *bytes_out) {
    uint64_t size = 0;
    if (!take_varint(walk, &size)) {
        return false;
    }
    if (size > (uint64_t)(walk->end - walk->at)) {
        return fail(walk, "a field is longer than its message");
    }
    *bytes_out = slice_of(walk->at, (size_t)size);
    walk->at += size;
    return true;
}

/* A field, or where a group begins or ends. */
static bool take_field(struct proto_walk *walk, struct proto_field *field_out) {
    uint64_t tag = 0;
    if (!take_varint(walk, &tag)) {
        return false;
    }
    if (tag >> 3 == 0 || tag > UINT32_MAX) {
        return fail(walk, "a field has no sound number");
    }
    *field_out = (struct proto_field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case PROTO_VARINT:
        field_out->wire = PROTO_VARINT;
        return take_varint(walk, &field_out->value);
    case PROTO_FIXED64:
        field_out->wire = PROTO_FIXED64;
        return take_fixed(walk, 8, &field_out->value);
    case PROTO_LENGTH:
        field_out->wire = PROTO_LENGTH;
        return take_bytes(walk, &field_out->bytes);
    case PROTO_FIXED32:
        field_out->wire = PROTO_FIXED32;
        return take_fixed(walk, 4, &field_out->value);
    case PROTO_GROUP:
    case PROTO_GROUP_END:
        field_out->wire = (enum proto_wire)(tag & 7);
        return true;
    default:
        return fail(walk, "a field has an unknown wire type");
    }
}

/* What follows the beginning of a group, to the end that has its number. */
static bool skip_group(struct proto_walk *walk, uint32_t number) {
    uint32_t open[PROTO_GROUP_DEPTH_MAX] = {number};
    size_t depth = 1;
    struct proto_field field;
    while (depth > 0) {
        if (walk->at == walk->end) {
            return fail(walk, "a group has no end");
        }
        if (!take_field(walk, &field)) {
            return false;
        }
        if (field.wire == PROTO_GROUP && depth == PROTO_GROUP_DEPTH_MAX) {
            return fail(walk, "nested too deeply");
        }
        if (field.wire == PROTO_GROUP) {
            open[depth++] = field.number;
        } else if (field.wire == PROTO_GROUP_END && open[--depth] != field.number) {
            return fail(walk, "a group ends that was not begun");
        }
    }
    return true;
}

/* Where a walk goes on behind a group's beginning or end that it has met. Apart, and of a copy, as
 * nobody sends groups: else the walks of what everybody sends are not kept in registers, which
 * decoding took a tenth longer for. */
static __attribute__((noinline, cold)) const uint8_t *
pass_group(struct proto_walk walk, enum proto_wire wire, uint32_t number) {
    if (wire == PROTO_GROUP_END) {
        (void)fail(&walk, "a group ends that was not begun");
    } else {
        (void)skip_group(&walk, number);
    }
    return walk.at;
}

bool proto_next_any(struct proto_walk *walk, struct proto_field *field_out) {
    while (walk->at != walk->end && walk->root->error == NULL && take_field(walk, field_out)) {
        if (field_out->wire != PROTO_GROUP && field_out->wire != PROTO_GROUP_END) {
            return true;
        }
        walk->at = pass_group(*walk, field_out->wire, field_out->number);
    }
    return false;
}

/* Most text is ASCII: eight bytes a step. */
static bool is_ascii(struct slice text) {
    uint64_t high = 0;
    uint64_t word;
    size_t at = 0;
    for (; text.size - at >= 8; at += 8) {
        memcpy(&word, text.data + at, sizeof(word));
        high |= word;
    }
    if (text.size >= 8) {
        memcpy(&word, text.data + text.size - 8, sizeof(word)); /* overlaps what was seen */
        high |= word;
        at = text.size;
    }
    for (; at < text.size; at++) {
        high |= text.data[at];
    }
    return (high & UINT64_C(0x8080808080808080)) == 0;
}

bool proto_text(struct proto_root *root, const struct proto_field *field, struct slice *text_out) {
    ASSERT(field->wire == PROTO_LENGTH);
    if (!is_ascii(field->bytes) && !text_is_utf8(field->bytes)) {
        proto_fail(root, field->bytes.data, "a string is not UTF-8");
        return false;
    }
    *text_out = field->bytes;
    return true;
}

bool proto_next_packed(struct proto_walk *walk, uint64_t *value_out) {
    return walk->root->error == NULL && walk->at != walk->end && take_varint(walk, value_out);
}
