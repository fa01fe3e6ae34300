/* restore_test.c - a room built again from its rows is the same and goes on the same way. */
#include "tests/incident/world.h"

static const char *const jobs[] = {"job:a",     "job:b",     "job:c", "job:d",
                                   "service:e", "service:f", "job:g", "job:h"};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void build(struct world *world) {
    world_depend(world, "job:b", "job:a");
    world_depend(world, "job:c", "job:b");
    world_depend(world, "job:d", "job:b");
    world_depend(world, "job:d", "service:e");
    world_depend(world, "job:g", "service:f");
    world_depend(world, "job:h", "job:g");
    world_depend(world, "job:h", "platform|service:db");
    world_depend(world, "globex|job:x", "platform|service:db");
}

static void step(struct world *world, struct dice *dice) {
    uint64_t what = dice_throw(dice, 10);
    const char *entity = jobs[dice_throw(dice, JOBS)];
    bool is_late = dice_throw(dice, 3) == 0; /* as late as that its cause is over mostly */
    uint64_t late_ns = dice_throw(dice, is_late ? 20 * 60 : 60) * NS_PER_S;
    uint64_t event_ns = world->now_ns - late_ns;
    if (what < 5) {
        struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, event_ns);
        world_bad_signal(world, "acme", entity, &signal, what == 4);
    } else if (what < 7) {
        world_good(world, "acme", entity, what == 5 ? event_ns : world->now_ns);
    } else if (what == 7) {
        world_bad(world, "globex", "job:x", EVENT_STATUS_LATE, event_ns);
    } else if (what == 8 && is_late) {
        world_good(world, "platform", "service:db", event_ns);
    } else if (what == 8) {
        world_bad(world, "platform", "service:db", EVENT_STATUS_DOWN, event_ns);
    } else {
        uint64_t span_ns = dice_throw(dice, 12) * NS_PER_MINUTE + NS_PER_S;
        world_run(world, world->now_ns + span_ns);
    }
}

static void expect_same(struct world *one, struct world *other) {
    struct hash128 left = incidents_digest(one->incidents);
    struct hash128 right = incidents_digest(other->incidents);
    assert_true(hash128_equals(left, right));
    assert_int_equal(one->told_count, other->told_count);
    for (size_t i = 0; i < one->told_count; i++) {
        assert_string_equal(one->told[i].json, other->told[i].json);
        assert_int_equal(one->told[i].number, other->told[i].number);
        assert_true(hash128_equals(one->told[i].message_id, other->told[i].message_id));
    }
    assert_int_equal(one->rows_count, other->rows_count);
}

static void a_restored_room_is_the_same_and_goes_on_the_same_way(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct world one;
        struct world other;
        world_init(&one);
        world_init(&other);
        build(&one);
        build(&other);
        struct dice dice_one = {seed};
        struct dice dice_other = {seed};
        for (unsigned i = 0; i < 120; i++) {
            step(&one, &dice_one);
            step(&other, &dice_other);
            if (i % 7 == seed % 7) {
                world_restart(&other);
            }
            expect_same(&one, &other);
        }
        world_deinit(&one);
        world_deinit(&other);
    }
}

static void every_message_and_every_live_member_is_accounted_for(void **state) {
    (void)state;
    for (unsigned seed = 100; seed < 150; seed++) {
        struct world world;
        world_init(&world);
        build(&world);
        struct dice dice = {seed};
        for (unsigned i = 0; i < 200; i++) {
            step(&world, &dice);
        }
        for (size_t i = 0; i < JOBS; i++) { /* all is well again, and all of it is told */
            world_good(&world, "acme", jobs[i], world.now_ns);
        }
        world_good(&world, "globex", "job:x", world.now_ns);
        world_run(&world, world.now_ns + 24 * NS_PER_HOUR);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        for (size_t i = 0; i < world.told_count; i++) {
            unsigned last = 0;
            uint32_t version = 0;
            for (size_t k = 0; k < world.told_count; k++) {
                if (hash128_equals(world.told[k].incident_id, world.told[i].incident_id)) {
                    assert_true(world.told[k].version == version + 1);
                    assert_true((version == 0) == (world.told[k].type == 1));
                    assert_false(last == 3 && world.told[k].type == 3); /* an end is told once */
                    version = world.told[k].version;
                    last = world.told[k].type;
                }
            }
            assert_int_equal(last, 3);
        }
        world_deinit(&world);
    }
}

static void a_damaged_row_is_corrupt(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    for (size_t i = 0; i < world.rows_count; i++) {
        struct stored_row *row = &world.rows[i];
        struct incident_row_facts facts;
        if (row->table == STORE_TABLE_INCIDENT) {
            for (size_t size = 0; size < row->value_size; size++) {
                assert_int_equal(incident_row_read(slice_of(row->value, size), &facts).code,
                                 STATUS_CORRUPT);
            }
        }
        if (row->table == STORE_TABLE_TIMELINE) {
            char words[256];
            struct text json = text_over(words, sizeof(words));
            assert_int_equal(incident_timeline_render(slice_of(row->value, 5), &json).code,
                             STATUS_CORRUPT);
        }
    }
    world_deinit(&world);
}

/* The tenant's incident is resolved while the platform's node, which it shows, fails still. */
static void a_platform_node_that_opens_an_incident_again_is_restored(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "acme|job:load", "platform|job:feed");
    world_depend(&world, "acme|job:other", "platform|job:feed");
    world_bad(&world, "platform", "job:feed", EVENT_STATUS_FAILED, world.now_ns);
    world_fail_now(&world, "job:load");
    world_run_for(&world, NS_PER_MINUTE);
    world_good(&world, "platform", "job:feed", world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    world_bad(&world, "platform", "job:feed", EVENT_STATUS_FAILED, world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    world_fail_now(&world, "job:other");
    world_recover_now(&world, "job:load");
    world_recover_now(&world, "job:other");
    world_run_for(&world, NS_PER_MINUTE);
    world_depend(&world, "acme|job:third", "platform|job:feed");
    world_fail_now(&world, "job:third");
    assert_int_equal(world_incidents(&world, "acme"), 1);
    struct hash128 before = incidents_digest(world.incidents);
    world_restart(&world);
    assert_true(hash128_equals(incidents_digest(world.incidents), before));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_room_is_the_same_and_goes_on_the_same_way),
        cmocka_unit_test(every_message_and_every_live_member_is_accounted_for),
        cmocka_unit_test(a_platform_node_that_opens_an_incident_again_is_restored),
        cmocka_unit_test(a_damaged_row_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
