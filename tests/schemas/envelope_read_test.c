/* envelope_read_test.c - the quick way to read our own envelopes agrees with the way by vtable. */
#include "core/base/limits.h"
#include "schemas/envelope.h"
#include "schemas/envelope_template.h"
#include "tests/base/unit.h"

enum { ROUNDS = 20000, ROOM = 2048 };

static uint64_t next(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static struct slice any_text(uint64_t *random, size_t size_max) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    return slice_of(letters + next(random) % 20, next(random) % (size_max + 1));
}

static size_t encode_any(uint64_t *random, uint8_t bytes[ROOM]) {
    struct attribute attributes[3];
    struct slice depends_on[2] = {SLICE("job:a"), SLICE("job:bc")};
    for (int i = 0; i < 3; i++) {
        attributes[i] = (struct attribute){any_text(random, 9), any_text(random, 9),
                                           (enum attribute_type)(next(random) % 6)};
    }
    struct envelope envelope = {
        .event_key = {next(random), next(random)},
        .fingerprint = {next(random), next(random)},
        .entity_key = {next(random), next(random)},
        .trace_id = {next(random), next(random)},
        .span_id = next(random),
        .parent_span_id = next(random),
        .event_time_ns = next(random),
        .ingest_time_ns = next(random),
        .score = (double)next(random),
        .flags = (uint32_t)next(random) & 0x7F,
        .kind = (enum event_kind)(next(random) % 7),
        .status = (enum event_status)(next(random) % EVENT_STATUS_COUNT),
        .severity = (enum event_severity)(next(random) % EVENT_SEVERITY_COUNT),
        .tenant = SLICE("acme"),
        .entity = any_text(random, 30),
        .event_id = any_text(random, 5),
        .run_id = any_text(random, 5),
        .error_class = any_text(random, 20),
        .message = any_text(random, 30),
        .source = any_text(random, 9),
        .reason = any_text(random, 9),
        .raw = any_text(random, 30),
        .attributes = attributes,
        .attributes_count = (uint32_t)(next(random) % 4),
        .depends_on = depends_on,
        .depends_on_count = (uint32_t)(next(random) % 3),
    };
    if (next(random) % 2 == 0) { /* nothing rare: the plain shape */
        envelope.parent_span_id = 0;
        envelope.score = 0;
        envelope.event_id = envelope.error_class = slice_of(NULL, 0);
        envelope.reason = envelope.raw = slice_of(NULL, 0);
        envelope.depends_on_count = 0;
    }
    struct writer writer = writer_over(bytes, ROOM);
    assert_status(envelope_encode(&envelope, &writer), OK);
    return writer.size;
}

static void assert_same_text(struct slice a, const uint8_t *a_base, struct slice b,
                             const uint8_t *b_base) {
    assert_int_equal(a.size, b.size);
    assert_int_equal(a.data - a_base, b.data - b_base);
}

static void assert_same_attributes(struct slice own, struct slice other, uint32_t count) {
    struct attribute_cursor a_cursor = envelope_attributes(own);
    struct attribute_cursor b_cursor = envelope_attributes(other);
    struct attribute a;
    struct attribute b;
    for (; count > 0; count--) {
        assert_true(attribute_cursor_next(&a_cursor, &a));
        assert_true(attribute_cursor_next(&b_cursor, &b));
        assert_same_text(a.key, own.data, b.key, other.data);
        assert_same_text(a.value, own.data, b.value, other.data);
        assert_int_equal(a.type, b.type);
    }
    assert_false(attribute_cursor_next(&a_cursor, &a));
    assert_false(attribute_cursor_next(&b_cursor, &b));
}

static void assert_same_reading(struct slice own, struct slice other) {
    struct envelope a;
    struct envelope b;
    envelope_read(own, &a);
    envelope_read(other, &b);
    assert_memory_equal(&a, &b, offsetof(struct envelope, tenant)); /* scalars come first */
    const struct slice a_texts[] = {a.tenant,  a.entity, a.event_id, a.run_id, a.error_class,
                                    a.message, a.source, a.reason,   a.raw};
    const struct slice b_texts[] = {b.tenant,  b.entity, b.event_id, b.run_id, b.error_class,
                                    b.message, b.source, b.reason,   b.raw};
    for (size_t i = 0; i < sizeof(a_texts) / sizeof(a_texts[0]); i++) {
        assert_same_text(a_texts[i], own.data, b_texts[i], other.data);
    }
    assert_int_equal(a.attributes_count, b.attributes_count);
    assert_int_equal(a.depends_on_count, b.depends_on_count);
    assert_same_attributes(own, other, a.attributes_count);
}

/* A glance never says anything else than the whole reading does; sound ones of ours are seen. */
static void assert_glance_agrees(struct slice own, bool is_sound) {
    struct envelope_glance glance;
    struct envelope envelope;
    bool is_seen = envelope_glance(own, &glance);
    assert_true(is_seen || !is_sound);
    if (!is_sound) {
        return;
    }
    envelope_read(own, &envelope);
    assert_memory_equal(&glance.event_key, &envelope.event_key, sizeof(envelope.event_key));
    assert_int_equal(glance.flags, envelope.flags);
    assert_int_equal(glance.kind, envelope.kind);
    assert_int_equal(glance.status, envelope.status);
    assert_same_text(glance.tenant, own.data, envelope.tenant, own.data);
    assert_same_text(glance.message, own.data, envelope.message, own.data);
    assert_int_equal(glance.depends_on_count, envelope.depends_on_count);
}

/* Padding that nobody reads, but the template has it: the copy goes the long way. */
static void spoil_template(uint8_t *bytes) {
    bytes[TABLE_AT - 1] ^= 1;
}

static void both_ways_agree_also_on_damage(void **state) {
    uint8_t own[ROOM];
    uint8_t other[ROOM];
    uint64_t random = 88172645463325252U;
    uint32_t refused = 0;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        memset(own, 0, sizeof(own));
        size_t size = encode_any(&random, own);
        for (uint64_t hits = round % 2 == 0 ? 0 : 1 + next(&random) % 2; hits > 0; hits--) {
            own[TABLE_AT + 4 + next(&random) % (size - TABLE_AT - 4)] ^=
                (uint8_t)(1u << next(&random) % 8);
        }
        memcpy(other, own, sizeof(own));
        spoil_template(other);
        struct status quick = envelope_verify(slice_of(own, size));
        struct status slow = envelope_verify(slice_of(other, size));
        assert_int_equal(quick.code, slow.code);
        assert_glance_agrees(slice_of(own, size), status_is_ok(quick));
        refused += quick.code == STATUS_CORRUPT;
        if (status_is_ok(quick)) {
            assert_same_reading(slice_of(own, size), slice_of(other, size));
        } else {
            assert_true(round % 2 == 1);
        }
    }
    assert_true(refused > ROUNDS / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways_agree_also_on_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
