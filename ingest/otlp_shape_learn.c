/* otlp_shape_learn.c - see otlp_shape.h: a good record becomes a path of nodes. */
#include "ingest/otlp_shape_internal.h"

static struct shape_meaning meaning_of(enum shape_field field) {
    return (struct shape_meaning){.field = (uint8_t)field, .known = OTLP_KNOWN_COUNT};
}

/* A value of its own; what is ignored and no plain value is the same bytes every time. */
static void learn_value(struct shape_lesson *lesson, const struct shape_meaning *meaning) {
    enum json_type type = json_peek(&lesson->walk);
    bool is_bool = type == JSON_TRUE || type == JSON_FALSE;
    if (type == JSON_STRING) {
        shape_lesson_add(lesson, SHAPE_STRING, meaning);
    } else if (type == JSON_NUMBER) {
        shape_lesson_add(lesson, SHAPE_INTEGER, meaning);
    } else if (is_bool && meaning->type == ATTRIBUTE_BOOL) {
        shape_lesson_add(lesson, SHAPE_BOOL, meaning);
    } else {
        lesson->is_over = lesson->is_over || meaning->field != SHAPE_IGNORED;
        json_skip(&lesson->walk, NULL);
    }
}

/* The one member of an AnyValue, of a type that is taken as it is written. */
static void learn_any(struct shape_lesson *lesson, struct shape_meaning *meaning,
                      bool is_text_only) {
    struct json_walk *walk = &lesson->walk;
    struct slice key = {0};
    if (json_peek(walk) != JSON_OBJECT || !json_enter_object(walk) ||
        !json_next_member(walk, &key)) {
        lesson->is_over = true;
        return;
    }
    enum json_type type = json_peek(walk);
    if (json_key_is(key, "stringValue") && type == JSON_STRING) {
        meaning->type = ATTRIBUTE_STRING;
    } else if (json_key_is(key, "intValue") && !is_text_only) {
        meaning->type = ATTRIBUTE_INT;
    } else if (json_key_is(key, "boolValue") && !is_text_only) {
        meaning->type = ATTRIBUTE_BOOL;
    } else {
        lesson->is_over = true;
        return;
    }
    learn_value(lesson, meaning);
    lesson->is_over = lesson->is_over || json_next_member(walk, &key);
}

/* Whether the walk is at a member with this key and takes it; `key_out` is the key as written. */
static bool enter_member(struct json_walk *walk, struct slice wanted) {
    struct slice key = {0};
    return json_next_member(walk, &key) && slice_equals(key, wanted);
}

/* {"key":"...","value":{...}} in this order and nothing else. */
static void learn_attribute(struct shape_lesson *lesson) {
    struct json_walk *walk = &lesson->walk;
    struct shape_meaning meaning = meaning_of(SHAPE_ATTRIBUTE);
    struct slice key = {0};
    if (json_peek(walk) != JSON_OBJECT || !json_enter_object(walk) ||
        !enter_member(walk, SLICE("key")) || json_peek(walk) != JSON_STRING) {
        lesson->is_over = true;
        return;
    }
    json_take_string(walk, &key);
    meaning.known = (uint8_t)otlp_known_of(key);
    if (!shape_lesson_has_key(lesson, key, &meaning) || !enter_member(walk, SLICE("value"))) {
        lesson->is_over = true;
        return;
    }
    learn_any(lesson, &meaning, false);
    lesson->is_over = lesson->is_over || json_next_member(walk, &key);
}

static void learn_attributes(struct shape_lesson *lesson) {
    if (json_peek(&lesson->walk) != JSON_ARRAY || !json_enter_array(&lesson->walk)) {
        lesson->is_over = true;
        return;
    }
    while (!lesson->is_over && json_next_element(&lesson->walk)) {
        learn_attribute(lesson);
    }
}

static void learn_member(struct shape_lesson *lesson, struct slice key) {
    static const struct {
        struct slice key;
        enum shape_field field;
    } plain[] = {
        {{(const uint8_t *)"timeUnixNano", 12}, SHAPE_TIME},
        {{(const uint8_t *)"observedTimeUnixNano", 20}, SHAPE_OBSERVED},
        {{(const uint8_t *)"severityNumber", 14}, SHAPE_SEVERITY},
        {{(const uint8_t *)"traceId", 7}, SHAPE_TRACE},
        {{(const uint8_t *)"spanId", 6}, SHAPE_SPAN},
        {{(const uint8_t *)"eventName", 9}, SHAPE_EVENT_NAME},
    };
    struct shape_meaning meaning = meaning_of(SHAPE_IGNORED);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        meaning.field = slice_equals(key, plain[i].key) ? (uint8_t)plain[i].field : meaning.field;
    }
    if (json_key_is(key, "attributes")) {
        learn_attributes(lesson);
    } else if (json_key_is(key, "body")) {
        meaning.field = SHAPE_BODY;
        learn_any(lesson, &meaning, true);
    } else {
        learn_value(lesson, &meaning);
    }
}

void otlp_shape_learn(struct shapes *shapes, const struct json_walk *record) {
    struct shape_lesson lesson;
    struct slice key;
    size_t mark = record->arena->used_bytes;
    if (!shape_lesson_begin(&lesson, shapes, record)) {
        return;
    }
    json_enter_object(&lesson.walk);
    while (!lesson.is_over && json_next_member(&lesson.walk, &key)) {
        learn_member(&lesson, key);
    }
    shape_lesson_end(&lesson, mark);
}
