/* timeline_test.c - how long the timeline of an incident may get that never ends. */
#include "tests/incident/world.h"

static size_t count_lines(const struct world *world) {
    size_t count = 0;
    for (size_t i = 0; i < world->rows_count; i++) {
        count += world->rows[i].table == STORE_TABLE_TIMELINE ? 1 : 0;
    }
    return count;
}

static void coming_and_going_fills_no_timeline_without_end(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", world.now_ns);
    for (unsigned i = 0; i < 3000; i++) {
        world_fail(&world, "job:b", world.now_ns);
        world_run_for(&world, NS_PER_S);
        world_good(&world, "acme", "job:b", world.now_ns);
        world_run_for(&world, NS_PER_S);
        if (i == 999) {
            assert_true(count_lines(&world) > 2000);
        }
    }
    assert_true(count_lines(&world) > 4000);
    assert_true(count_lines(&world) < 4200);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    char *end = world_json(&world, "acme", 0);
    assert_int_equal(count_text(end, "\"status\":\"resolved\""), 1);
    free(end);
    size_t resolved = 0;
    for (size_t i = 0; i < world.rows_count; i++) {
        const struct stored_row *row = &world.rows[i];
        bool is_line = row->table == STORE_TABLE_TIMELINE;
        resolved += is_line && memmem(row->value, row->value_size, "resolved", 8) != NULL ? 1 : 0;
    }
    assert_int_equal(resolved, 1); /* that it was told: the rest of the story goes on */
    world_deinit(&world);
}

static void what_flaps_alone_fills_no_timeline_without_end(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 3000; i++) {
        world_fail(&world, "job:a", world.now_ns);
        world_run_for(&world, NS_PER_S);
        world_good(&world, "acme", "job:a", world.now_ns);
        world_run_for(&world, NS_PER_S);
    }
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_true(count_lines(&world) > 4000);
    assert_true(count_lines(&world) < 4600);
    world_deinit(&world);
}

/* Each of them in turn fails, is told, and is well again. */
static void flap(struct world *world, const char *const *entities, unsigned count, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        world_fail(world, entities[i % count], world->now_ns);
        world_run_for(world, NS_PER_MINUTE);
        world_good(world, "acme", entities[i % count], world->now_ns);
        world_run_for(world, NS_PER_MINUTE);
    }
}

static void of_what_is_told_for_ever_the_first_and_the_latest_stand_there(void **state) {
    (void)state;
    static const char *const entities[] = {"job:a"};
    struct world world;
    world_init(&world);
    flap(&world, entities, 1, 1200);
    size_t before = count_lines(&world);
    assert_in_range(before, 4000, 4100);
    flap(&world, entities, 1, 400);
    world_restart(&world);
    flap(&world, entities, 1, 400);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(count_lines(&world), before);
    char *lines = world_timeline(&world, world_id(&world, "acme", 0));
    const char *second = strchr(lines, '\n') + 1;
    assert_non_null(strstr(second, "\"told\",\"detail\":\"opened to oncall"));
    assert_true(strstr(second, "\"told\",\"detail\":\"opened to oncall") < strchr(second, '\n'));
    assert_int_equal(count_text(lines, "not listed"), 1);
    const char *last = strstr(lines, "\"told\",\"detail\":\"resolved to oncall; x");
    assert_non_null(last);
    assert_string_equal(strchr(last, '\n'), "\n");
    assert_non_null(strstr(last, " before it are not listed"));
    /* Nothing is both there and not listed. */
    unsigned long left_out = strtoul(strstr(last, "; x") + 3, NULL, 10);
    assert_int_equal(count_text(lines, "\"told\"") + left_out, world.told_count);
    free(lines);
    world_deinit(&world);
}

static void roots_that_take_turns_fill_no_timeline_without_end(void **state) {
    (void)state;
    static const char *const entities[] = {"job:a", "job:b"};
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", world.now_ns);
    world_fail(&world, "job:b", world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_good(&world, "acme", "job:b", world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    flap(&world, entities, 2, 1200);
    size_t before = count_lines(&world);
    assert_in_range(before, 4000, 4110);
    flap(&world, entities, 2, 800);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(count_lines(&world), before);
    char *lines = world_timeline(&world, world_id(&world, "acme", 0));
    assert_true(count_text(lines, "\"re-rooted\"") > 10);
    assert_int_equal(count_text(lines, "not listed"), 2);
    free(lines);
    world_deinit(&world);
}

/* A sink that never takes anything, and somebody who tries each dead letter again, for ever. */
static void what_is_not_delivered_fills_no_timeline_without_end(void **state) {
    (void)state;
    static const struct incident_delivery ends[] = {
        {.what = INCIDENT_UNDELIVERED,
         .type = {(const uint8_t *)"opened", 6},
         .sink = {(const uint8_t *)"oncall", 6},
         .reason = {(const uint8_t *)"HTTP 400", 8}},
        {.what = INCIDENT_DELIVERED_LATE,
         .type = {(const uint8_t *)"opened", 6},
         .sink = {(const uint8_t *)"oncall", 6}},
    };
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    struct hash128 id = world_id(&world, "acme", 0);
    for (unsigned i = 0; i < 6000; i++) {
        struct incident_context context = world_context(&world);
        assert_true(incidents_note_delivery(world.incidents, &context, id, &ends[i % 2]));
        world_commit(&world);
        if (i == 5000) {
            world_restart(&world);
        }
    }
    assert_in_range(count_lines(&world), 4096, 4100);
    char *lines = world_timeline(&world, id);
    assert_int_equal(
        count_text(lines, "\"undelivered\",\"detail\":\"opened to oncall: HTTP 400; x"), 1);
    assert_int_equal(count_text(lines, "\"delivered late\",\"detail\":\"opened to oncall; x"), 1);
    free(lines);
    /* Of one that is in memory no more a message has one line. */
    struct incident_context context = world_context(&world);
    size_t before = count_lines(&world);
    for (unsigned i = 0; i < 10; i++) {
        incident_note_delivery_late(&context, id, &ends[i % 2]);
    }
    world_commit(&world);
    assert_int_equal(count_lines(&world), before + 1);
    world_deinit(&world);
}

static void repeats_fill_no_timeline_without_end(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    struct signal signal = world_signal("acme", "job:a", EVENT_STATUS_FAILED, world.now_ns);
    for (unsigned i = 0; i < 1600; i++) {
        signal.event_time_ns = world.now_ns;
        signal.heard_ns = world.now_ns;
        world_bad_signal(&world, "acme", "job:a", &signal, false);
        world_bad_signal(&world, "acme", "job:a", &signal, true);
        world_run_for(&world, NS_PER_MINUTE);
        world_good(&world, "acme", "job:a", world.now_ns);
        world_run_for(&world, NS_PER_MINUTE);
    }
    assert_in_range(count_lines(&world), 4000, 4100);
    world_deinit(&world);
}

/* Of silence nobody has said that all is well. */
static void a_timeline_says_whether_it_is_well_or_silent(void **state) {
    (void)state;
    for (unsigned is_said = 0; is_said < 2; is_said++) {
        struct world world;
        world_init(&world);
        struct signal signal =
            world_signal("acme", "service:web", EVENT_STATUS_FAILED, world.now_ns);
        signal.recovers_by_silence = true;
        world_bad_signal(&world, "acme", "service:web", &signal, false);
        if (is_said == 1) {
            signal.news = SIGNAL_GOOD;
            signal.status = EVENT_STATUS_OK;
            world_good_signal(&world, "acme", "service:web", &signal);
        }
        world_run_for(&world, 10 * NS_PER_MINUTE);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
        assert_non_null(strstr(timeline, is_said == 1 ? "\"detail\":\"service:web ok\""
                                                      : "\"detail\":\"service:web silent\""));
        free(timeline);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeline_says_whether_it_is_well_or_silent),
        cmocka_unit_test(coming_and_going_fills_no_timeline_without_end),
        cmocka_unit_test(what_flaps_alone_fills_no_timeline_without_end),
        cmocka_unit_test(of_what_is_told_for_ever_the_first_and_the_latest_stand_there),
        cmocka_unit_test(roots_that_take_turns_fill_no_timeline_without_end),
        cmocka_unit_test(what_is_not_delivered_fills_no_timeline_without_end),
        cmocka_unit_test(repeats_fill_no_timeline_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
