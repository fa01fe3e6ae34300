/* old_rows_test.c - rows of a quell that knew less are read, and what they do not say is guessed.
 */
#include "incident/rows.h"
#include "tests/incident/world.h"

enum {
    HEARD_BYTES = 16,
    FIRING_BYTES = 24,
    LEFT_OUT_BYTES = 1,
    NEWER_BYTES = 4 + 8 + LEFT_OUT_BYTES,
    SINKS_KNOWN = 16
};

/* Takes the last bytes of a row's state away. */
static void shorten(struct stored_row *row, struct slice state, size_t cut) {
    size_t at = (size_t)(state.data - row->value);
    uint32_t size = (uint32_t)(state.size - cut);
    for (unsigned i = 0; i < 4; i++) {
        row->value[at - 4 + i] = (uint8_t)(size >> (8 * i));
    }
    memmove(row->value + at + size, row->value + at + state.size,
            row->value_size - at - state.size);
    row->value_size -= cut;
}

/* Where the state begins in an incident's row; SIZE_MAX: it is no such row. */
static size_t state_of(const struct stored_row *row, struct incident_row *decoded) {
    if (row->table != STORE_TABLE_INCIDENT) {
        return SIZE_MAX;
    }
    assert_true(status_is_ok(incident_row_decode(slice_of(row->value, row->value_size), decoded)));
    return (size_t)(decoded->state.data - row->value);
}

/* As before incidents knew which sinks were told. */
static void forget_sinks(struct world *world, uint32_t told_count) {
    for (size_t i = 0; i < world->rows_count; i++) {
        struct stored_row *row = &world->rows[i];
        struct incident_row decoded;
        size_t flags = state_of(row, &decoded);
        if (flags != SIZE_MAX) {
            row->value[flags] &= (uint8_t)~SINKS_KNOWN;
            shorten(row, decoded.state, 1 + 4 * told_count + NEWER_BYTES);
        }
    }
}

static void shorten_members(struct world *world, size_t cut) {
    for (size_t i = 0; i < world->rows_count; i++) {
        struct stored_row *row = &world->rows[i];
        struct member_row decoded;
        if (row->table == STORE_TABLE_MEMBER) {
            assert_true(
                status_is_ok(member_row_decode(slice_of(row->key, row->key_size),
                                               slice_of(row->value, row->value_size), &decoded)));
            shorten(row, decoded.state, cut);
        }
    }
}

static void what_an_older_quell_told_goes_on_and_ends(void **state) {
    (void)state;
    for (unsigned repeats = 0; repeats < 2; repeats++) {
        struct world world;
        world_init(&world);
        world_fail(&world, "job:a", START_NS);
        world_run(&world, START_NS + NS_PER_MINUTE);
        forget_sinks(&world, 1);
        world_restart(&world);
        world_run(&world, START_NS + (repeats == 1 ? 5 * NS_PER_HOUR : NS_PER_HOUR));
        assert_int_equal(world.told_count, 1 + repeats);
        assert_int_equal(world.told[repeats].type, 1 + repeats); /* not opened again */
        world_restart(&world);
        world_good(&world, "acme", "job:a", world.now_ns);
        assert_int_equal(world.told_count, 2 + repeats);
        assert_int_equal(world.told[1 + repeats].type, 3);
        world_deinit(&world);
    }
}

static void an_alert_that_an_older_quell_heard_ends(void **state) {
    (void)state;
    for (unsigned is_said = 0; is_said < 2; is_said++) {
        struct world world;
        world_init(&world);
        struct signal alert = world_signal("acme", "service:web", EVENT_STATUS_FAILED, START_NS);
        alert.kind = EVENT_KIND_ALERT;
        alert.source_key = 7;
        world_bad_signal(&world, "acme", "service:web", &alert, false);
        shorten_members(&world, HEARD_BYTES + 2 + FIRING_BYTES);
        world_restart(&world);
        alert.news = SIGNAL_GOOD;
        alert.is_own_word_only = true;
        if (is_said == 1) {
            world_good_signal(&world, "acme", "service:web", &alert);
            assert_int_equal(incidents_open_count(world.incidents), 0);
        }
        world_run(&world, START_NS + 5 * NS_PER_MINUTE);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        world_deinit(&world);
    }
}

static void what_an_older_quell_forgot_is_counted(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_good(&world, "acme", "job:a", START_NS);
    world_run_for(&world, NS_PER_DAY);
    for (size_t i = 0; i < world.rows_count; i++) {
        struct stored_row *row = &world.rows[i];
        struct incident_row decoded;
        struct incident_remains before;
        struct incident_remains after;
        if (row->table == STORE_TABLE_INCIDENT) {
            struct slice value = slice_of(row->value, row->value_size);
            assert_true(status_is_ok(incident_remains_read(value, &before)));
            assert_true(status_is_ok(incident_row_decode(value, &decoded)));
            shorten(row, decoded.state, LEFT_OUT_BYTES);
            value.size -= LEFT_OUT_BYTES;
            assert_true(status_is_ok(incident_remains_read(value, &after)));
            assert_int_equal(after.bytes, before.bytes - LEFT_OUT_BYTES);
        }
    }
    world_deinit(&world);
}

/* As one that did not ask who else is the root when that is well. */
static void forget_to_ask(struct world *world) {
    enum { DUES_AT = 4 + 4 + 4 + 8 + 4 + 8 + 8 }; /* the next telling and refresh */
    for (size_t i = 0; i < world->rows_count; i++) {
        struct stored_row *row = &world->rows[i];
        struct incident_row decoded;
        size_t state = state_of(row, &decoded);
        if (state != SIZE_MAX) {
            memset(row->value + state + DUES_AT, 0xff, 2 * sizeof(uint64_t));
            shorten(row, decoded.state, LEFT_OUT_BYTES);
        }
    }
}

static void a_root_that_was_well_for_an_older_quell_gives_way(void **state) {
    (void)state;
    for (unsigned restarts = 1; restarts < 3; restarts++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:x", "job:u1");
        world_depend(&world, "job:x", "job:middle");
        world_depend(&world, "job:middle", "job:u2");
        world_fail_now(&world, "job:u1");
        world_run_for(&world, NS_PER_MINUTE);
        world_fail_now(&world, "job:u2");
        world_fail_now(&world, "job:x");
        world_run_for(&world, MINUTES(2));
        world_recover_now(&world, "job:u1");
        world_run_for(&world, NS_PER_MINUTE);
        forget_to_ask(&world);
        for (unsigned i = 0; i < restarts; i++) {
            world_restart(&world);
        }
        assert_int_equal(world_incidents(&world, "acme"), 2);
        world_run_for(&world, MINUTES(10));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:u2\""));
        free(json);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_older_quell_told_goes_on_and_ends),
        cmocka_unit_test(an_alert_that_an_older_quell_heard_ends),
        cmocka_unit_test(what_an_older_quell_forgot_is_counted),
        cmocka_unit_test(a_root_that_was_well_for_an_older_quell_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
