/* telling_test.c - when people are told, how often, and what: exact counts of messages. */
#include "tests/incident/world.h"

static void nothing_is_told_before_group_wait(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + 10 * NS_PER_S - 1);
    assert_int_equal(world.told_count, 0);
    world_run(&world, START_NS + 10 * NS_PER_S);
    assert_int_equal(world.told_count, 1);
    assert_int_equal(world.told[0].type, 1);
    assert_int_equal(world.told[0].version, 1);
    assert_int_equal(world.told[0].created_ns, START_NS + 10 * NS_PER_S);
    assert_string_equal(world.told[0].sink, "oncall");
    world_deinit(&world);
}

static void without_group_wait_the_first_news_is_told_in_the_same_call(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.group_wait_ns = 0;
    world_fail(&world, "job:a", START_NS);
    assert_int_equal(world.told_count, 1);
    world_deinit(&world);
}

static void updates_come_once_a_group_interval_and_not_for_counts(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + 10 * NS_PER_S);
    struct signal repeat = world_signal("acme", "job:a", EVENT_STATUS_FAILED, START_NS);
    for (unsigned i = 0; i < 411; i++) {
        world_bad_signal(&world, "acme", "job:a", &repeat, true);
    }
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(world.told_count, 1);             /* only counts have changed */
    uint64_t second_ns = world.now_ns + 10 * NS_PER_S; /* what comes with it comes along */
    world_fail(&world, "job:b", START_NS);
    world_run(&world, second_ns - 1);
    assert_int_equal(world.told_count, 1);
    world_run(&world, second_ns);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(world.told[1].type, 2);
    assert_int_equal(world.told[1].version, 2);
    assert_non_null(
        strstr(world.told[1].json, "\"signals\":{\"total\":413,\"unique\":2,\"suppressed\":411}"));
    world_fail(&world, "job:c", START_NS);
    world_run(&world, second_ns + 5 * NS_PER_MINUTE - 1);
    assert_int_equal(world.told_count, 2);
    world_run(&world, second_ns + 5 * NS_PER_MINUTE + 1);
    assert_int_equal(world.told_count, 3);
    char *timeline = world_timeline(&world, world.told[0].incident_id);
    assert_int_equal(count_text(timeline, "\"what\":\"deduplicated\",\"detail\":\"x411\""), 1);
    assert_int_equal(count_text(timeline, "\"what\":\"told\""), 3);
    free(timeline);
    world_deinit(&world);
}

/* Also under a configuration that an older quell took: nothing is due at once again. */
static void repeats_are_a_second_apart_at_least_and_may_be_never(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.group_wait_ns = 0;
    world.policies.defaults.repeat_interval_ns = 0;
    world_fail(&world, "job:a", START_NS);
    uint64_t told_ns = world.now_ns;
    assert_int_equal(world.told_count, 1);
    world_run(&world, told_ns + 3 * NS_PER_S);
    assert_int_equal(world.told_count, 4);
    world.policies.defaults.repeat_interval_ns = UINT64_MAX - NS_PER_S;
    world_run(&world, told_ns + 4 * NS_PER_S);
    assert_int_equal(world.told_count, 5);
    world_run(&world, told_ns + NS_PER_DAY);
    assert_int_equal(world.told_count, 5);
    world_deinit(&world);
}

static void an_incident_resolves_when_its_members_have_and_is_told_once(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS + 1);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_good(&world, "acme", "job:a", world.now_ns);
    assert_int_equal(world.told_count, 1);
    world_good(&world, "acme", "job:b", world.now_ns);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(world.told[1].type, 3);
    assert_non_null(strstr(world.told[1].json, "\"status\":\"resolved\""));
    assert_non_null(strstr(world.told[1].json, "\"resolved_at\":\"2025-11-20T03:01:00.000Z\""));
    assert_non_null(strstr(world.told[1].json, "\"failing\":0"));
    world_run(&world, START_NS + 24 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(world_incidents(&world, "acme"), 1); /* the API still has it */
    assert_int_equal(incidents_next_due_ns(world.incidents), UINT64_MAX);
    world_deinit(&world);
}

static void a_person_resolves_and_the_next_failure_reopens(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    struct incident_context context = world_context(&world);
    struct hash128 id = world.told[0].incident_id;
    assert_true(status_is_ok(incidents_operate(world.incidents, &context, id, SLICE("acme"), true,
                                               SLICE("kim"), SLICE("rerun by hand"))));
    world_commit(&world);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(world.told[1].type, 3);
    assert_int_equal(graph_get_node(world.graph, 0).state.status, EVENT_STATUS_NONE);
    char *timeline = world_timeline(&world, id);
    assert_int_equal(
        count_text(timeline, "\"what\":\"resolved\",\"detail\":\"by kim: rerun by hand\""), 1);
    free(timeline);
    assert_int_equal(incidents_operate(world.incidents, &context, id, SLICE("acme"), false,
                                       SLICE("kim"), SLICE(""))
                         .code,
                     STATUS_MISSING);
    world_fail(&world, "job:a", START_NS + NS_PER_MINUTE);
    assert_int_equal(world.opened, 1);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

static void what_ends_before_it_is_told_is_not_told(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + 5 * NS_PER_S);
    world_good(&world, "acme", "job:a", START_NS + NS_PER_S);
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(world.told_count, 0);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"status\":\"resolved\""));
    free(json);
    world_deinit(&world);
}

static void a_service_recovers_by_silence(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_bad(&world, "acme", "service:web", EVENT_STATUS_FAILED, START_NS);
    struct signal repeat = world_signal("acme", "service:web", EVENT_STATUS_FAILED, START_NS);
    world_run(&world, START_NS + 4 * NS_PER_MINUTE);
    world_bad_signal(&world, "acme", "service:web", &repeat, true);
    world_run(&world, START_NS + 9 * NS_PER_MINUTE - 1);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_run(&world, START_NS + 9 * NS_PER_MINUTE);
    assert_int_equal(incidents_open_count(world.incidents), 0);
    assert_int_equal(world.told_count, 2);
    assert_int_equal(graph_get_node(world.graph, 0).state.status, EVENT_STATUS_NONE);
    /* A repeat that dedup holds back is news again, because the service was well. */
    world_bad_signal(&world, "acme", "service:web", &repeat, true);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

static void a_failure_within_the_reopen_window_reopens_the_same_incident(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run(&world, START_NS + 20 * NS_PER_MINUTE);
    world_fail(&world, "job:a", world.now_ns);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(world.opened, 1);
    world_run(&world, START_NS + 20 * NS_PER_MINUTE + 10 * NS_PER_S);
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 2);
    assert_int_equal(world.told[2].version, 3);
    assert_non_null(strstr(world.told[2].json, "\"status\":\"open\""));
    assert_non_null(strstr(world.told[2].json, "\"resolved_at\":null"));
    world_good(&world, "acme", "job:a", world.now_ns);
    assert_int_equal(world.told_count, 4);
    world_run(&world, world.now_ns + 31 * NS_PER_MINUTE);
    world_fail(&world, "job:a", world.now_ns);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_deinit(&world);
}

/* Well for a moment while what it hit is still failing: it broke first all the same. */
static void a_root_that_comes_back_was_the_first_to_fail(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_S);
    world_fail(&world, "job:b", world.now_ns);
    world_run(&world, START_NS + 2 * NS_PER_S);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run(&world, START_NS + 3 * NS_PER_S);
    world_fail(&world, "job:a", world.now_ns);
    world_run(&world, START_NS + NS_PER_MINUTE);
    const char *json = world.told[world.told_count - 1].json;
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:a\""));
    assert_non_null(strstr(json, "\"evidence\":[\"first to fail\""));
    const char *first_seen = strstr(json, "\"first_seen\":");
    const char *opened_at = strstr(json, "\"opened_at\":");
    assert_memory_equal(first_seen + strlen("\"first_seen\":"),
                        opened_at + strlen("\"opened_at\":"), strlen("\"2026-11-20T03:00:00"));
    world_deinit(&world);
}

static void an_older_success_does_not_end_a_newer_failure(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    world_good(&world, "acme", "job:a", START_NS - NS_PER_MINUTE);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

static void without_sinks_nothing_is_told_but_all_is_kept(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.sinks_count = 0;
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_HOUR);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run(&world, START_NS + 2 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 0);
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_int_equal(count_text(timeline, "\"what\":\"told\""), 0);
    assert_int_equal(count_text(timeline, "\"what\":\"resolved\""), 1);
    free(timeline);
    world_deinit(&world);
}

static void each_sink_gets_its_own_message_id(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.sinks[1] = SLICE("audit-db");
    world.policies.defaults.sinks_count = 2;
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 2);
    assert_false(hash128_equals(world.told[0].message_id, world.told[1].message_id));
    assert_true(world.told[0].number < world.told[1].number);
    assert_string_equal(world.told[0].json, world.told[1].json);
    world_deinit(&world);
}

static void severity_follows_tier_status_and_number(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    struct policy_job jobs[2] = {
        {.entity = SLICE("job:important"), .owner = SLICE("finance"), .tier = 1},
        {.entity = SLICE("job:toy"), .tier = 4},
    };
    world.policies.defaults.jobs = jobs;
    world.policies.defaults.jobs_count = 2;
    const struct {
        const char *entity;
        enum event_status status;
        const char *severity;
    } cases[] = {
        {"job:important", EVENT_STATUS_FAILED, "\"severity\":\"critical\""},
        {"job:toy", EVENT_STATUS_FAILED, "\"severity\":\"warning\""},
        {"job:plain", EVENT_STATUS_FAILED, "\"severity\":\"error\""},
        {"job:slow", EVENT_STATUS_LATE, "\"severity\":\"warning\""},
    };
    for (unsigned i = 0; i < 4; i++) {
        world_bad(&world, "acme", cases[i].entity, cases[i].status, START_NS);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 4; k++) {
            if (strstr(world.told[k].json, cases[i].entity) != NULL) {
                assert_non_null(strstr(world.told[k].json, cases[i].severity));
            }
        }
    }
    for (unsigned i = 0; i < 9; i++) {
        char name[16];
        snprintf(name, sizeof(name), "job:n%u", i);
        world_depend(&world, name, "job:plain");
        world_fail(&world, name, START_NS);
    }
    world_run(&world, START_NS + 10 * NS_PER_MINUTE);
    assert_non_null(strstr(world.told[4].json, "\"severity\":\"critical\""));
    world_deinit(&world);
}

static void a_message_has_every_field_of_the_contract(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "dataset:c", "job:b");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS + NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    const char *parts[] = {
        "{\"version\":1,\"id\":\"inc_",
        "\"tenant\":\"acme\",\"status\":\"open\",\"severity\":\"error\",",
        "\"title\":\"job:a failed: Timeout; 1 downstream affected\",",
        "\"root_cause\":{\"entity\":\"job:a\",\"error_class\":\"Timeout\",\"message\":\"timeout "
        "after \\\"30s\\\"\",\"first_seen\":\"2025-11-20T03:00:00.000Z\",\"confidence\":0.",
        "\"evidence\":[\"first to fail\",\"upstream of 1 of 1 affected\"",
        "\"alternatives\":[{\"entity\":\"job:b\",\"confidence\":0.",
        "\"affected\":[{\"entity\":\"job:b\",\"status\":\"failed\",\"since\":\"2025-11-20T03:00:01."
        "000Z\",\"hops\":1}]",
        "\"blast_radius\":{\"total\":3,\"failing\":2,\"at_risk\":1,\"by_kind\":{\"dataset\":1,"
        "\"job\":2}}",
        "\"signals\":{\"total\":2,\"unique\":2,\"suppressed\":0}",
        "\"opened_at\":\"2025-11-20T03:00:00.000Z\",\"updated_at\":\"",
        "\"resolved_at\":null,\"owner\":\"data-eng\",\"labels\":{},\"trace_ids\":[\"",
        "00000000000000010000000000000002\"]}",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(world.told[0].json, parts[i]) == NULL) {
            print_error("missing %s\nin %s\n", parts[i], world.told[0].json);
            fail();
        }
    }
    world_deinit(&world);
}

static char *title_of(const char *error_class, const char *message) {
    struct world world;
    world_init(&world);
    struct signal signal = world_signal("acme", "job:a", EVENT_STATUS_FAILED, START_NS);
    signal.error_class = slice_of_text(error_class);
    signal.message = slice_of_text(message);
    world_bad_signal(&world, "acme", "job:a", &signal, false);
    world_run(&world, START_NS + NS_PER_MINUTE);
    char *json = strdup(world.told[0].json);
    world_deinit(&world);
    assert_non_null(json);
    return json;
}

static void expect_told_words(const char *error_class, const char *message, const char *wanted) {
    char *json = title_of(error_class, message);
    if (strstr(json, wanted) == NULL) {
        fail_msg("no %s in %s", wanted, json);
    }
    free(json);
}

static void a_title_is_one_line_that_a_tired_reader_grasps(void **state) {
    (void)state;
    const char *spark = "Job aborted due to stage failure: Task # in stage # failed # times, most "
                        "recent failure: Lost task # in stage # (TID #): java.lang.OutOfMemory";
    expect_told_words(spark, "Job aborted", "most recent failure: Lost\u2026\"");
    expect_told_words("a\nb", "a\nb", "\"title\":\"job:a failed: a\"");
    const char *trace = "Traceback (most recent call last):\n  File \"/a.py\", line 1, in f\n"
                        "KeyError: 'id'\n";
    expect_told_words("Traceback (most recent call last):\n  File '', line #, in f\nKeyError: ''\n",
                      trace, "\"title\":\"job:a failed: KeyError: 'id'\"");
    char longest[4096];
    struct text text = text_over(longest, sizeof(longest));
    text_add_text(&text, "Traceback (most recent call last):\n");
    for (unsigned i = 0; i < 40; i++) {
        text_add_format(&text, "  File \"/app/x%u.py\", line %u, in f\n    return g()\n", i, i);
    }
    text_add_text(&text, "ValueError: no such month: 13");
    expect_told_words("Traceback (most recent call last):\n  File '', line #", text.data,
                      "\"title\":\"job:a failed: ValueError: no such month: 13\"");
    expect_told_words("ValueError", text.data, "return g()\\nValueError: no such month: 13\",");
}

static void whoever_looks_sees_numbers_that_agree(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    for (uint64_t i = 0; i < 3; i++) { /* nobody knew of these */
        char name[32];
        snprintf(name, sizeof(name), "job:c%u", (unsigned)i);
        world_depend(&world, name, "job:b");
        world_fail(&world, name, START_NS + i);
    }
    world_run(&world, START_NS + 100 * NS_PER_MS); /* before anybody is told */
    assert_int_equal(world.told_count, 0);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(
        strstr(json, "{\"total\":5,\"failing\":4,\"at_risk\":1,\"by_kind\":{\"job\":5}}"));
    free(json);
    world_good(&world, "acme", "job:a", START_NS + 200 * NS_PER_MS);
    world_run(&world, START_NS + 300 * NS_PER_MS);
    json = world_json(&world, "acme", 0);
    assert_non_null(
        strstr(json, "{\"total\":5,\"failing\":3,\"at_risk\":2,\"by_kind\":{\"job\":5}}"));
    free(json);
    world_deinit(&world);
}

static void a_huge_incident_tells_a_bounded_list(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:root", START_NS);
    for (unsigned i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:leaf_%03u", i);
        world_depend(&world, name, "job:root");
        world_fail(&world, name, START_NS);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(count_text(world.told[0].json, "\"hops\":"), INCIDENT_AFFECTED_TOLD_MAX);
    assert_non_null(strstr(world.told[0].json, "\"labels\":{\"affected_total\":\"300\"}"));
    char *json = world_json(&world, "acme", 0);
    assert_int_equal(count_text(json, "\"hops\":"), 300);
    free(json);
    world_deinit(&world);
}

static void without_room_the_answer_is_full_and_nothing_changes(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    uint32_t node = world_node(&world, "acme", "job:b");
    struct hash128 before = incidents_digest(world.incidents);
    struct incident_context context = world_context(&world);
    while (effects_room(&world.effects) >= INCIDENTS_EFFECT_BYTES_MIN) {
        static const uint8_t filler[64 * 1024];
        effect_put(&world.effects, STORE_TABLE_META, SLICE("x"), slice_of(filler, sizeof(filler)));
    }
    struct signal signal = world_signal("acme", "job:b", EVENT_STATUS_FAILED, START_NS);
    struct incident_change change;
    struct status status =
        incidents_apply_bad(world.incidents, &context, node, &signal, false, &change);
    assert_int_equal(status.code, STATUS_FULL);
    assert_true(hash128_equals(before, incidents_digest(world.incidents)));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_told_before_group_wait),
        cmocka_unit_test(without_group_wait_the_first_news_is_told_in_the_same_call),
        cmocka_unit_test(updates_come_once_a_group_interval_and_not_for_counts),
        cmocka_unit_test(repeats_are_a_second_apart_at_least_and_may_be_never),
        cmocka_unit_test(an_incident_resolves_when_its_members_have_and_is_told_once),
        cmocka_unit_test(a_person_resolves_and_the_next_failure_reopens),
        cmocka_unit_test(what_ends_before_it_is_told_is_not_told),
        cmocka_unit_test(a_service_recovers_by_silence),
        cmocka_unit_test(a_failure_within_the_reopen_window_reopens_the_same_incident),
        cmocka_unit_test(a_root_that_comes_back_was_the_first_to_fail),
        cmocka_unit_test(an_older_success_does_not_end_a_newer_failure),
        cmocka_unit_test(without_sinks_nothing_is_told_but_all_is_kept),
        cmocka_unit_test(each_sink_gets_its_own_message_id),
        cmocka_unit_test(severity_follows_tier_status_and_number),
        cmocka_unit_test(a_title_is_one_line_that_a_tired_reader_grasps),
        cmocka_unit_test(a_message_has_every_field_of_the_contract),
        cmocka_unit_test(whoever_looks_sees_numbers_that_agree),
        cmocka_unit_test(a_huge_incident_tells_a_bounded_list),
        cmocka_unit_test(without_room_the_answer_is_full_and_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
