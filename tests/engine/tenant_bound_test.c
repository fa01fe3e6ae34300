/* tenant_bound_test.c - the tenant that is one too many: what it sent is kept beside, and
 * everything else goes on, also when it is replayed. */
#include "tests/engine/shard_world.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/operator.h"
#include "engine/view_state.h"

enum { TENANTS_PER_RECORD = 512 };

static void fill(struct world *world) {
    for (uint32_t number = 0; number < TENANTS_MAX; number++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof(tenant), "t%u", number);
        add_log(world, tenant, tenant, "request handled");
        if ((number + 1) % TENANTS_PER_RECORD == 0) {
            apply_record(world);
        }
    }
    commit(world);
    assert_int_equal(world->engine.tenants.count, TENANTS_MAX);
}

/* Of a tenant that is one too many, three; of one that is known, before, between and behind. */
static void add_late(struct world *world) {
    add_log(world, "t7", "k-1", "request handled");
    add_log(world, "late", "l-1", "request handled");
    add_log(world, "late", "l-2", "request handled");
    add_log(world, "t7", "k-2", "request handled");
    add_tenants_event(world, "late", "job:load", EVENT_STATUS_FAILED, "l-3", NULL);
    add_tenants_event(world, "t7", "job:load", EVENT_STATUS_FAILED, "k-3", NULL);
}

/* The entry of the record stands in the quarantine, byte by byte. */
static bool is_set_aside(struct world *world, struct slice record, uint32_t wanted) {
    struct batch_view batch;
    struct slice entry;
    struct slice row;
    struct store_snapshot *snapshot = NULL;
    uint8_t bytes[TENANT_BYTES_MAX + 16];
    struct writer key = writer_over(bytes, sizeof(bytes));
    assert_status(batch_open(record, &batch), OK);
    for (uint32_t index = 0; index <= wanted; index++) {
        assert_true(batch_next(&batch, &entry));
    }
    engine_quarantine_key(SLICE("late"), batch.seq, wanted, &key);
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    struct status status = store_get(snapshot, STORE_TABLE_QUARANTINE, writer_slice(&key), &row);
    bool is_there = status_is_ok(status) && slice_equals(row, entry);
    store_snapshot_release(snapshot);
    return is_there;
}

static uint64_t received(struct world *world) {
    return tenants_find(&world->engine.tenants, SLICE("t7"))
        ->counters[TENANT_COUNTER_EVENTS_RECEIVED];
}

static void assert_late_stands_aside(struct world *world, struct slice record) {
    assert_true(is_set_aside(world, record, 1));
    assert_true(is_set_aside(world, record, 2));
    assert_true(is_set_aside(world, record, 4));
    assert_false(is_set_aside(world, record, 3));
    assert_null(tenants_find(&world->engine.tenants, SLICE("late")));
    assert_int_equal(received(world), 4);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
}

static void events_of_a_tenant_too_many_go_to_the_quarantine(void **state) {
    struct world *world = *state;
    struct arena arena = {0};
    struct block_heads heads;
    assert_status(arena_init(&arena, 64 * MIB), OK);
    assert_status(block_heads_init(&heads, &arena), OK);
    fill(world);
    add_late(world);
    struct slice record = write_record(world);
    block_heads_add(&heads, record); /* as it comes live, from the heads alone */
    assert_status(engine_apply_from(&world->engine, record, &heads, &world->fault), OK);
    struct hash128 digest = engine_digest(&world->engine);
    for (int round = 0; round < 3; round++) {
        if (round != 1) { /* replayed once before it is committed, and found once behind it */
            restart(world);
        }
        assert_same(engine_digest(&world->engine), digest);
        commit(world);
        assert_late_stands_aside(world, record);
    }
    arena_deinit(&arena);
}

static void retry(struct world *world, uint64_t seq, uint32_t index) {
    const struct operator_request request = {.action = OPERATOR_RETRY_QUARANTINED,
                                             .incident_id = {.lo = seq, .hi = index},
                                             .tenant = SLICE("late"),
                                             .by = SLICE("ann")};
    batch_clear(&world->batch, BATCH_OPERATOR);
    struct writer writer = batch_entry_begin(&world->batch);
    operator_encode(&request, &writer);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    commit(world);
}

static uint32_t rows_of_late(struct world *world) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = {0};
    struct slice key;
    struct slice value;
    uint32_t count = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_QUARANTINE, none, none, &cursor), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        count += slice_starts_with(key, SLICE("late"));
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

/* Tried again while there is no room yet, and a record that crashed the process twice: neither is
 * lost, and neither stops the shard. */
static void what_stands_aside_stays_until_there_is_room(void **state) {
    struct world *world = *state;
    fill(world);
    add_late(world);
    apply_record(world);
    commit(world);
    assert_int_equal(rows_of_late(world), 3);
    retry(world, world->engine.applied_seq, 1);
    assert_int_equal(rows_of_late(world), 3);
    restart(world);
    assert_int_equal(rows_of_late(world), 3);
    add_log(world, "late", "l-4", "request handled");
    assert_status(engine_quarantine_record(&world->engine, write_record(world), &world->fault), OK);
    commit(world);
    assert_int_equal(rows_of_late(world), 4);
}

/* The operator names no tenant; none of these rows' tenants has a row of its own. */
static void what_stands_aside_of_a_tenant_too_many_is_found_without_naming_it(void **state) {
    struct world *world = *state;
    struct view view = {.store = world->store};
    struct view_reader reader = {.view = &view};
    char memory[4096];
    struct text json = text_over(memory, sizeof(memory));
    struct slice any = {0};
    fill(world);
    add_late(world);
    add_log(world, "later", "m-1", "request handled");
    apply_record(world);
    commit(world);
    uint64_t seq = world->engine.applied_seq;
    assert_status(view_quarantined_json(&reader, any, seq, 2, &json), OK);
    assert_non_null(strstr(memory, "\"tenant\":\"late\""));
    json = text_over(memory, sizeof(memory));
    assert_status(view_quarantined_json(&reader, any, seq, 6, &json), OK);
    assert_non_null(strstr(memory, "\"tenant\":\"later\""));
    assert_status(view_quarantined_json(&reader, SLICE("late"), seq, 6, &json), MISSING);
    assert_status(view_quarantined_json(&reader, any, seq, 3, &json), MISSING);
    assert_status(view_quarantined_json(&reader, any, seq + 1, 2, &json), MISSING);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_of_a_tenant_too_many_go_to_the_quarantine),
        TEST(what_stands_aside_stays_until_there_is_room),
        TEST(what_stands_aside_of_a_tenant_too_many_is_found_without_naming_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
