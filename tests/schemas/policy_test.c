/* policy_test.c - a set of policies goes into the journal and comes out as it was. */
#include "schemas/policy.h"
#include "tests/base/unit.h"

enum { ENCODED_BYTES = 4096 };

struct world {
    struct arena arena;
    uint8_t encoded[ENCODED_BYTES];
    struct slice bytes;
};

static struct slice job_upstream[] = {{(const uint8_t *)"job:extract", 11},
                                      {(const uint8_t *)"platform/service:db", 19}};
static struct slice sink_names[] = {{(const uint8_t *)"oncall", 6}, {(const uint8_t *)"db", 2}};

static struct policy_match make_match(void) {
    return (struct policy_match){
        .severity_min = EVENT_SEVERITY_ERROR,
        .severity_max = EVENT_SEVERITY_CRITICAL,
        .entity_glob = SLICE("job:load_*"),
        .owner_glob = SLICE("data-*"),
        .labels = {{SLICE("team"), SLICE("x*")}},
        .labels_count = 1,
        .days = 0x3E,
        .minute_from = 22 * 60,
        .minute_to = 6 * 60,
        .zone = SLICE("CET-1CEST,M3.5.0,M10.5.0/3"),
    };
}

/* Each number differs, so that no two fields can change places unseen. */
static struct policy make_policy(struct policy_job *job, struct policy_route *route,
                                 struct policy_silence *silence) {
    *job = (struct policy_job){.entity = SLICE("job:load_orders"),
                               .owner = SLICE("data-eng"),
                               .tier = 2,
                               .depends_on = job_upstream,
                               .depends_on_count = 2,
                               .labels = {{SLICE("a"), SLICE("b")}},
                               .labels_count = 1};
    *route = (struct policy_route){
        .match = make_match(), .sinks = sink_names, .sinks_count = 2, .goes_on = true};
    *silence = (struct policy_silence){.match = make_match(),
                                       .start_ns = 31,
                                       .end_ns = 32,
                                       .reason = SLICE("moving house"),
                                       .who = SLICE("ops")};
    return (struct policy){
        .tenant = SLICE("acme"),
        .idempotency_horizon_ns = 1,
        .dedup_window_ns = 2,
        .dedup_max_window_ns = 3,
        .correlate_window_ns = 4,
        .resolve_after_ns = 5,
        .reopen_window_ns = 6,
        .group_wait_ns = 7,
        .group_interval_ns = 8,
        .repeat_interval_ns = 9,
        .learned_ttl_ns = 10,
        .correlate_hops_max = 11,
        .correlate_suspect_min = 12,
        .owner = SLICE("owner"),
        .dedup_by = SLICE("entity,run_id"),
        .jobs = job,
        .jobs_count = 1,
        .routes = route,
        .routes_count = 1,
        .sinks = sink_names,
        .sinks_count = 2,
        .labels = {{SLICE("env"), SLICE("prod")}, {SLICE("site"), SLICE("north")}},
        .labels_count = 2,
        .limit_events_per_s = 13,
        .limit_entities = 14,
        .limit_incidents_per_h = 15,
        .limit_dedup_keys = 16,
        .quarantine_age_ns_max = 17,
        .quarantine_bytes_max = 18,
        .dead_age_ns_max = 19,
        .dead_bytes_max = 20,
        .incidents_age_ns_max = 21,
        .incidents_bytes_max = 22,
        .silences = silence,
        .silences_count = 1,
    };
}

static int set_up(void **state) {
    static struct world world;
    struct policy_job job;
    struct policy_route route;
    struct policy_silence silence;
    struct policy tenants[] = {make_policy(&job, &route, &silence), policy_default()};
    tenants[1].tenant = SLICE("zebra");
    struct policy_set set = {.defaults = policy_default(), .tenants = tenants, .tenants_count = 2};
    world = (struct world){0};
    struct writer writer = writer_over(world.encoded, sizeof(world.encoded));
    assert_status(arena_init(&world.arena, MIB), OK);
    assert_status(policy_set_encode(&set, &writer), OK);
    world.bytes = writer_slice(&writer);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    arena_deinit(&world->arena);
    return 0;
}

static struct policy_set decoded(struct world *world) {
    struct policy_set set = {0};
    assert_status(policy_set_decode(world->bytes, &world->arena, &set), OK);
    return set;
}

static void spans_and_limits_come_back(void **state) {
    struct policy_set set = decoded(*state);
    const struct policy *policy = &set.tenants[0];
    assert_int_equal(set.tenants_count, 2);
    assert_slice(policy->tenant, "acme");
    const uint64_t found[] = {policy->idempotency_horizon_ns, policy->dedup_window_ns,
                              policy->dedup_max_window_ns,    policy->correlate_window_ns,
                              policy->resolve_after_ns,       policy->reopen_window_ns,
                              policy->group_wait_ns,          policy->group_interval_ns,
                              policy->repeat_interval_ns,     policy->learned_ttl_ns,
                              policy->correlate_hops_max,     policy->correlate_suspect_min,
                              policy->limit_events_per_s,     policy->limit_entities,
                              policy->limit_incidents_per_h,  policy->limit_dedup_keys,
                              policy->quarantine_age_ns_max,  policy->quarantine_bytes_max,
                              policy->dead_age_ns_max,        policy->dead_bytes_max,
                              policy->incidents_age_ns_max,   policy->incidents_bytes_max};
    for (uint32_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        assert_int_equal(found[i], i + 1);
    }
    assert_slice(policy->owner, "owner");
    assert_slice(policy->dedup_by, "entity,run_id");
    assert_int_equal(policy->labels_count, 2);
    assert_slice(policy->labels[1].key, "site");
    assert_slice(policy->labels[1].value, "north");
    assert_int_equal(set.tenants[1].dedup_window_ns, policy_default().dedup_window_ns);
    assert_slice(set.defaults.tenant, "");
}

static void assert_match(const struct policy_match *match) {
    struct policy_match wanted = make_match();
    assert_int_equal(match->severity_min, wanted.severity_min);
    assert_int_equal(match->severity_max, wanted.severity_max);
    assert_true(slice_equals(match->entity_glob, wanted.entity_glob));
    assert_true(slice_equals(match->owner_glob, wanted.owner_glob));
    assert_int_equal(match->labels_count, 1);
    assert_slice(match->labels[0].key, "team");
    assert_slice(match->labels[0].value, "x*");
    assert_int_equal(match->days, wanted.days);
    assert_int_equal(match->minute_from, wanted.minute_from);
    assert_int_equal(match->minute_to, wanted.minute_to);
    assert_true(slice_equals(match->zone, wanted.zone));
}

static void jobs_routes_and_silences_come_back(void **state) {
    struct policy_set set = decoded(*state);
    const struct policy *policy = &set.tenants[0];
    assert_int_equal(policy->jobs_count, 1);
    assert_slice(policy->jobs[0].entity, "job:load_orders");
    assert_slice(policy->jobs[0].owner, "data-eng");
    assert_int_equal(policy->jobs[0].tier, 2);
    assert_int_equal(policy->jobs[0].depends_on_count, 2);
    assert_slice(policy->jobs[0].depends_on[1], "platform/service:db");
    assert_slice(policy->jobs[0].labels[0].value, "b");
    assert_int_equal(policy->routes_count, 1);
    assert_match(&policy->routes[0].match);
    assert_true(policy->routes[0].goes_on);
    assert_slice(policy->routes[0].sinks[0], "oncall");
    assert_int_equal(policy->sinks_count, 2);
    assert_slice(policy->sinks[1], "db");
    assert_int_equal(policy->silences_count, 1);
    assert_match(&policy->silences[0].match);
    assert_int_equal(policy->silences[0].start_ns, 31);
    assert_int_equal(policy->silences[0].end_ns, 32);
    assert_slice(policy->silences[0].reason, "moving house");
    assert_slice(policy->silences[0].who, "ops");
}

static void encoding_what_was_decoded_gives_the_same_bytes(void **state) {
    struct world *world = *state;
    struct policy_set set = decoded(world);
    uint8_t again[ENCODED_BYTES];
    struct writer writer = writer_over(again, sizeof(again));
    assert_status(policy_set_encode(&set, &writer), OK);
    assert_true(slice_equals(writer_slice(&writer), world->bytes));
}

static void a_tenant_finds_its_policy_and_others_the_defaults(void **state) {
    struct policy_set set = decoded(*state);
    assert_ptr_equal(policy_set_find(&set, SLICE("acme")), &set.tenants[0]);
    assert_ptr_equal(policy_set_find(&set, SLICE("zebra")), &set.tenants[1]);
    assert_ptr_equal(policy_set_find(&set, SLICE("acm")), &set.defaults);
    assert_ptr_equal(policy_set_find(&set, SLICE("acme2")), &set.defaults);
    assert_ptr_equal(policy_set_find(&set, SLICE("")), &set.defaults);
    set.tenants_count = 0;
    assert_ptr_equal(policy_set_find(&set, SLICE("acme")), &set.defaults);
}

static void a_job_is_found_by_its_entity(void **state) {
    struct policy_set set = decoded(*state);
    assert_ptr_equal(policy_find_job(&set.tenants[0], SLICE("job:load_orders")),
                     &set.tenants[0].jobs[0]);
    assert_null(policy_find_job(&set.tenants[0], SLICE("job:load")));
    assert_null(policy_find_job(&set.defaults, SLICE("job:load_orders")));
}

static void an_unknown_version_is_refused(void **state) {
    struct world *world = *state;
    struct policy_set set;
    uint32_t version = 0;
    memcpy(&version, world->encoded, sizeof(version));
    const uint32_t unknown[] = {0, version + 1, UINT32_MAX};
    for (uint32_t i = 0; i < 3; i++) {
        memcpy(world->encoded, &unknown[i], sizeof(version));
        assert_status(policy_set_decode(world->bytes, &world->arena, &set), CORRUPT);
    }
}

/* As the first version wrote it: no labels, no silences, no limits, less of a match. */
static void a_record_of_the_first_version_is_still_read(void **state) {
    struct world *world = *state;
    struct policy_set set;
    uint8_t bytes[512];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    writer_u32(&writer, 1);
    writer_u32(&writer, 0);
    writer_text(&writer, SLICE(""));
    for (uint64_t i = 1; i <= 9; i++) {
        writer_u64(&writer, i);
    }
    writer_u32(&writer, 10);
    writer_u32(&writer, 11);
    writer_text(&writer, SLICE("owner"));
    writer_text(&writer, SLICE(""));
    writer_u32(&writer, 0); /* jobs */
    writer_u32(&writer, 1); /* routes */
    writer_u8(&writer, EVENT_SEVERITY_ERROR);
    writer_u8(&writer, EVENT_SEVERITY_NONE);
    writer_u8(&writer, 1);
    writer_text(&writer, SLICE("job:*"));
    writer_text(&writer, SLICE(""));
    writer_u32(&writer, 1);
    writer_text(&writer, SLICE("oncall"));
    writer_u32(&writer, 0); /* sinks */
    assert_status(policy_set_decode(writer_slice(&writer), &world->arena, &set), OK);
    assert_int_equal(set.defaults.repeat_interval_ns, 9);
    assert_int_equal(set.defaults.correlate_suspect_min, 11);
    assert_int_equal(set.defaults.learned_ttl_ns, policy_default().learned_ttl_ns);
    assert_int_equal(set.defaults.quarantine_bytes_max, UINT64_MAX); /* no bound yet */
    assert_int_equal(set.defaults.dead_age_ns_max, DURATION_NS_MAX);
    assert_int_equal(set.defaults.incidents_age_ns_max, DURATION_NS_MAX);
    assert_int_equal(set.defaults.incidents_bytes_max, UINT64_MAX);
    assert_int_equal(set.defaults.routes[0].match.severity_min, EVENT_SEVERITY_ERROR);
    assert_slice(set.defaults.routes[0].match.entity_glob, "job:*");
    assert_slice(set.defaults.routes[0].sinks[0], "oncall");
    assert_int_equal(set.defaults.silences_count, 0);
}

static void what_is_cut_or_too_long_is_corrupt(void **state) {
    struct world *world = *state;
    struct policy_set set;
    for (size_t size = 0; size < world->bytes.size; size++) {
        arena_reset(&world->arena);
        struct status status =
            policy_set_decode(slice_head(world->bytes, size), &world->arena, &set);
        assert_status(status, CORRUPT);
    }
    assert_status(
        policy_set_decode(slice_of(world->encoded, world->bytes.size + 1), &world->arena, &set),
        CORRUPT);
}

static void no_room_is_full_not_corrupt(void **state) {
    struct world *world = *state;
    struct policy_set set = decoded(world);
    struct policy_set other;
    struct arena small;
    uint8_t bytes[64];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_status(policy_set_encode(&set, &writer), FULL);
    assert_status(arena_init(&small, 4096), OK);
    while (arena_allocate(&small, 64, 1) != NULL) {
    }
    assert_status(policy_set_decode(world->bytes, &small, &other), FULL);
    arena_deinit(&small);
}

/* By the minute, over both nights in which clocks change: March 29 and October 25, 2026. */
static void between_now_and_what_is_said_to_change_nothing_does(void **state) {
    (void)state;
    const uint64_t nights_ns[] = {UINT64_C(1774648800) * NS_PER_S, UINT64_C(1792792800) * NS_PER_S};
    const uint16_t hours[][2] = {{0, 0}, {120, 180}, {150, 190}, {1320, 360}, {480, 1080}};
    const uint8_t days[] = {0, 0x3E, 0x41};
    struct policy_match match = {.zone = SLICE("CET-1CEST,M3.5.0,M10.5.0/3")};
    for (uint32_t i = 0; i < 2 * 5 * 3; i++) {
        match.minute_from = hours[i / 2 % 5][0];
        match.minute_to = hours[i / 2 % 5][1];
        match.days = days[i / 10];
        uint64_t end_ns = nights_ns[i % 2] + 3 * NS_PER_DAY;
        uint64_t next_ns = 0;
        enum policy_miss known = POLICY_MATCHES;
        for (uint64_t now_ns = nights_ns[i % 2]; now_ns < end_ns; now_ns += NS_PER_MINUTE) {
            struct policy_subject subject = {.now_ns = now_ns};
            enum policy_miss now = policy_match_test(&match, &subject);
            if (now_ns >= next_ns) {
                known = now;
                next_ns = policy_match_changes_ns(&match, now_ns);
                assert_true(next_ns > now_ns);
            }
            assert_int_equal(now, known);
        }
        bool is_timed = match.minute_from != match.minute_to || match.days != 0;
        assert_int_equal(next_ns == UINT64_MAX, !is_timed);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(spans_and_limits_come_back),
        TEST(jobs_routes_and_silences_come_back),
        TEST(encoding_what_was_decoded_gives_the_same_bytes),
        TEST(a_tenant_finds_its_policy_and_others_the_defaults),
        TEST(a_job_is_found_by_its_entity),
        TEST(an_unknown_version_is_refused),
        TEST(a_record_of_the_first_version_is_still_read),
        TEST(what_is_cut_or_too_long_is_corrupt),
        TEST(no_room_is_full_not_corrupt),
        TEST(between_now_and_what_is_said_to_change_nothing_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
