/* told_test.c - which sinks hear of an incident, and of its end, when routes or silences say
 * otherwise by then: it got worse or another root, the hour has changed, it was opened again. */
#include "tests/incident/world.h"

#define CHAT SLICE("chat")
#define PAGER SLICE("pager")

/* Errors go to the chat, what is critical to the pager. */
struct routed {
    struct world world;
    struct slice names[2];
    struct policy_route routes[2];
};

static void routed_init(struct routed *routed) {
    world_init(&routed->world);
    struct policy *policy = &routed->world.policies.defaults;
    routed->names[0] = CHAT;
    routed->names[1] = PAGER;
    routed->world.sinks[0] = CHAT;
    routed->world.sinks[1] = PAGER;
    const enum event_severity severities[2] = {EVENT_SEVERITY_ERROR, EVENT_SEVERITY_CRITICAL};
    for (unsigned i = 0; i < 2; i++) {
        routed->routes[i] = (struct policy_route){
            .match = {.severity_min = severities[i], .severity_max = severities[i]},
            .sinks = &routed->names[i],
            .sinks_count = 1};
    }
    policy->sinks_count = 2;
    policy->routes = routed->routes;
    policy->routes_count = 2;
}

static void worsen(struct world *world, const char *entity) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, world->now_ns);
    signal.severity = EVENT_SEVERITY_CRITICAL;
    world_bad_signal(world, "acme", entity, &signal, false);
}

/* "chat opened, pager opened, ..." of all that was told. */
static void expect_told(const struct world *world, const char *wanted) {
    static const char *const types[] = {"", "opened", "updated", "resolved"};
    char words[512];
    struct text text = text_over(words, sizeof(words));
    for (size_t i = 0; i < world->told_count; i++) {
        text_add_format(&text, "%s%s %s", i == 0 ? "" : ", ", world->told[i].sink,
                        types[world->told[i].type]);
    }
    (void)text_slice(&text);
    assert_string_equal(words, wanted);
}

/* After this the chat was told 'opened', and the pager knows of it since it is critical. */
static void tell_both(struct world *world) {
    world_fail(world, "job:a", START_NS);
    world_run(world, world->now_ns + NS_PER_MINUTE);
    worsen(world, "job:a");
    world_run(world, world->now_ns + 10 * NS_PER_MINUTE);
}

static void who_was_told_hears_the_end_although_it_is_worse_by_now(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    world_fail(&routed.world, "job:a", START_NS);
    world_run(&routed.world, START_NS + NS_PER_MINUTE);
    worsen(&routed.world, "job:a"); /* the update would go to the pager, five minutes later */
    world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
    expect_told(&routed.world, "chat opened, chat resolved");
    world_deinit(&routed.world);
}

static void who_hears_of_it_first_by_an_update_hears_that_it_opened(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct routed routed;
        routed_init(&routed);
        tell_both(&routed.world);
        expect_told(&routed.world, "chat opened, pager opened");
        assert_int_equal(routed.world.told[1].version, 2);
        if (restarts == 1) {
            world_restart(&routed.world);
        }
        world_run(&routed.world, routed.world.now_ns + 5 * NS_PER_HOUR);
        world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
        expect_told(&routed.world, "chat opened, pager opened, pager updated, "
                                   "chat resolved, pager resolved");
        world_deinit(&routed.world);
    }
}

/* Of one update: who hears of it first, and who knew of it. */
static void the_timeline_says_what_each_sink_was_told(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    struct slice both[2] = {CHAT, PAGER};
    routed.routes[1].sinks = both;
    routed.routes[1].sinks_count = 2;
    tell_both(&routed.world);
    expect_told(&routed.world, "chat opened, chat updated, pager opened");
    world_run_for(&routed.world, 5 * NS_PER_HOUR);
    expect_told(&routed.world,
                "chat opened, chat updated, pager opened, chat updated, pager updated");
    world_commit(&routed.world);
    char *lines = world_timeline(&routed.world, world_id(&routed.world, "acme", 0));
    assert_int_equal(count_text(lines, "\"updated to chat; opened to pager\""), 1);
    assert_int_equal(count_text(lines, "\"updated to chat, pager\""), 1);
    free(lines);
    world_deinit(&routed.world);

    routed_init(&routed);
    tell_both(&routed.world);
    world_commit(&routed.world);
    lines = world_timeline(&routed.world, world_id(&routed.world, "acme", 0));
    assert_int_equal(count_text(lines, "\"opened to pager\""), 1);
    assert_int_equal(count_text(lines, "updated"), 0);
    free(lines);
    world_deinit(&routed.world);
}

static void another_root_leads_elsewhere_and_the_end_to_both(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    routed.routes[0].match = (struct policy_match){.entity_glob = SLICE("job:symptom")};
    routed.routes[1].match = (struct policy_match){.entity_glob = SLICE("job:cause")};
    world_depend(&routed.world, "job:symptom", "job:cause");
    world_fail(&routed.world, "job:symptom", START_NS);
    world_run(&routed.world, START_NS + NS_PER_MINUTE);
    world_fail(&routed.world, "job:cause", START_NS - NS_PER_S);
    world_run(&routed.world, START_NS + 10 * NS_PER_MINUTE);
    expect_told(&routed.world, "chat opened, pager opened");
    world_good(&routed.world, "acme", "job:cause", routed.world.now_ns);
    world_good(&routed.world, "acme", "job:symptom", routed.world.now_ns);
    expect_told(&routed.world, "chat opened, pager opened, chat resolved, pager resolved");
    world_deinit(&routed.world);
}

static void a_repeat_is_told_from_a_change(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    worsen(&world, "job:a");
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(world.told_count, 2);
    assert_false(world.told[0].is_repeat || world.told[1].is_repeat);
    world_restart(&world);
    world_run(&world, START_NS + 5 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 3);
    assert_true(world.told[2].is_repeat && world.told[2].type == 2);
    world_good(&world, "acme", "job:a", world.now_ns);
    assert_int_equal(world.told_count, 4);
    assert_false(world.told[3].is_repeat);
    world_deinit(&world);
}

/* Whom a route names first by then hears no reminder. */
static void what_a_sink_hears_first_is_no_repeat(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    world_fail(&routed.world, "job:a", START_NS);
    world_run(&routed.world, START_NS + NS_PER_MINUTE);
    struct slice both[2] = {CHAT, PAGER};
    routed.routes[0].sinks = both;
    routed.routes[0].sinks_count = 2;
    world_run(&routed.world, START_NS + 5 * NS_PER_HOUR);
    expect_told(&routed.world, "chat opened, chat updated, pager opened");
    assert_true(routed.world.told[1].is_repeat);
    assert_false(routed.world.told[2].is_repeat);
    world_deinit(&routed.world);
}

/* It has another name by then: what it showed as open would stay open for ever. */
static void when_who_was_told_is_gone_the_end_goes_where_routes_lead(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct routed routed;
        routed_init(&routed);
        world_fail(&routed.world, "job:a", START_NS);
        world_run(&routed.world, START_NS + NS_PER_MINUTE);
        routed.names[0] = SLICE("room");
        routed.world.sinks[0] = SLICE("room");
        if (restarts == 1) {
            world_restart(&routed.world);
        }
        world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
        expect_told(&routed.world, "chat opened, room resolved");
        world_deinit(&routed.world);
    }
}

/* Between 03:00, when the day shift was told, and 04:00 the routes change. */
static void the_end_comes_to_the_shift_that_was_told(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    routed.routes[0].match = (struct policy_match){.minute_from = 60, .minute_to = 200};
    routed.routes[1].match = (struct policy_match){.minute_from = 200, .minute_to = 300};
    world_fail(&routed.world, "job:a", START_NS);
    world_run(&routed.world, START_NS + NS_PER_HOUR);
    world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
    expect_told(&routed.world, "chat opened, chat resolved");
    world_deinit(&routed.world);
}

static void who_is_not_told_that_it_is_back_hears_no_further_end(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    tell_both(&routed.world);
    world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
    worsen(&routed.world, "job:a"); /* critical at once: nothing for the chat */
    world_run(&routed.world, routed.world.now_ns + NS_PER_HOUR);
    world_restart(&routed.world);
    world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
    expect_told(&routed.world, "chat opened, pager opened, chat resolved, pager resolved, "
                               "pager updated, pager resolved");
    world_deinit(&routed.world);
}

static void when_nobody_is_told_that_it_is_back_nobody_hears_a_further_end(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct routed routed;
        routed_init(&routed);
        routed.routes[0].match = (struct policy_match){.minute_from = 180, .minute_to = 190};
        routed.world.policies.defaults.routes_count = 1;
        world_fail(&routed.world, "job:a", START_NS);
        world_run(&routed.world, START_NS + NS_PER_MINUTE);
        world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
        world_run(&routed.world, START_NS + 20 * NS_PER_MINUTE);
        world_fail(&routed.world, "job:a", routed.world.now_ns);
        world_run(&routed.world, START_NS + 40 * NS_PER_MINUTE);
        if (restarts == 1) {
            world_restart(&routed.world);
        }
        routed.routes[0].match = (struct policy_match){0}; /* the next day */
        world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
        expect_told(&routed.world, "chat opened, chat resolved");
        world_deinit(&routed.world);
    }
}

static void a_sink_that_is_gone_is_not_told(void **state) {
    (void)state;
    struct routed routed;
    routed_init(&routed);
    tell_both(&routed.world);
    routed.world.sinks[0] = PAGER;
    routed.world.policies.defaults.sinks_count = 1;
    world_good(&routed.world, "acme", "job:a", routed.world.now_ns);
    expect_told(&routed.world, "chat opened, pager opened, pager resolved");
    world_deinit(&routed.world);
}

/* Also when a clock was put forward, or a start came late. */
static void what_was_due_while_time_stood_still_comes_in_its_order(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_bad(&world, "acme", "service:web", EVENT_STATUS_FAILED, world.now_ns);
    world.now_ns += NS_PER_HOUR; /* group_wait was over before resolve_after */
    world_run(&world, world.now_ns);
    assert_int_equal(incidents_open_count(world.incidents), 0);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(world.told[0].type, 1);
    assert_int_equal(world.told[1].type, 3);
    world_bad(&world, "acme", "service:api", EVENT_STATUS_FAILED, world.now_ns);
    world_run_for(&world, NS_PER_MINUTE);
    world.now_ns += 9 * NS_PER_HOUR; /* a repeat would have come after its end */
    world_run(&world, world.now_ns);
    assert_int_equal(world.told_count, 4);
    assert_int_equal(world.told[3].type, 3);
    world_deinit(&world);
}

/* The change is told five minutes after the first message, the silence ends half a minute later. */
static void a_repeat_puts_off_the_end_also_while_time_stood_still(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_bad(&world, "acme", "service:web", EVENT_STATUS_FAILED, world.now_ns);
    world_run_for(&world, 40 * NS_PER_S);
    struct signal worse = world_signal("acme", "service:web", EVENT_STATUS_FAILED, world.now_ns);
    worse.recovers_by_silence = true;
    worse.severity = EVENT_SEVERITY_CRITICAL;
    world_bad_signal(&world, "acme", "service:web", &worse, true);
    world.now_ns += NS_PER_HOUR;
    world_run(&world, world.now_ns);
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[1].type, 2);
    assert_int_equal(world.told[2].type, 3);
    world_deinit(&world);
}

/* Nobody has heard of it, so there is no message that the next one should keep away from. */
static void a_route_that_is_the_first_to_take_it_waits_for_no_group_interval(void **state) {
    (void)state;
    struct routed routed;
    struct world *world = &routed.world;
    routed_init(&routed);
    world->policies.defaults.routes = &routed.routes[1];
    world->policies.defaults.routes_count = 1; /* what is critical, and nothing else */
    world_fail_now(world, "job:load");
    world_run_for(world, NS_PER_MINUTE);
    assert_int_equal(world->told_count, 0);
    worsen(world, "job:load");
    uint64_t worse_ns = world->now_ns;
    world_run_for(world, NS_PER_MINUTE);
    assert_int_equal(world->told_count, 1);
    assert_int_equal(world->told[0].type, 1);
    assert_int_equal(world->told[0].created_ns, worse_ns + world->policies.defaults.group_wait_ns);
    world_deinit(world);
}

static void silence(struct world *world, struct policy_silence *silence, const char *entity,
                    enum event_severity severity_max) {
    *silence = (struct policy_silence){
        .match = {.severity_min = EVENT_SEVERITY_INFO, .severity_max = severity_max},
        .start_ns = START_NS,
        .end_ns = START_NS + NS_PER_DAY,
        .who = SLICE("sam"),
        .reason = SLICE("a move"),
    };
    silence->match.entity_glob = slice_of_text(entity);
    world->policies.defaults.silences = silence;
    world->policies.defaults.silences_count = 1;
}

/* It was put off before anybody heard of it. */
static void what_is_worse_than_a_silence_mutes_is_told(void **state) {
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world world;
        struct policy_silence muted;
        world_init(&world);
        silence(&world, &muted, "job:*", EVENT_SEVERITY_ERROR);
        world_fail_now(&world, "job:load");
        world_run_for(&world, NS_PER_MINUTE);
        assert_int_equal(world.told_count, 0);
        if (restarts > 0) {
            world_restart(&world);
        }
        worsen(&world, "job:load");
        world_run_for(&world, NS_PER_MINUTE);
        assert_int_equal(world.told_count, 1);
        assert_int_equal(world.told[0].type, 1);
        world_deinit(&world);
    }
}

static void what_a_silence_mutes_is_told_when_its_cause_is_another(void **state) {
    (void)state;
    struct world world;
    struct policy_silence muted;
    world_init(&world);
    silence(&world, &muted, "job:load", EVENT_SEVERITY_CRITICAL);
    world_depend(&world, "job:load", "job:extract");
    world_depend(&world, "job:report", "job:load");
    world_fail_now(&world, "job:load");
    world_run_for(&world, NS_PER_MINUTE);
    world_fail_now(&world, "job:report");
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world.told_count, 0); /* a change, and still the silence's */
    world_fail_now(&world, "job:extract");
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world.told_count, 1);
    assert_non_null(strstr(world.told[0].json, "\"title\":\"job:extract failed"));
    world_deinit(&world);
}

/* Of months, for its nights: what began in one of them is told in the morning. */
static void a_silence_by_the_hour_ends_with_the_hour(void **state) {
    (void)state;
    struct world world;
    struct policy_silence nights;
    world_init(&world);
    silence(&world, &nights, "job:*", EVENT_SEVERITY_CRITICAL);
    nights.end_ns = START_NS + 100 * NS_PER_DAY;
    nights.match.minute_from = 22 * 60;
    nights.match.minute_to = 6 * 60;
    world_fail_now(&world, "job:load"); /* at three */
    world_run(&world, START_NS + 3 * NS_PER_HOUR - NS_PER_S);
    assert_int_equal(world.told_count, 0);
    world_run_for(&world, 2 * NS_PER_S);
    assert_int_equal(world.told_count, 1);
    world_run(&world, START_NS + NS_PER_DAY); /* and repeated until the next night */
    for (size_t i = 0; i < world.told_count; i++) {
        uint64_t hour = world.told[i].created_ns / NS_PER_HOUR % 24;
        assert_true(hour >= 6 && hour < 22);
    }
    world_deinit(&world);
}

static void what_began_before_anybodys_hours_is_told_when_they_begin(void **state) {
    (void)state;
    struct routed routed;
    struct world *world = &routed.world;
    routed_init(&routed);
    routed.routes[0].match = (struct policy_match){.minute_from = 8 * 60, .minute_to = 18 * 60};
    world->policies.defaults.routes_count = 1;
    world_fail_now(world, "job:load"); /* at three */
    world_run(world, START_NS + 5 * NS_PER_HOUR - NS_PER_S);
    assert_int_equal(world->told_count, 0);
    world_run_for(world, 2 * NS_PER_S);
    expect_told(world, "chat opened");
    world_deinit(world);
}

static void be_late(struct world *world, const char *entity) {
    struct signal late = world_signal("acme", entity, EVENT_STATUS_LATE, world->now_ns);
    world_bad_signal(world, "acme", entity, &late, false);
}

/* The pager is for what is critical, as it was in its first life. */
static void what_is_opened_again_is_as_bad_as_what_fails_since(void **state) {
    (void)state;
    struct routed routed;
    struct world *world = &routed.world;
    routed_init(&routed);
    routed.routes[0].match.severity_min = EVENT_SEVERITY_WARNING;
    worsen(world, "job:load");
    world_run_for(world, NS_PER_MINUTE);
    world_recover_now(world, "job:load");
    assert_int_equal(world->told_count, 2);
    be_late(world, "job:load");
    world_run_for(world, NS_PER_MINUTE);
    assert_int_equal(world->told_count, 3);
    assert_string_equal(world->told[2].sink, "chat");
    assert_non_null(strstr(world->told[2].json, "\"severity\":\"warning\""));
    worsen(world, "job:load"); /* and that it gets worse is told, in the timeline too */
    world_run_for(world, MINUTES(6));
    assert_int_equal(world->told_count, 4);
    assert_string_equal(world->told[3].sink, "pager");
    char *timeline = world_timeline(world, world->told[0].incident_id);
    assert_int_equal(count_text(timeline, "warning to critical"), 1);
    free(timeline);
    world_deinit(world);
}

static void with_ten_failing_the_first_to_fail_again_is_not_critical(void **state) {
    (void)state;
    struct world world;
    char name[32];
    world_init(&world);
    world_fail_now(&world, "job:extract");
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "job:load%d", i);
        world_depend(&world, name, "job:extract");
        world_fail_now(&world, name);
    }
    world_run_for(&world, NS_PER_MINUTE);
    assert_non_null(strstr(world.told[0].json, "\"severity\":\"critical\""));
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "job:load%d", i);
        world_recover_now(&world, name);
    }
    world_recover_now(&world, "job:extract");
    world_fail_now(&world, "job:load3");
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world.told_count, 3);
    assert_non_null(strstr(world.told[2].json, "\"severity\":\"error\""));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_told_hears_the_end_although_it_is_worse_by_now),
        cmocka_unit_test(who_hears_of_it_first_by_an_update_hears_that_it_opened),
        cmocka_unit_test(the_timeline_says_what_each_sink_was_told),
        cmocka_unit_test(a_repeat_is_told_from_a_change),
        cmocka_unit_test(what_a_sink_hears_first_is_no_repeat),
        cmocka_unit_test(another_root_leads_elsewhere_and_the_end_to_both),
        cmocka_unit_test(the_end_comes_to_the_shift_that_was_told),
        cmocka_unit_test(when_who_was_told_is_gone_the_end_goes_where_routes_lead),
        cmocka_unit_test(who_is_not_told_that_it_is_back_hears_no_further_end),
        cmocka_unit_test(when_nobody_is_told_that_it_is_back_nobody_hears_a_further_end),
        cmocka_unit_test(a_sink_that_is_gone_is_not_told),
        cmocka_unit_test(what_was_due_while_time_stood_still_comes_in_its_order),
        cmocka_unit_test(a_repeat_puts_off_the_end_also_while_time_stood_still),
        cmocka_unit_test(a_route_that_is_the_first_to_take_it_waits_for_no_group_interval),
        cmocka_unit_test(what_is_worse_than_a_silence_mutes_is_told),
        cmocka_unit_test(what_a_silence_mutes_is_told_when_its_cause_is_another),
        cmocka_unit_test(a_silence_by_the_hour_ends_with_the_hour),
        cmocka_unit_test(what_began_before_anybodys_hours_is_told_when_they_begin),
        cmocka_unit_test(what_is_opened_again_is_as_bad_as_what_fails_since),
        cmocka_unit_test(with_ten_failing_the_first_to_fail_again_is_not_critical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
