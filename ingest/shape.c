/* shape.c - see shape.h: a good object becomes a path of nodes. */
#include "ingest/shape.h"

#include "core/base/assert.h"

enum {
    /* After so many misses in a row the next ones are not looked at, but a few now and then. */
    MISSES_MAX = 64,
    MISSES_AFTER_PAUSE = 56,
    PAUSE_RECORDS = 2048,
    /* A tree without room that the objects no longer fit is begun anew. */
    MISSES_WHEN_STALE = 32,
};

void shapes_init(struct shapes *shapes) {
    shapes->nodes_count = 1;
    shapes->text_bytes = 0;
    shapes->misses = 0;
    shapes->pause = 0;
    shapes->is_full = false;
    shapes->nodes[0] = (struct shape_node){0};
}

void shapes_note(struct shapes *shapes, bool is_found) {
    shapes->misses = is_found ? 0 : shapes->misses + 1;
    if (shapes->misses > MISSES_MAX) {
        shapes->misses = MISSES_AFTER_PAUSE;
        shapes->pause = PAUSE_RECORDS;
    }
}

/* --- Lessons --- */

bool shape_lesson_begin(struct shape_lesson *lesson, struct shapes *shapes,
                        const struct json_walk *walk) {
    if (shapes->pause > 0 || walk->error != NULL) {
        return false;
    }
    if (shapes->is_full && shapes->misses >= MISSES_WHEN_STALE) {
        shapes_init(shapes);
    }
    *lesson = (struct shape_lesson){.shapes = shapes, .walk = *walk};
    lesson->literal_at = json_next_at(&lesson->walk);
    return true;
}

static uint16_t find_same(const struct shapes *shapes, uint16_t parent, struct slice literal,
                          uint32_t *siblings_out) {
    *siblings_out = 0;
    for (uint16_t child = shapes->nodes[parent].first_child; child != 0;
         child = shapes->nodes[child].next_sibling) {
        const struct shape_node *node = &shapes->nodes[child];
        if (slice_equals(slice_of(shapes->text + node->text_at, node->text_size), literal)) {
            return child;
        }
        ++*siblings_out;
    }
    return 0;
}

/* One more node on the path: the bytes since the last value up to `end`, where a value of the kind
 * begins. */
static void add_node(struct shape_lesson *lesson, size_t end, enum shape_kind kind,
                     const struct shape_meaning *meaning) {
    struct shapes *shapes = lesson->shapes;
    struct slice literal =
        slice_of(lesson->walk.bytes.data + lesson->literal_at, end - lesson->literal_at);
    uint32_t siblings;
    uint16_t same = find_same(shapes, lesson->place, literal, &siblings);
    if (same != 0) {
        lesson->is_over = shapes->nodes[same].kind != kind;
        lesson->place = same;
        return;
    }
    if (shapes->nodes_count == SHAPE_NODES_MAX || siblings == SHAPE_SIBLINGS_MAX ||
        literal.size > SHAPE_LITERAL_BYTES_MAX ||
        literal.size > SHAPE_TEXT_BYTES_MAX - shapes->text_bytes) {
        lesson->is_over = true;
        shapes->is_full = true;
        return;
    }
    uint16_t place = (uint16_t)shapes->nodes_count++;
    shapes->nodes[place] = (struct shape_node){
        .text_at = shapes->text_bytes,
        .text_size = (uint16_t)literal.size,
        .key_at = (uint16_t)(meaning->key_size > 0 ? meaning->key_at - lesson->literal_at : 0),
        .key_size = (uint16_t)meaning->key_size,
        .next_sibling = shapes->nodes[lesson->place].first_child,
        .kind = (uint8_t)kind,
        .field = meaning->field,
        .type = meaning->type,
        .known = meaning->known,
    };
    shapes->nodes[lesson->place].first_child = place;
    memcpy(shapes->text + shapes->text_bytes, literal.data, literal.size);
    shapes->text_bytes += (uint32_t)literal.size;
    lesson->place = place;
}

void shape_lesson_add(struct shape_lesson *lesson, enum shape_kind kind,
                      const struct shape_meaning *meaning) {
    struct json_walk *walk = &lesson->walk;
    size_t at = json_next_at(walk);
    bool is_string = kind == SHAPE_STRING;
    struct slice text;
    bool flag;
    ASSERT(kind != SHAPE_END);
    if (is_string) {
        json_take_string(walk, &text);
    } else if (kind == SHAPE_BOOL) {
        json_take_bool(walk, &flag);
    } else {
        json_take_number(walk, &text);
    }
    if (walk->error != NULL || lesson->is_over) {
        lesson->is_over = true;
        return;
    }
    add_node(lesson, is_string ? at + 1 : at, kind, meaning);
    lesson->literal_at = is_string ? walk->at - 1 : walk->at;
}

bool shape_lesson_has_key(const struct shape_lesson *lesson, struct slice key,
                          struct shape_meaning *meaning) {
    struct slice bytes = lesson->walk.bytes;
    if (key.data < bytes.data + lesson->literal_at || key.data > bytes.data + bytes.size) {
        return false; /* it has an escape: what it means is not what is written */
    }
    meaning->key_at = (size_t)(key.data - bytes.data);
    meaning->key_size = key.size;
    return true;
}

void shape_lesson_end(struct shape_lesson *lesson, size_t arena_mark) {
    struct shape_meaning nothing = {0};
    if (!lesson->is_over && lesson->walk.error == NULL) {
        add_node(lesson, lesson->walk.at, SHAPE_END, &nothing);
    }
    arena_rewind(lesson->walk.arena, arena_mark);
}
