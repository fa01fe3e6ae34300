/*
 * shape_path.h - an object's path through the tree of shape.h.
 *
 * Inline, with the user's reader of a value: a call a value would cost what this is there to save.
 * Raw pointers, because it is a scanner; all stay inside the slices they are given.
 */
#pragma once

#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/shape.h"
#include "ingest/shape_scan.h"

/* Takes a value of the node's field; `literal` are the bytes before it. false: leave the object to
 * the walk. */
typedef bool shape_take_field(void *object, const struct shape_node *node, const uint8_t *literal,
                              struct slice value);

/* The value that begins the text; false when it is of another kind. A literal follows every value,
 * so that none ends with the text. */
static inline bool shape_take_value(struct slice text, enum shape_kind kind,
                                    struct slice *value_out) {
    bool has_high = false;
    size_t size = kind == SHAPE_STRING    ? scan_string(text, &has_high)
                  : kind == SHAPE_INTEGER ? scan_integer(text)
                  : kind == SHAPE_NUMBER  ? scan_number(text)
                                          : scan_bool(text);
    *value_out = slice_head(text, size);
    return size < text.size && (!has_high || text_is_utf8(*value_out));
}

/* Whether a value of the kind may begin with the byte: one literal may begin another, as that of a
 * number does that of a string. */
static inline bool shape_may_begin(enum shape_kind kind, struct slice text) {
    return kind == SHAPE_STRING || kind == SHAPE_END || (text.size > 0 && text.data[0] != '"');
}

/* Without the first `size` bytes, which are there. */
static inline struct slice shape_behind(struct slice text, size_t size) {
    return slice_of(text.data + size, text.size - size);
}

/* The child whose bytes stand at the front of the text; it becomes the first one. 0: none. */
static inline uint16_t shape_find_child(struct shapes *shapes, uint16_t parent, struct slice text) {
    uint16_t before = 0;
    uint16_t child = shapes->nodes[parent].first_child;
    while (child != 0) {
        struct shape_node *node = &shapes->nodes[child];
        if (scan_begins_with(text, shapes->text + node->text_at, node->text_size) &&
            shape_may_begin((enum shape_kind)node->kind, shape_behind(text, node->text_size))) {
            if (before != 0) {
                shapes->nodes[before].next_sibling = node->next_sibling;
                node->next_sibling = shapes->nodes[parent].first_child;
                shapes->nodes[parent].first_child = child;
            }
            return child;
        }
        before = child;
        child = node->next_sibling;
    }
    return 0;
}

static inline size_t shape_take_path(struct shapes *shapes, struct slice text,
                                     shape_take_field *take_field, void *object) {
    struct slice rest = text;
    uint16_t place = 0;
    for (;;) {
        place = shape_find_child(shapes, place, rest);
        if (place == 0) {
            return 0;
        }
        const struct shape_node *node = &shapes->nodes[place];
        const uint8_t *literal = rest.data;
        struct slice value;
        rest = shape_behind(rest, node->text_size);
        if (node->kind == SHAPE_END) {
            return text.size - rest.size;
        }
        if (!shape_take_value(rest, (enum shape_kind)node->kind, &value) ||
            !take_field(object, node, literal, value)) {
            return 0;
        }
        rest = shape_behind(rest, value.size);
    }
}

/* Takes the object that begins the text, value by value; its size, or 0 when it is spelled
 * otherwise: some values have been taken then. */
static inline size_t shape_take(struct shapes *shapes, struct slice text,
                                shape_take_field *take_field, void *object) {
    if (shapes->pause > 0) {
        shapes->pause--;
        return 0;
    }
    size_t size = shape_take_path(shapes, text, take_field, object);
    ASSERT(size <= text.size);
    shapes_note(shapes, size > 0);
    return size;
}
