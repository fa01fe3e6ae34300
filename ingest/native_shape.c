/*
 * native_shape.c - see native_shape.h.
 *
 * A node's field is an enum native_field or NATIVE_SCORE, its type an enum json_type. A member that
 * is null says nothing and is part of what stands between the values; so are an empty array and an
 * empty object.
 */
#include "ingest/native_shape.h"

#include "ingest/shape_path.h"

/* details.score: an attribute, too. */
enum { NATIVE_SCORE = NATIVE_FIELDS_COUNT };

/* --- Taking --- */

static inline void add_dependency(struct draft *draft, struct slice entity) {
    struct envelope *envelope = &draft->envelope;
    if (envelope->depends_on_count <= DEPENDS_ON_PER_EVENT_MAX) {
        draft->depends_on[envelope->depends_on_count++] = entity;
    }
    envelope->depends_on = draft->depends_on;
}

static inline bool take_field(void *object, const struct shape_node *node, const uint8_t *literal,
                              struct slice value) {
    struct draft *draft = object;
    struct slice key = slice_of(literal + node->key_at, node->key_size);
    if (node->field < NATIVE_TEXTS_COUNT) {
        *native_text_of(draft, (enum native_field)node->field) = value;
        return true;
    }
    switch (node->field) {
    case NATIVE_DEPENDS_ON:
        add_dependency(draft, value);
        break;
    case NATIVE_SCORE:
        native_set_details_score(draft, value);
        draft_set_attribute(draft, key, value, (enum json_type)node->type);
        break;
    case NATIVE_OTHER:
        draft_set_attribute(draft, key, value, (enum json_type)node->type);
        break;
    default:
        native_set_meaning(draft, (enum native_field)node->field, key, value);
        break;
    }
    return true;
}

size_t native_shape_take(struct shapes *shapes, struct slice text, struct draft *draft) {
    return shape_take(shapes, text, take_field, draft);
}

/* --- Learning --- */

/* A string or a number; with is_any also true and false. Of another kind the lesson is over. */
static void learn_value(struct shape_lesson *lesson, struct shape_meaning *meaning, bool is_any) {
    enum json_type type = json_peek(&lesson->walk);
    meaning->type = (uint8_t)type;
    if (type == JSON_STRING) {
        shape_lesson_add(lesson, SHAPE_STRING, meaning);
    } else if (type == JSON_NUMBER) {
        shape_lesson_add(lesson, SHAPE_NUMBER, meaning);
    } else if (is_any && (type == JSON_TRUE || type == JSON_FALSE)) {
        shape_lesson_add(lesson, SHAPE_BOOL, meaning);
    } else {
        lesson->is_over = true;
    }
}

static void learn_depends_on(struct shape_lesson *lesson) {
    json_enter_array(&lesson->walk);
    while (!lesson->is_over && json_next_element(&lesson->walk)) {
        struct shape_meaning item = {.field = NATIVE_DEPENDS_ON};
        learn_value(lesson, &item, false);
    }
}

static void learn_attribute(struct shape_lesson *lesson, struct slice key, bool is_of_details) {
    struct shape_meaning meaning = {.field = NATIVE_OTHER};
    bool is_number = json_peek(&lesson->walk) == JSON_NUMBER;
    if (is_of_details && is_number && slice_equals(key, SLICE("score"))) {
        meaning.field = NATIVE_SCORE;
    }
    if (json_take_null(&lesson->walk)) {
        return;
    }
    if (!shape_lesson_has_key(lesson, key, &meaning)) {
        lesson->is_over = true;
        return;
    }
    learn_value(lesson, &meaning, true);
}

static void learn_details(struct shape_lesson *lesson) {
    struct slice key;
    json_enter_object(&lesson->walk);
    while (!lesson->is_over && json_next_member(&lesson->walk, &key)) {
        learn_attribute(lesson, key, true);
    }
}

static void learn_member(struct shape_lesson *lesson, struct slice key, uint32_t *seen) {
    enum native_field field = native_field_of(key);
    struct shape_meaning meaning = {.field = (uint8_t)field};
    enum json_type type = json_peek(&lesson->walk);
    if (field == NATIVE_OTHER || (field == NATIVE_DETAILS && type != JSON_OBJECT)) {
        learn_attribute(lesson, key, false);
    } else if ((*seen & (1u << field)) != 0 || !shape_lesson_has_key(lesson, key, &meaning)) {
        lesson->is_over = true;
    } else if (field == NATIVE_DEPENDS_ON && type == JSON_ARRAY) {
        learn_depends_on(lesson);
    } else if (field == NATIVE_DETAILS) {
        learn_details(lesson);
    } else if (!json_take_null(&lesson->walk)) {
        lesson->is_over = field == NATIVE_DEPENDS_ON;
        learn_value(lesson, &meaning, false);
    }
    *seen |= 1u << field;
}

void native_shape_learn(struct shapes *shapes, struct slice text, struct arena *arena) {
    static_assert(NATIVE_FIELDS_COUNT <= 32, "a bit each");
    struct shape_lesson lesson;
    struct slice key;
    uint32_t seen = 0;
    size_t mark = arena->used_bytes;
    if (shapes->pause > 0) {
        return; /* the index costs more than the event */
    }
    struct json_walk walk = json_walk_over(text, arena);
    if (!shape_lesson_begin(&lesson, shapes, &walk)) {
        arena_rewind(arena, mark);
        return;
    }
    json_enter_object(&lesson.walk);
    while (!lesson.is_over && json_next_member(&lesson.walk, &key)) {
        learn_member(&lesson, key, &seen);
    }
    shape_lesson_end(&lesson, mark);
}
