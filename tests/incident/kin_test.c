/* kin_test.c - errors that name the same host, address or folder belong together; words do not. */
#include "tests/incident/world.h"

static void fail_saying(struct world *world, const char *entity, const char *message,
                        uint64_t event_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, event_ns);
    signal.message = slice_of_text(message);
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void expect_incidents(const char *first, const char *second, size_t wanted) {
    struct world world;
    world_init(&world);
    fail_saying(&world, "service:alpha", first, START_NS);
    fail_saying(&world, "service:beta", second, START_NS + NS_PER_S);
    if (incidents_open_count(world.incidents) != wanted) {
        fail_msg("\"%s\" and \"%s\": %u incidents, not %zu", first, second,
                 incidents_open_count(world.incidents), wanted);
    }
    world_deinit(&world);
}

static void errors_that_name_the_same_resource_are_one_incident(void **state) {
    (void)state;
    expect_incidents("GET https://media.s3.eu-west-1.amazonaws.com/a.png: 503",
                     "list failed (host=media.s3.eu-west-1.amazonaws.com)", 1);
    expect_incidents("lookup api.stripe.com on 10.96.0.10:53: no such host",
                     "read udp 10.96.0.10:38921->10.1.1.1:53: i/o timeout", 1);
    expect_incidents("write /var/log/edge/agent.ndjson: no space left on device",
                     "cannot open segment on /var/log/edge: read-only file system", 1);
    expect_incidents("cannot reach example.com.", "example.com:443 refused", 1);
}

static void other_words_in_common_are_no_resource(void **state) {
    (void)state;
    expect_incidents("java.lang.NullPointerException", "java.lang.NullPointerException", 2);
    expect_incidents("django.db.utils.OperationalError", "django.db.utils.OperationalError", 2);
    expect_incidents("refused: 127.0.0.1:5432", "refused: 127.0.0.1:5432", 2);
    expect_incidents("version 1.2.3.4000 failed", "version 1.2.3.4000 failed", 2);
    expect_incidents("GET /api/v1/orders: 500", "POST /api/v1/orders: 500", 2);
    expect_incidents("/var/log/edge is full", "/var/log/other/x is full", 2);
    expect_incidents("timeout after 30s", "timeout after 30s", 2);
    expect_incidents("File \"/opt/airflow/dags/pay.py\", line 12, in run: KeyError: 'iban'",
                     "File \"/opt/airflow/dags/photo.py\", line 12, in run: ZeroDivisionError", 2);
    expect_incidents("a.example.com is down", "b.example.com is down", 2);
}

static void another_tenants_storm_stands_between_no_kin(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "globex|job:0", "globex|job:cause");
    fail_saying(&world, "service:alpha", "no route to db.shop.internal", START_NS);
    world_bad(&world, "globex", "job:cause", EVENT_STATUS_FAILED, START_NS);
    for (unsigned i = 0; i < 700; i++) {
        char name[32];
        snprintf(name, sizeof(name), "globex|job:%u", i);
        world_depend(&world, name, "globex|job:cause");
        world_bad(&world, "globex", name + strlen("globex|"), EVENT_STATUS_FAILED, START_NS);
    }
    fail_saying(&world, "service:beta", "db.shop.internal:5432 timed out", START_NS + NS_PER_S);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(world_incidents(&world, "globex"), 1);
    world_deinit(&world);
}

static void the_earlier_of_kin_is_the_root_in_whichever_order_they_report(void **state) {
    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        struct world world;
        world_init(&world);
        const char *first = is_late ? "service:late" : "service:early";
        const char *second = is_late ? "service:early" : "service:late";
        fail_saying(&world, first, "no route to db.shop.internal",
                    START_NS + (is_late ? NS_PER_S : 0));
        fail_saying(&world, second, "db.shop.internal:5432 timed out",
                    START_NS + (is_late ? 0 : NS_PER_S));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"service:early\""));
        free(json);
        world_deinit(&world);
    }
}

static void a_later_message_that_names_the_resource_merges(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_saying(&world, "service:writer", "flush failed", START_NS);
    fail_saying(&world, "service:reader", "cannot open /mnt/data/index/7", START_NS + NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 2);
    world_commit(&world);
    world_restart(&world); /* what was named survives */
    fail_saying(&world, "service:writer", "/mnt/data/index: no space left",
                START_NS + 2 * NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"service:writer\""));
    free(json);
    world_deinit(&world);
}

static void an_explained_failure_is_not_moved_by_a_shared_resource(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:api");
    fail_saying(&world, "service:other", "db.shop.internal down", START_NS);
    fail_saying(&world, "service:api", "panic", START_NS + NS_PER_S);
    fail_saying(&world, "service:web", "db.shop.internal down", START_NS + 2 * NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 2);
    world_deinit(&world);
}

static void kin_outside_the_window_or_of_another_tenant_stays_apart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_saying(&world, "service:alpha", "db.shop.internal down", START_NS);
    fail_saying(&world, "service:beta", "db.shop.internal down", START_NS + 901 * NS_PER_S);
    struct signal signal = world_signal("globex", "service:gamma", EVENT_STATUS_FAILED, START_NS);
    signal.message = SLICE("db.shop.internal down");
    world_bad_signal(&world, "globex", "service:gamma", &signal, false);
    assert_int_equal(incidents_open_count(world.incidents), 3);
    world_deinit(&world);
}

static void a_blamed_system_is_found_by_the_names_of_its_parts(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_saying(&world, "service:olapdb-tso", "election timed out", START_NS);
    fail_saying(&world, "service:portal", "upstream error: olapdb query failed",
                START_NS + NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    fail_saying(&world, "service:export-orders", "disk full", START_NS + NS_PER_S);
    fail_saying(&world, "service:billing", "export of rows failed", START_NS + NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 3);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_that_name_the_same_resource_are_one_incident),
        cmocka_unit_test(other_words_in_common_are_no_resource),
        cmocka_unit_test(another_tenants_storm_stands_between_no_kin),
        cmocka_unit_test(the_earlier_of_kin_is_the_root_in_whichever_order_they_report),
        cmocka_unit_test(a_later_message_that_names_the_resource_merges),
        cmocka_unit_test(an_explained_failure_is_not_moved_by_a_shared_resource),
        cmocka_unit_test(kin_outside_the_window_or_of_another_tenant_stays_apart),
        cmocka_unit_test(a_blamed_system_is_found_by_the_names_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
