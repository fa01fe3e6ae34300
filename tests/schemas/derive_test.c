/* derive_test.c - the rules of product.md, "From a record to an envelope", and the memo. */
#include "core/base/limits.h"
#include "core/base/text.h"
#include "schemas/derive_memo.h"
#include "tests/base/unit.h"

#define NOW (UINT64_C(1800000000) * NS_PER_S)

struct room {
    struct arena arena;
    struct fault reason;
};

static void room_init(struct room *room) {
    room->reason.words[0] = 0;
    assert_status(arena_init(&room->arena, MIB), OK);
}

static struct slice entity_of(struct room *room, struct derive_entity_keys keys) {
    struct slice entity = {0};
    assert_status(derive_entity(&keys, &room->arena, &entity, &room->reason), OK);
    return entity;
}

static void the_first_of_job_dataset_check_service_names_the_entity(void **state) {
    struct room room;
    struct derive_entity_keys keys = {SLICE("j"), SLICE("d"), SLICE("c"), SLICE("s"), SLICE("ns")};
    (void)state;
    room_init(&room);
    assert_slice(entity_of(&room, keys), "job:j");
    keys.job_id.size = 0;
    assert_slice(entity_of(&room, keys), "dataset:d");
    keys.dataset_name.size = 0;
    assert_slice(entity_of(&room, keys), "check:c");
    keys.check_id.size = 0;
    assert_slice(entity_of(&room, keys), "service:ns/s");
    keys.service_namespace.size = 0;
    assert_slice(entity_of(&room, keys), "service:s");
    keys.service_name.size = 0;
    assert_slice(entity_of(&room, keys), "unknown:unidentified");
    arena_deinit(&room.arena);
}

static void an_entity_with_a_control_character_or_too_long_is_refused(void **state) {
    struct room room;
    struct slice entity;
    static char long_name[ENTITY_BYTES_MAX];
    (void)state;
    room_init(&room);
    memset(long_name, 'x', sizeof(long_name));
    struct derive_entity_keys keys = {.job_id = SLICE("a\nb")};
    assert_status(derive_entity(&keys, &room.arena, &entity, &room.reason), INVALID);
    keys.job_id = slice_of(long_name, sizeof(long_name));
    assert_status(derive_entity(&keys, &room.arena, &entity, &room.reason), INVALID);
    assert_status(derive_check_entity(SLICE("platform/job:x"), &room.reason), OK);
    static const char *const wrong[] = {"", "job", "job:", ":x", "Job:x", "job:\x7f", "job:\xff"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_status(derive_check_entity(slice_of_text(wrong[i]), &room.reason), INVALID);
    }
    arena_deinit(&room.arena);
}

/* Every byte at every place of names of every small size: only 0x00 to 0x1F and 0x7F are control,
 * and from 0x80 on none is a character alone. */
static void a_control_character_is_found_wherever_it_stands(void **state) {
    struct room room;
    struct slice entity;
    uint8_t name[24];
    (void)state;
    room_init(&room);
    for (size_t size = 1; size <= sizeof(name); size++) {
        for (size_t at = 0; at < size; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(name, 'x', sizeof(name));
                name[at] = (uint8_t)byte;
                struct derive_entity_keys keys = {.job_id = slice_of(name, size)};
                bool is_refused = byte < 0x20 || byte >= 0x7F;
                arena_reset(&room.arena);
                assert_int_equal(derive_entity(&keys, &room.arena, &entity, &room.reason).code,
                                 is_refused ? STATUS_INVALID : STATUS_OK);
                assert_true(is_refused || entity.size == size + 4);
                assert_true(is_refused || memcmp(entity.data + 4, name, size) == 0);
            }
        }
    }
    arena_deinit(&room.arena);
}

static void an_entity_may_have_any_character_that_is_no_control(void **state) {
    static const char *const names[] = {"\u00e4", "\u20ac", "\u00a0x", "load orders \u20ac"};
    struct room room;
    (void)state;
    room_init(&room);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct derive_entity_keys keys = {.job_id = slice_of_text(names[i])};
        struct slice entity = entity_of(&room, keys);
        assert_true(slice_equals(slice_tail(entity, 4), slice_of_text(names[i])));
    }
    arena_deinit(&room.arena);
}

static struct envelope derived(struct room *room, struct envelope envelope, const char *dedup_by) {
    struct derive_context context = {.hash_seed = 5,
                                     .now_ns = NOW,
                                     .tenant = SLICE("acme"),
                                     .dedup_by = slice_of_text(dedup_by)};
    envelope.tenant = envelope.tenant.size > 0 ? envelope.tenant : context.tenant;
    envelope.entity = envelope.entity.size > 0 ? envelope.entity : SLICE("service:api");
    envelope.event_time_ns = envelope.event_time_ns > 0 ? envelope.event_time_ns : NOW;
    assert_status(derive_envelope(&context, &room->arena, &envelope, &room->reason), OK);
    return envelope;
}

static void an_error_log_is_a_failure_and_an_info_log_is_nothing(void **state) {
    struct room room;
    (void)state;
    room_init(&room);
    struct envelope log = {.kind = EVENT_KIND_LOG,
                           .severity = EVENT_SEVERITY_ERROR,
                           .message = SLICE("timeout after 30s")};
    struct envelope error = derived(&room, log, "");
    assert_int_equal(error.status, EVENT_STATUS_FAILED);
    assert_true((error.flags & ENVELOPE_SIGNAL) != 0);
    assert_slice(error.error_class, "timeout after #s");
    log.severity = EVENT_SEVERITY_INFO;
    struct envelope info = derived(&room, log, "");
    assert_int_equal(info.status, EVENT_STATUS_NONE);
    assert_int_equal(info.flags & (ENVELOPE_SIGNAL | ENVELOPE_GOOD), 0);
    assert_int_equal(info.error_class.size, 0);
    arena_deinit(&room.arena);
}

static void a_time_that_cannot_be_is_clamped_and_flagged(void **state) {
    struct room room;
    (void)state;
    room_init(&room);
    static const uint64_t wrong[] = {1, NOW + 2 * NS_PER_DAY, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct envelope envelope = derived(&room, (struct envelope){.event_time_ns = wrong[i]}, "");
        assert_int_equal(envelope.event_time_ns, NOW);
        assert_true((envelope.flags & ENVELOPE_TIME_CLAMPED) != 0);
    }
    struct envelope good = derived(&room, (struct envelope){.event_time_ns = NOW - NS_PER_S}, "");
    assert_int_equal(good.event_time_ns, NOW - NS_PER_S);
    assert_int_equal(good.flags & ENVELOPE_TIME_CLAMPED, 0);
    arena_deinit(&room.arena);
}

/* As a reader finds it: of a record without an id the texts are in it only once it is encoded. */
static struct hash128 stored_event_key(struct room *room, struct envelope envelope) {
    static uint8_t memory[64 * KIB];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct envelope full = derived(room, envelope, "");
    struct envelope stored;
    assert_status(envelope_encode(&full, &writer), OK);
    envelope_read(writer_slice(&writer), &stored);
    return stored.event_key;
}

static bool have_one_event_key(struct room *room, struct envelope a, struct envelope b) {
    return hash128_equals(stored_event_key(room, a), stored_event_key(room, b));
}

static void what_has_no_id_is_known_by_tenant_entity_and_content(void **state) {
    struct room room;
    (void)state;
    room_init(&room);
    struct envelope one = {.message = SLICE("m"), .run_id = SLICE("r")};
    struct envelope other = one;
    assert_true(have_one_event_key(&room, one, other));
    other.message = SLICE("n");
    assert_false(have_one_event_key(&room, one, other));
    other = one;
    other.tenant = SLICE("other");
    assert_false(have_one_event_key(&room, one, other));
    other = one;
    other.entity = SLICE("service:other");
    assert_false(have_one_event_key(&room, one, other));
    other = one;
    other.message = SLICE("mr"); /* fields keep their borders */
    other.run_id.size = 0;
    assert_false(have_one_event_key(&room, one, other));
    other = one;
    other.run_id.size = 0;
    other.error_class = SLICE("r"); /* a field is not another */
    assert_false(have_one_event_key(&room, one, other));
    other = one;
    other.source = SLICE("another way in");
    assert_true(have_one_event_key(&room, one, other));
    other.run_id = SLICE("r2");
    other.event_id = one.event_id = SLICE("e-1");
    assert_true(have_one_event_key(&room, one, other));
    other.tenant = SLICE("other");
    assert_false(have_one_event_key(&room, one, other));
    arena_deinit(&room.arena);
}

static void what_is_cut_off_still_tells_records_apart(void **state) {
    static uint8_t long_text[MESSAGE_BYTES_MAX + 1];
    static uint8_t other_text[MESSAGE_BYTES_MAX + 1];
    static const struct {
        size_t offset;
        size_t kept;
    } fields[] = {
        {offsetof(struct envelope, message), MESSAGE_BYTES_MAX},
        {offsetof(struct envelope, run_id), RUN_ID_BYTES_MAX},
        {offsetof(struct envelope, error_class), ERROR_CLASS_BYTES_MAX},
    };
    struct room room;
    (void)state;
    room_init(&room);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct envelope one = {.message = SLICE("m")};
        struct envelope other = one;
        memset(long_text, 'a', sizeof(long_text));
        memset(other_text, 'a', sizeof(other_text));
        other_text[fields[i].kept] = 'b';
        struct slice texts[2] = {slice_of(long_text, fields[i].kept + 1),
                                 slice_of(other_text, fields[i].kept + 1)};
        memcpy((uint8_t *)&one + fields[i].offset, &texts[0], sizeof(texts[0]));
        memcpy((uint8_t *)&other + fields[i].offset, &texts[1], sizeof(texts[1]));
        assert_true(have_one_event_key(&room, one, one));
        assert_false(have_one_event_key(&room, one, other));
    }
    arena_deinit(&room.arena);
}

static void texts_are_cut_between_characters(void **state) {
    static char text[MESSAGE_BYTES_MAX + 8];
    struct room room;
    (void)state;
    room_init(&room);
    for (size_t shift = 0; shift < 4; shift++) { /* four bytes a character */
        for (size_t i = 0; i < sizeof(text); i++) {
            text[i] = i < shift ? 'a' : "\xF0\x9F\x98\x80"[(i - shift) % 4];
        }
        struct slice all = slice_of(text, sizeof(text) - (4 - shift) % 4);
        struct envelope envelope = {.run_id = all, .error_class = all, .message = all};
        envelope = derived(&room, envelope, "");
        size_t lost = (4 - shift) % 4;
        assert_int_equal(envelope.run_id.size, RUN_ID_BYTES_MAX - lost);
        assert_int_equal(envelope.error_class.size, ERROR_CLASS_BYTES_MAX - lost);
        assert_int_equal(envelope.message.size, MESSAGE_BYTES_MAX - lost);
        assert_true(text_is_utf8(envelope.run_id) && text_is_utf8(envelope.error_class) &&
                    text_is_utf8(envelope.message));
    }
    arena_deinit(&room.arena);
}

static void dedup_by_chooses_what_separates(void **state) {
    struct room room;
    struct attribute zones[2] = {{SLICE("zone"), SLICE("a"), ATTRIBUTE_STRING},
                                 {SLICE("zone"), SLICE("b"), ATTRIBUTE_STRING}};
    (void)state;
    room_init(&room);
    struct envelope one = {.status = EVENT_STATUS_FAILED,
                           .error_class = SLICE("X"),
                           .attributes = &zones[0],
                           .attributes_count = 1};
    struct envelope other = one;
    other.attributes = &zones[1];
    other.error_class = SLICE("Y");
    struct hash128 left = derived(&room, one, "entity").fingerprint;
    struct hash128 right = derived(&room, other, "entity").fingerprint;
    assert_true(hash128_equals(left, right));
    left = derived(&room, one, "entity, zone").fingerprint;
    right = derived(&room, other, "entity, zone").fingerprint;
    assert_false(hash128_equals(left, right));
    arena_deinit(&room.arena);
}

/* By its name here, in a native event or in OTLP: two that differ in it are two. */
static void dedup_by_takes_every_field(void **state) {
    static const struct {
        const char *key;
        struct envelope other;
    } cases[] = {
        {"severity", {.severity = EVENT_SEVERITY_CRITICAL}},
        {"source", {.source = SLICE("native")}},
        {"event_id", {.event_id = SLICE("e2")}},
        {"event.id", {.event_id = SLICE("e2")}},
        {"run.id", {.run_id = SLICE("r2")}},
        {"error_type", {.error_class = SLICE("Y")}},
        {"trace_id", {.trace_id = {.lo = 7}}},
        {"span_id", {.span_id = 7}},
        {"parent_span_id", {.parent_span_id = 7}},
        {"job_id", {.entity = SLICE("job:load")}},
        {"dataset.name", {.entity = SLICE("dataset:orders")}},
        {"check.id", {.entity = SLICE("check:rows")}},
        {"service.name", {.entity = SLICE("service:web")}},
    };
    struct room room;
    (void)state;
    room_init(&room);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hash128 none = derived(&room, (struct envelope){0}, cases[i].key).fingerprint;
        struct hash128 other = derived(&room, cases[i].other, cases[i].key).fingerprint;
        assert_false(hash128_equals(none, other));
    }
    struct attribute job = {SLICE("job.id"), SLICE("load"), ATTRIBUTE_STRING};
    struct envelope native = {.entity = SLICE("job:load")};
    struct envelope log = {.entity = native.entity, .attributes = &job, .attributes_count = 1};
    struct hash128 one = derived(&room, native, "job.id").fingerprint;
    assert_true(hash128_equals(one, derived(&room, log, "job.id").fingerprint));
    struct attribute own = {SLICE("source"), SLICE("db1"), ATTRIBUTE_STRING}; /* is what is meant */
    log = (struct envelope){.source = SLICE("a@1"), .attributes = &own, .attributes_count = 1};
    one = derived(&room, log, "source").fingerprint;
    log.source = SLICE("a@2");
    assert_true(hash128_equals(one, derived(&room, log, "source").fingerprint));
    arena_deinit(&room.arena);
}

/* Records as a request brings them: few services, tenants and kinds, by the same bytes. */
static void a_memo_never_changes_a_result(void **state) {
    static const char *const services[] = {"api", "web", "db"};
    static const char *const tenants[] = {"acme", "beta"};
    struct derive_memo memo = {0};
    struct room room;
    uint64_t random = 88172645463325252U;
    (void)state;
    room_init(&room);
    for (int i = 0; i < 20000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        struct derive_entity_keys keys = {.service_name = slice_of_text(services[random % 3])};
        keys.job_id = (random >> 8) % 5 == 0 ? SLICE("nightly") : keys.job_id;
        struct envelope plain = {.tenant = slice_of_text(tenants[(random >> 16) % 2]),
                                 .kind = (random >> 24) % 7 == 0 ? EVENT_KIND_SPAN : EVENT_KIND_LOG,
                                 .severity = (random >> 32) % 4 == 0 ? EVENT_SEVERITY_ERROR
                                                                     : EVENT_SEVERITY_INFO,
                                 .message = (random >> 40) % 2 == 0 ? SLICE("a") : SLICE("b"),
                                 .event_time_ns = NOW};
        struct envelope recalled = plain;
        struct derive_context context = {.hash_seed = 5, .now_ns = NOW};
        context.dedup_by = (random >> 48) % 8 == 0 ? SLICE("message") : context.dedup_by;
        assert_status(derive_entity(&keys, &room.arena, &plain.entity, &room.reason), OK);
        assert_status(derive_envelope(&context, &room.arena, &plain, &room.reason), OK);
        context.memo = &memo;
        assert_status(derive_memo_entity(&memo, &keys, &room.arena, &recalled.entity, &room.reason),
                      OK);
        assert_status(derive_envelope(&context, &room.arena, &recalled, &room.reason), OK);
        assert_true(slice_equals(plain.entity, recalled.entity));
        assert_true(hash128_equals(plain.entity_key, recalled.entity_key));
        assert_true(hash128_equals(plain.fingerprint, recalled.fingerprint));
        assert_true(hash128_equals(plain.event_key, recalled.event_key));
        arena_reset(&room.arena);
    }
    arena_deinit(&room.arena);
}

/* As unescaped strings stand in an arena that is rewound behind each record. */
static void a_memo_is_not_fooled_by_other_bytes_in_the_same_place(void **state) {
    static const char *const names[] = {"a/1", "b/2", "b/2", "c/3"};
    uint8_t place[5][3];
    struct room room;
    (void)state;
    room_init(&room);
    for (int field = 0; field < 5; field++) {
        struct derive_memo memo = {0};
        for (int i = 0; i < 4; i++) {
            struct derive_entity_keys keys = {0};
            struct slice *const fields[] = {&keys.job_id, &keys.dataset_name, &keys.check_id,
                                            &keys.service_name, &keys.service_namespace};
            struct slice expected = {0};
            struct slice recalled = {0};
            memcpy(place[field], names[i], 3);
            *fields[field] = slice_of(place[field], 3);
            keys.service_name = field == 4 ? SLICE("api") : keys.service_name;
            assert_status(derive_entity(&keys, &room.arena, &expected, &room.reason), OK);
            assert_status(derive_memo_entity(&memo, &keys, &room.arena, &recalled, &room.reason),
                          OK);
            assert_true(slice_equals(expected, recalled));
        }
    }
    arena_deinit(&room.arena);
}

static void a_memo_is_not_fooled_by_another_tenant_in_the_same_place(void **state) {
    uint8_t tenant[4];
    struct derive_memo memo = {0};
    struct derive_entity_keys keys = {.service_name = SLICE("api")};
    struct derive_context context = {.hash_seed = 5, .now_ns = NOW, .memo = &memo};
    struct hash128 seen[2];
    struct room room;
    (void)state;
    room_init(&room);
    for (int i = 0; i < 2; i++) {
        memcpy(tenant, i == 0 ? "acme" : "beta", 4);
        struct envelope envelope = {.tenant = slice_of(tenant, 4), .event_time_ns = NOW};
        assert_status(derive_memo_entity(&memo, &keys, &room.arena, &envelope.entity, &room.reason),
                      OK);
        assert_status(derive_envelope(&context, &room.arena, &envelope, &room.reason), OK);
        seen[i] = envelope.entity_key;
    }
    assert_false(hash128_equals(seen[0], seen[1]));
    arena_deinit(&room.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_job_dataset_check_service_names_the_entity),
        cmocka_unit_test(an_entity_with_a_control_character_or_too_long_is_refused),
        cmocka_unit_test(a_control_character_is_found_wherever_it_stands),
        cmocka_unit_test(an_entity_may_have_any_character_that_is_no_control),
        cmocka_unit_test(an_error_log_is_a_failure_and_an_info_log_is_nothing),
        cmocka_unit_test(a_time_that_cannot_be_is_clamped_and_flagged),
        cmocka_unit_test(what_has_no_id_is_known_by_tenant_entity_and_content),
        cmocka_unit_test(what_is_cut_off_still_tells_records_apart),
        cmocka_unit_test(texts_are_cut_between_characters),
        cmocka_unit_test(dedup_by_chooses_what_separates),
        cmocka_unit_test(dedup_by_takes_every_field),
        cmocka_unit_test(a_memo_never_changes_a_result),
        cmocka_unit_test(a_memo_is_not_fooled_by_other_bytes_in_the_same_place),
        cmocka_unit_test(a_memo_is_not_fooled_by_another_tenant_in_the_same_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
