/* otlp_logs_test.c - OTLP/JSON logs become envelopes as product.md says. */
#include "ingest/decode.h"

#include "tests/base/unit.h"

static uint8_t memory[1u << 20];

struct world {
    struct batch batch;
    struct arena arena;
    struct decode decode;
    struct attribute notes[ATTRIBUTES_PER_EVENT_MAX];
    uint32_t notes_count;
    uint32_t asked; /* dedup.by, how often */
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : &((struct world *)context)->batch;
}

static struct world world_init(void) {
    struct world world = {0};
    batch_init(&world.batch, memory, sizeof(memory));
    assert_status(arena_init(&world.arena, 1u << 20), OK);
    world.decode = (struct decode){.now_ns = UINT64_C(1800000000000000000),
                                   .source = SLICE("otlp-http"),
                                   .batch_for = batch_for};
    return world;
}

static enum status_code decode_logs(struct world *world, const char *body) {
    world->decode.arena = &world->arena;
    world->decode.context = world;
    return otlp_json_decode_logs(&world->decode, slice_of_text(body)).code;
}

static struct envelope envelope_at(struct world *world, uint32_t index) {
    struct batch_view view;
    struct slice entry = {0};
    struct envelope envelope;
    assert_status(batch_open(batch_finish(&world->batch), &view), OK);
    for (uint32_t i = 0; i <= index; i++) {
        assert_true(batch_next(&view, &entry));
    }
    assert_status(envelope_verify(entry), OK);
    envelope_read(entry, &envelope);
    return envelope;
}

static void record_wins_over_scope_wins_over_resource(void **state) {
    struct world world = world_init();
    assert_int_equal(
        decode_logs(
            &world,
            "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"severityNumber\":17,"
            "\"timeUnixNano\":\"1799999999000000000\",\"body\":{\"stringValue\":\"boom 7\"},"
            "\"attributes\":[{\"key\":\"job.id\",\"value\":{\"stringValue\":\"inner\"}}],"
            "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\"},{\"unknown\":[{}]}],"
            "\"scope\":{\"attributes\":[{\"key\":\"job.id\",\"value\":{\"stringValue\":\"mid\"}}]}}"
            "],"
            "\"resource\":{\"attributes\":[{\"key\":\"job.id\",\"value\":{\"stringValue\":\"out\"}}"
            ","
            "{\"key\":\"tenant.id\",\"value\":{\"stringValue\":\"acme\"}}]}}]}"),
        STATUS_OK);
    assert_int_equal(world.decode.accepted, 2);
    struct envelope first = envelope_at(&world, 0);
    assert_slice(first.entity, "job:inner");
    assert_slice(first.tenant, "acme");
    assert_slice(first.message, "boom 7");
    assert_int_equal(first.status, EVENT_STATUS_FAILED);
    assert_int_equal(first.event_time_ns, UINT64_C(1799999999000000000));
    assert_true(first.trace_id.lo == UINT64_C(0x5B8EFFF798038103));
    assert_slice(envelope_at(&world, 1).entity, "job:mid");
    arena_deinit(&world.arena);
}

static void unknown_status_word_is_refused_alone_with_its_bytes(void **state) {
    struct world world = world_init();
    assert_int_equal(
        decode_logs(&world,
                    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"attributes\":[{"
                    "\"key\":\"job.status\",\"value\":{\"stringValue\":\"meh\"}}]},{}]}]}]}"),
        STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    assert_int_equal(world.decode.refused, 1);
    struct envelope refused = envelope_at(&world, 0);
    assert_true((refused.flags & ENVELOPE_REFUSED) != 0);
    assert_slice(refused.reason, "unknown status \"meh\": it is none of started running succeeded "
                                 "failed aborted skipped late missed ok degraded down");
    assert_slice(refused.raw, "{\"attributes\":[{\"key\":\"job.status\",\"value\":{\"stringValue\":"
                              "\"meh\"}}]}");
    arena_deinit(&world.arena);
}

static const struct attribute *notes_of(void *context, uint32_t *count_out) {
    struct world *world = context;
    for (uint32_t i = 0; i < world->notes_count; i++) {
        world->notes[i] = (struct attribute){SLICE("kafka.header"), SLICE("b"), ATTRIBUTE_STRING};
    }
    *count_out = world->notes_count;
    return world->notes;
}

/* Those of the source come first, since they say where the record stands. */
static void attributes_of_a_refused_record_that_find_no_room_are_said_to_be_cut(void **state) {
    (void)state;
    for (unsigned is_full = 0; is_full < 2; is_full++) {
        struct world world = world_init();
        world.notes_count = ATTRIBUTES_PER_EVENT_MAX - 1 + is_full;
        world.decode.refused_attributes = notes_of;
        assert_int_equal(
            decode_logs(&world,
                        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"attributes\":[{"
                        "\"key\":\"job.status\",\"value\":{\"stringValue\":\"meh\"}}]}]}]}]}"),
            STATUS_OK);
        struct envelope refused = envelope_at(&world, 0);
        assert_int_equal(refused.attributes_count, ATTRIBUTES_PER_EVENT_MAX);
        assert_int_equal((refused.flags & ENVELOPE_MESSAGE_CUT) != 0, is_full);
        arena_deinit(&world.arena);
    }
}

static void record_of_another_tenant_is_refused_under_a_token(void **state) {
    struct world world = world_init();
    world.decode.tenant = SLICE("acme");
    world.decode.tenant_is_bound = true;
    assert_int_equal(
        decode_logs(&world, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":"
                            "\"tenant.id\",\"value\":{\"stringValue\":\"other\"}}]},\"scopeLogs\":"
                            "[{\"logRecords\":[{}]}]}]}"),
        STATUS_OK);
    assert_int_equal(world.decode.accepted, 0);
    assert_int_equal(world.decode.refused, 1);
    assert_slice(envelope_at(&world, 0).tenant, "acme");
    arena_deinit(&world.arena);
}

/* A claim with what it groups by, so that no tenant is given another's. */
static struct slice dedup_by_of(void *context, struct slice tenant) {
    ((struct world *)context)->asked++;
    return slice_equals(tenant, SLICE("a")) ? SLICE("%by_a%") : SLICE("%by_others%");
}

#define RESOURCE_OF(claim)                                                                         \
    "{\"resource\":{\"attributes\":[" claim "]},\"scopeLogs\":[{\"logRecords\":["                  \
    "{\"severityNumber\":17,\"body\":{\"stringValue\":\"boom\"},\"attributes\":[{\"key\":\"job."   \
    "id\","                                                                                        \
    "\"value\":{\"stringValue\":\"j\"}}]}]}]}"
#define TENANT_ID(name) "{\"key\":\"tenant.id\",\"value\":{\"stringValue\":\"" name "\"}}"
#define THREE_OF(first, second, third)                                                             \
    "{\"resourceLogs\":[" RESOURCE_OF(first) "," RESOURCE_OF(second) "," RESOURCE_OF(third) "]}"

static void a_claim_is_of_its_own_records_alone(void **state) {
    (void)state;
    struct world world = world_init();
    world.decode.dedup_by_for = dedup_by_of;
    assert_int_equal(decode_logs(&world, THREE_OF("", TENANT_ID("a"), "")), STATUS_OK);
    assert_slice(envelope_at(&world, 0).tenant, "default");
    assert_slice(envelope_at(&world, 1).tenant, "a");
    assert_slice(envelope_at(&world, 2).tenant, "default");
    assert_int_equal(world.asked, 2); /* once for all records without a claim */
    struct hash128 first = envelope_at(&world, 0).fingerprint;
    assert_true(hash128_equals(first, envelope_at(&world, 2).fingerprint));
    assert_false(hash128_equals(first, envelope_at(&world, 1).fingerprint));
    arena_deinit(&world.arena);
}

static void a_foreign_claim_is_refused_also_between_own_ones(void **state) {
    (void)state;
    struct world world = world_init();
    world.decode.tenant = SLICE("acme");
    world.decode.tenant_is_bound = true;
    assert_int_equal(decode_logs(&world, THREE_OF(TENANT_ID("acme"), TENANT_ID("a"), "")),
                     STATUS_OK);
    assert_int_equal(world.decode.accepted, 2);
    assert_int_equal(world.decode.refused, 1);
    assert_true((envelope_at(&world, 1).flags & ENVELOPE_REFUSED) != 0);
    assert_slice(envelope_at(&world, 2).tenant, "acme");
    arena_deinit(&world.arena);
}

static void nested_values_become_json(void **state) {
    struct world world = world_init();
    assert_int_equal(
        decode_logs(&world,
                    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{"
                    "\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"arrayValue\":{"
                    "\"values\":[{\"intValue\":\"3\"},{\"stringValue\":\"x\\\"\"}]}}}]}}}]}]"
                    "}]}"),
        STATUS_OK);
    assert_slice(envelope_at(&world, 0).message, "{\"a\":[3,\"x\\\"\"]}");
    arena_deinit(&world.arena);
}

static void an_error_is_classed_by_what_its_map_or_its_events_name_says(void **state) {
    struct world world = world_init();
    assert_int_equal(
        decode_logs(&world,
                    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
                    "{\"severityNumber\":17,\"body\":{\"kvlistValue\":{\"values\":["
                    "{\"key\":\"rows\",\"value\":{\"intValue\":\"3\"}},"
                    "{\"key\":\"msg\",\"value\":{\"stringValue\":\"lost 7 rows\"}}]}}},"
                    "{\"severityNumber\":17,\"eventName\":\"db.pool.empty\"},"
                    "{\"severityNumber\":17,\"eventName\":\"e\",\"body\":{\"stringValue\":\"b\"}}"
                    "]}]}]}"),
        STATUS_OK);
    assert_slice(envelope_at(&world, 0).message, "{\"rows\":3,\"msg\":\"lost 7 rows\"}");
    assert_slice(envelope_at(&world, 0).error_class, "lost # rows");
    assert_slice(envelope_at(&world, 1).message, "db.pool.empty");
    assert_slice(envelope_at(&world, 1).error_class, "db.pool.empty");
    assert_slice(envelope_at(&world, 2).message, "b");
    arena_deinit(&world.arena);
}

/* The unescaped names of two records stand in the same place of the arena. */
static void an_escaped_name_is_not_taken_for_the_one_before(void **state) {
    struct world world = world_init();
    assert_int_equal(decode_logs(&world,
                                 "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
                                 "{\"attributes\":[{\"key\":\"job.id\",\"value\":{\"stringValue\":"
                                 "\"a\\/1\"}}]},"
                                 "{\"attributes\":[{\"key\":\"job.id\",\"value\":{\"stringValue\":"
                                 "\"b\\/2\"}}]}]}]}]}"),
                     STATUS_OK);
    assert_slice(envelope_at(&world, 0).entity, "job:a/1");
    assert_slice(envelope_at(&world, 1).entity, "job:b/2");
    arena_deinit(&world.arena);
}

static void broken_body_is_invalid_with_a_place(void **state) {
    struct world world = world_init();
    assert_int_equal(decode_logs(&world, "{\"resourceLogs\":\n [{]}"), STATUS_INVALID);
    assert_string_equal(world.decode.fault.words, "a string is due at line 2 column 4");
    assert_int_equal(decode_logs(&world, "{}"), STATUS_OK);
    arena_deinit(&world.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_wins_over_scope_wins_over_resource),
        cmocka_unit_test(unknown_status_word_is_refused_alone_with_its_bytes),
        cmocka_unit_test(attributes_of_a_refused_record_that_find_no_room_are_said_to_be_cut),
        cmocka_unit_test(record_of_another_tenant_is_refused_under_a_token),
        cmocka_unit_test(a_claim_is_of_its_own_records_alone),
        cmocka_unit_test(a_foreign_claim_is_refused_also_between_own_ones),
        cmocka_unit_test(nested_values_become_json),
        cmocka_unit_test(an_error_is_classed_by_what_its_map_or_its_events_name_says),
        cmocka_unit_test(an_escaped_name_is_not_taken_for_the_one_before),
        cmocka_unit_test(broken_body_is_invalid_with_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
