/*
 * attributes_packed.h - inside the envelope: its attributes in one vector of bytes.
 *
 * A table with two strings for each, as FlatBuffers has lists of pairs, takes 28 bytes beside the
 * texts; most attributes are shorter than that, and every event's are written, summed and synced.
 *
 *   2 bytes  count, little-endian; never 0: without attributes the vector is empty
 *   then for each:
 *   1 byte   type (enum attribute_type)
 *   1-4      bytes of the key, seven bits a byte, the lowest first; the high bit: more follow
 *   1-4      bytes of the value, in the same way
 *   -        key and value
 *
 * Raw pointers, because it is a writer of what was measured before. Any thread.
 */
#pragma once

#include "core/base/assert.h"
#include "schemas/envelope.h"

enum { PACKED_COUNT_BYTES = 2, PACKED_SIZE_BYTES_MAX = 4, PACKED_SIZE_BITS = 7 };
/* More than what describes an attribute; its texts come on top. */
enum { PACKED_ATTRIBUTE_BYTES_MAX = 1 + 2 * PACKED_SIZE_BYTES_MAX };
static_assert(ENVELOPE_BYTES_MAX < 1u << (PACKED_SIZE_BYTES_MAX * PACKED_SIZE_BITS),
              "any text of an envelope has a size");

static inline uint8_t *packed_put_size(uint8_t *at, size_t size) {
    while (size >= 1u << PACKED_SIZE_BITS) {
        *at++ = (uint8_t)(size | 1u << PACKED_SIZE_BITS);
        size >>= PACKED_SIZE_BITS;
    }
    *at++ = (uint8_t)size;
    return at;
}

/* Writes one; behind it. */
static inline uint8_t *packed_put(uint8_t *at, const struct attribute *attribute) {
    *at++ = (uint8_t)attribute->type;
    at = packed_put_size(at, attribute->key.size);
    at = packed_put_size(at, attribute->value.size);
    slice_copy(attribute->key, at);
    at += attribute->key.size;
    slice_copy(attribute->value, at);
    return at + attribute->value.size;
}

/* Without the first `size` bytes, which are there; what is empty then still is somewhere. */
static inline struct slice packed_behind(struct slice packed, size_t size) {
    return slice_of(packed.data + size, packed.size - size);
}

/* Takes a size off the front; false when there is none. */
static inline bool packed_take_size(struct slice *packed, size_t *size_out) {
    size_t size = 0;
    for (uint32_t i = 0; i < PACKED_SIZE_BYTES_MAX && i < packed->size; i++) {
        uint8_t byte = packed->data[i];
        size |= (size_t)(byte & 0x7F) << (i * PACKED_SIZE_BITS);
        if (byte < 0x80) {
            *size_out = size;
            *packed = packed_behind(*packed, i + 1);
            return true;
        }
    }
    return false;
}

/* Takes an attribute off the front; false when it does not fit. */
static inline bool packed_take(struct slice *packed, struct attribute *attribute_out) {
    size_t key_bytes = 0;
    size_t value_bytes = 0;
    if (packed->size == 0) {
        return false;
    }
    attribute_out->type = (enum attribute_type)packed->data[0];
    *packed = packed_behind(*packed, 1);
    if (!packed_take_size(packed, &key_bytes) || !packed_take_size(packed, &value_bytes) ||
        key_bytes > packed->size || value_bytes > packed->size - key_bytes) {
        return false;
    }
    attribute_out->key = slice_head(*packed, key_bytes);
    attribute_out->value = slice_head(packed_behind(*packed, key_bytes), value_bytes);
    *packed = packed_behind(*packed, key_bytes + value_bytes);
    return true;
}

/* How many there are, as the vector says. */
static inline uint32_t packed_count(struct slice packed) {
    return packed.size < PACKED_COUNT_BYTES
               ? 0
               : (uint32_t)packed.data[0] | (uint32_t)packed.data[1] << 8;
}

/* Whether the vector holds what it says, and nothing else. */
static inline bool packed_is_sound(struct slice packed) {
    struct attribute attribute;
    uint32_t count = packed_count(packed);
    struct slice rest = slice_tail(packed, PACKED_COUNT_BYTES);
    if (count == 0) {
        return packed.size == 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!packed_take(&rest, &attribute)) {
            return false;
        }
    }
    return rest.size == 0;
}
