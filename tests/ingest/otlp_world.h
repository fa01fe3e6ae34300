/* otlp_world.h - one request of OTLP/JSON, decoded, and what its envelopes say. */
#pragma once

#include "ingest/decode.h"
#include "tests/base/unit.h"

static uint8_t memory[1u << 20];

struct world {
    struct batch batch;
    struct arena arena;
    struct decode decode;
    struct slice entry;
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : &((struct world *)context)->batch;
}

static enum status_code decode_with(struct status (*decoder)(struct decode *, struct slice),
                                    struct world *world, struct slice body) {
    *world = (struct world){0};
    batch_init(&world->batch, memory, sizeof(memory));
    assert_status(arena_init(&world->arena, 1u << 20), OK);
    world->decode = (struct decode){.now_ns = UINT64_C(1800000000000000000),
                                    .source = SLICE("otlp-http"),
                                    .batch_for = batch_for,
                                    .arena = &world->arena,
                                    .context = world};
    return decoder(&world->decode, body).code;
}

static struct envelope envelope_at(struct world *world, uint32_t index) {
    struct batch_view view;
    struct envelope envelope;
    assert_status(batch_open(batch_finish(&world->batch), &view), OK);
    for (uint32_t i = 0; i <= index; i++) {
        assert_true(batch_next(&view, &world->entry));
    }
    assert_status(envelope_verify(world->entry), OK);
    envelope_read(world->entry, &envelope);
    return envelope;
}

/* All attributes as "key=value type" lines. */
static inline const char *attributes_of(struct world *world, uint32_t index) {
    static char lines[8192];
    static const char types[] = "sbidjB";
    struct envelope envelope = envelope_at(world, index);
    struct text text = text_over(lines, sizeof(lines) - 1);
    struct attribute_cursor cursor = envelope_attributes(world->entry);
    struct attribute attribute;
    assert_int_equal(cursor.left, envelope.attributes_count);
    while (attribute_cursor_next(&cursor, &attribute)) {
        text_add(&text, attribute.key);
        text_add_char(&text, '=');
        text_add(&text, attribute.value);
        text_add_char(&text, ' ');
        text_add_char(&text, types[attribute.type]);
        text_add_char(&text, '\n');
    }
    assert_false(text.truncated);
    lines[text.size] = 0;
    return lines;
}
