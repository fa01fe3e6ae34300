/* otlp_shape_learn.c - see otlp_shape.h: a good record becomes a path of nodes. */
#include "core/base/assert.h"
#include "ingest/otlp_shape_internal.h"

/* A tree without room that the records no longer fit is begun anew. */
enum { MISSES_WHEN_STALE = 32 };

struct lesson {
    struct otlp_shapes *shapes;
    struct json_walk walk;
    size_t literal_at; /* behind the last value */
    uint16_t place;    /* its node */
    bool is_over;      /* something that is not learned, or no room */
};

/* What a value is. */
struct meaning {
    enum shape_field field;
    enum attribute_type type;
    enum otlp_known known;
    size_t key_at;
    size_t key_size;
};

static struct meaning meaning_of(enum shape_field field) {
    return (struct meaning){.field = field, .known = OTLP_KNOWN_COUNT};
}

static uint16_t find_same(const struct otlp_shapes *shapes, uint16_t parent, struct slice literal,
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
static void add_node(struct lesson *lesson, size_t end, enum shape_kind kind,
                     const struct meaning *meaning) {
    struct otlp_shapes *shapes = lesson->shapes;
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
        .field = (uint8_t)meaning->field,
        .type = (uint8_t)meaning->type,
        .known = (uint8_t)meaning->known,
    };
    shapes->nodes[lesson->place].first_child = place;
    memcpy(shapes->text + shapes->text_bytes, literal.data, literal.size);
    shapes->text_bytes += (uint32_t)literal.size;
    lesson->place = place;
}

/* A value of its own; what is ignored and no plain value is the same bytes every time. */
static void learn_value(struct lesson *lesson, const struct meaning *meaning) {
    struct json_walk *walk = &lesson->walk;
    struct slice text;
    bool flag;
    enum json_type type = json_peek(walk);
    size_t at = json_next_at(walk);
    if (type == JSON_STRING) {
        json_take_string(walk, &text);
        add_node(lesson, at + 1, SHAPE_STRING, meaning);
        lesson->literal_at = walk->at - 1;
    } else if (type == JSON_NUMBER) {
        json_take_number(walk, &text);
        add_node(lesson, at, SHAPE_INTEGER, meaning);
        lesson->literal_at = walk->at;
    } else if ((type == JSON_TRUE || type == JSON_FALSE) && meaning->type == ATTRIBUTE_BOOL) {
        json_take_bool(walk, &flag);
        add_node(lesson, at, SHAPE_BOOL, meaning);
        lesson->literal_at = walk->at;
    } else {
        lesson->is_over = lesson->is_over || meaning->field != SHAPE_IGNORED;
        json_skip(walk, NULL);
    }
}

/* The one member of an AnyValue, of a type that is taken as it is written. */
static void learn_any(struct lesson *lesson, struct meaning *meaning, bool is_text_only) {
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
static void learn_attribute(struct lesson *lesson) {
    struct json_walk *walk = &lesson->walk;
    struct meaning meaning = meaning_of(SHAPE_ATTRIBUTE);
    struct slice key = {0};
    if (json_peek(walk) != JSON_OBJECT || !json_enter_object(walk) ||
        !enter_member(walk, SLICE("key")) || json_peek(walk) != JSON_STRING) {
        lesson->is_over = true;
        return;
    }
    meaning.key_at = json_next_at(walk) + 1;
    json_take_string(walk, &key);
    meaning.key_size = key.size;
    meaning.known = otlp_known_of(key);
    bool is_as_written = key.data == walk->bytes.data + meaning.key_at;
    if (!is_as_written || !enter_member(walk, SLICE("value"))) {
        lesson->is_over = true;
        return;
    }
    learn_any(lesson, &meaning, false);
    lesson->is_over = lesson->is_over || json_next_member(walk, &key);
}

static void learn_attributes(struct lesson *lesson) {
    if (json_peek(&lesson->walk) != JSON_ARRAY || !json_enter_array(&lesson->walk)) {
        lesson->is_over = true;
        return;
    }
    while (!lesson->is_over && json_next_element(&lesson->walk)) {
        learn_attribute(lesson);
    }
}

static void learn_member(struct lesson *lesson, struct slice key) {
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
    struct meaning meaning = meaning_of(SHAPE_IGNORED);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        meaning.field = slice_equals(key, plain[i].key) ? plain[i].field : meaning.field;
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

static void learn_record(struct lesson *lesson) {
    struct meaning nothing = meaning_of(SHAPE_IGNORED);
    struct slice key;
    json_enter_object(&lesson->walk);
    while (!lesson->is_over && json_next_member(&lesson->walk, &key)) {
        learn_member(lesson, key);
    }
    if (!lesson->is_over && lesson->walk.error == NULL) {
        add_node(lesson, lesson->walk.at, SHAPE_END, &nothing);
    }
}

void otlp_shape_learn(struct otlp_shapes *shapes, const struct json_walk *record) {
    if (shapes->pause > 0) {
        return;
    }
    if (shapes->is_full && shapes->misses >= MISSES_WHEN_STALE) {
        otlp_shapes_init(shapes);
    }
    struct lesson lesson = {.shapes = shapes, .walk = *record};
    size_t mark = record->arena->used_bytes;
    lesson.literal_at = json_next_at(&lesson.walk);
    learn_record(&lesson);
    arena_rewind(record->arena, mark);
}
