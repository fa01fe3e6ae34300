/* config_test.c - what a configuration file may say, and how it is told what is wrong with it. */
#include "tests/core/config_world.h"

#include <stdlib.h>

static void without_a_file_there_are_the_defaults(void **state) {
    struct world *world = *state;
    assert_status(load(world, NULL, NULL), OK);
    assert_slice(world->config->data_dir, "./quell-data");
    assert_slice(world->config->listen_http, "127.0.0.1:4318");
    assert_slice(world->config->listen_grpc, "127.0.0.1:4317");
    assert_slice(world->config->listen_console, "127.0.0.1:8418");
    assert_int_equal(world->config->request_bytes_max, 64 * MIB);
    assert_int_equal(world->config->journal_sync, JOURNAL_SYNC_ALWAYS);
    assert_int_equal(world->config->policies.defaults.dedup_window_ns, 10 * NS_PER_MINUTE);
    assert_int_equal(world->config->policies.tenants_count, 0);
}

static void values_of_every_kind_are_read(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "data_dir = \"elsewhere\"\nmax_request_bytes = \"2MiB\"\n"
                       "[journal]\nsync = \"interval\"\n[auth]\nallow_insecure = true\n"
                       "[server]\nio = \"epoll\"\ningest_threads = 3\n"
                       "[defaults.dedup]\nwindow = \"90s\"\n",
                       NULL),
                  OK);
    assert_slice(world->config->data_dir, "elsewhere");
    assert_int_equal(world->config->request_bytes_max, 2 * MIB);
    assert_int_equal(world->config->journal_sync, JOURNAL_SYNC_INTERVAL);
    assert_true(world->config->auth_allow_insecure);
    assert_int_equal(world->config->io, LOOP_EPOLL);
    assert_int_equal(world->config->ingest_threads, 3);
    assert_int_equal(world->config->policies.defaults.dedup_window_ns, 90 * NS_PER_S);
}

static void all_errors_are_told_with_their_places(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[server]\nio = \"kqueue\"\n  max_connections = \"many\"\n"
                       "[defaults.dedup]\nwindow = 5\n[journal]\nsegment_bytes = \"12 parsecs\"\n",
                       NULL),
                  INVALID);
    assert_int_equal(world->errors.count, 4);
    assert_says(world, ":2:1", "io: one of \"auto\", \"io_uring\", \"epoll\" is wanted here");
    assert_says(world, ":3:3", "max_connections: a whole number from ");
    assert_says(world, ":5:1", "window: a duration is wanted here");
    assert_says(world, ":7:1", "segment_bytes: a size is wanted here");
    assert_null(world->config);
}

static void a_size_is_binary_or_decimal_as_its_unit_says(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[server]\nmax_request_bytes = \"64 MB\"\n", NULL), OK);
    assert_int_equal(world->config->request_bytes_max, 64000000);
}

static void an_unknown_unit_of_a_size_is_refused_with_those_there_are(void **state) {
    static const char *const wrong[] = {
        "[server]\nmax_request_bytes = \"64 mb\"\n",
        "[server]\nmax_request_bytes = \"64M\"\n",
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_status(load(world, wrong[i], NULL), INVALID);
        assert_says(world, ":2:1",
                    "max_request_bytes: a size is wanted here, such as \"64KiB\": in B, KiB, MiB, "
                    "GiB, TiB, or "
                    "decimal in kB, MB, GB, TB");
    }
}

/* Where the words stand among the errors. */
static long place_of(struct world *world, const char *words) {
    const char *found = strstr(world->words, words);
    assert_non_null(found);
    return found - world->words;
}

static void errors_stand_in_the_order_of_the_lines(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "zeal = 1\n[server]\nio = \"kqueue\"\n[journal]\nsync = \"no\"\n"
                       "[auth]\nmode = \"open\"\n[dedup]\nwindow = 5\n",
                       NULL),
                  INVALID);
    assert_int_equal(world->errors.count, 5);
    assert_true(place_of(world, ":1:1: unknown") < place_of(world, ":3:1: io"));
    assert_true(place_of(world, ":3:1: io") < place_of(world, ":5:1: sync"));
    assert_true(place_of(world, ":5:1: sync") < place_of(world, ":7:1: mode"));
    assert_true(place_of(world, ":7:1: mode") < place_of(world, ":9:1: window"));
}

static void what_does_not_go_together_is_told_at_its_key(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "\n[listen]\nhttp = \"nonsense\"\n  console = \"0.0.0.0:8418\"\n"
                       "[server]\nshards = 2\n[defaults.dedup]\nwindow = \"5h\"\n"
                       "[correlate]\nmax_hops = 99\n",
                       NULL),
                  INVALID);
    assert_says(world, ":3:1", "listen.http: \"nonsense\" is no address");
    assert_says(world, ":4:3", "listen.console: auth.mode = \"none\" is for loopback only");
    assert_says(world, ":6:1", "server.shards: only 1");
    assert_says(world, ":8:1", "dedup.window is longer than dedup.max_window");
    assert_says(world, ":10:1", "correlate.max_hops is at most 32");
    assert_int_equal(world->errors.count, 5);
    assert_status(load(world, "\n[dedup]\nmax_window = \"1177h\"\n", NULL), INVALID);
    assert_says(world, ":3:1", "dedup.max_window is at most 49 days");
    assert_status(load(world, "\n[dedup]\nmax_window = \"1176h\"\n", NULL), OK);
    assert_status(load(world, "listen = 3\ndata_dir = \"\"\n", NULL), INVALID);
    assert_says(world, ":1:1", "listen is a table: [listen]");
    assert_says(world, ":2:1", "data_dir has 1 to 960 bytes");
}

static void spans_that_no_clock_could_follow_are_refused(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[server]\nheader_timeout = \"0s\"\n[notify]\nrepeat_interval = \"0s\"\n"
                       "resolve_after = \"5124000h\"\n",
                       NULL),
                  INVALID);
    assert_says(world, ":2:1", "server.header_timeout is at least 10ms");
    assert_says(world, ":4:1", "notify.repeat_interval is at least 1s");
    assert_says(world, ":5:1", "resolve_after: a duration is at most 36500d");
    assert_int_equal(world->errors.count, 3);
    assert_status(
        load(world, "[notify]\nrepeat_interval = \"1s\"\nresolve_after = \"876000h\"\n", NULL), OK);
}

static void how_long_refused_records_and_dead_letters_are_kept_is_checked(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[quarantine]\nretention = \"0s\"\nretention_bytes = \"63KiB\"\n"
                       "[defaults.dead_letters]\nretention_byte = 1\n",
                       NULL),
                  INVALID);
    assert_says(world, ":2:1", "quarantine.retention is at least 1s");
    assert_says(world, ":3:1", "quarantine.retention_bytes is at least 64KiB");
    assert_says(world, ":5:1", "unknown key \"retention_byte\"");
}

/* What could not be reserved, and what would cut off everybody. */
static void bounds_that_no_process_could_live_with_are_refused(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[limits]\nentities = 1073741824\n  event_ids = 268435457\n"
                       "incidents = 16777217\n[server]\nmax_connections = 1073741824\n"
                       "body_timeout = \"0s\"\nidle_timeout = \"9ms\"\n"
                       "send_timeout = \"1ns\"\nmax_request_bytes = 0\n"
                       "[journal]\nsegment_bytes = \"65GiB\"\nstate_reserve_bytes = \"17GiB\"\n",
                       NULL),
                  INVALID);
    assert_says(world, ":2:1", "limits.entities is at most 134217728");
    assert_says(world, ":3:3", "limits.event_ids is at most 268435456");
    assert_says(world, ":4:1", "limits.incidents is at most 16777216");
    assert_says(world, ":6:1", "server.max_connections is at most 262144");
    assert_says(world, ":7:1", "server.body_timeout is at least 10ms");
    assert_says(world, ":8:1", "server.idle_timeout is at least 10ms");
    assert_says(world, ":9:1", "server.send_timeout is at least 10ms");
    assert_says(world, ":10:1", "server.max_request_bytes is more than 0");
    assert_says(world, ":12:1", "journal.segment_bytes is at most 68719476736");
    assert_says(world, ":13:1", "journal.state_reserve_bytes is at most 17179869184");
    assert_int_equal(world->errors.count, 10);
    assert_status(load(world,
                       "[limits]\nentities = 134217728\n[server]\nmax_connections = 262144\n"
                       "body_timeout = \"10ms\"\n",
                       NULL),
                  OK);
}

static struct status find_fault(const struct config *config, struct config_errors *errors) {
    text_add_format(&errors->text, "late:1:1: %u sinks\n", config->sinks_count);
    errors->count++;
    return status_of(STATUS_INVALID);
}

static void another_rooms_errors_come_with_ours(void **state) {
    struct world *world = *state;
    struct config_options options = {.path = world->path, .check_more = find_fault};
    write_file(world->path, "[server]\nio = \"kqueue\"\n[sink.a]\ntype = \"stdout\"\n");
    world->errors.text = text_over(world->words, sizeof(world->words));
    assert_status(config_load(&options, &world->config, &world->errors), INVALID);
    assert_int_equal(world->errors.count, 2);
    assert_says(world, ":2:1", "io: one of ");
    assert_non_null(strstr(world->words, "late:1:1: 1 sinks\n"));
}

static void a_process_value_may_come_from_the_environment(void **state) {
    struct world *world = *state;
    const char *file = "data_dir = \"${env:QUELL_TEST_STATE}/quell\"\n";
    unsetenv("QUELL_TEST_STATE");
    assert_status(load(world, file, NULL), INVALID);
    assert_says(world, ":1:1", "data_dir: environment variable QUELL_TEST_STATE is not set");
    assert_int_equal(setenv("QUELL_TEST_STATE", "/var/lib", 1), 0);
    assert_status(load(world, file, NULL), OK);
    assert_slice(world->config->data_dir, "/var/lib/quell");
    unsetenv("QUELL_TEST_STATE");
}

static void what_is_no_toml_is_told_with_its_place(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[server]\nio = \n", NULL), INVALID);
    assert_int_equal(world->errors.count, 1);
    assert_says(world, ":2:6", "");
}

static void an_unknown_key_is_refused_with_the_nearest_one(void **state) {
    struct world *world = *state;
    assert_status(
        load(world,
             "dat_dir = \"x\"\n[listen]\nhtp = \"127.0.0.1:1\"\n"
             "[defaults.notify]\ngroup_wiat = \"10s\"\n[server]\nsomething_else = 1\n[bogus]\n",
             NULL),
        INVALID);
    assert_int_equal(world->errors.count, 5);
    assert_says(world, ":1:1", "unknown key \"dat_dir\": did you mean \"data_dir\"?");
    assert_says(world, ":3:1", "unknown key \"htp\": did you mean \"http\"?");
    assert_says(world, ":5:1", "unknown key \"group_wiat\": did you mean \"group_wait\"?");
    assert_says(world, ":7:1", "unknown key \"something_else\"\n");
    assert_says(world, ":8:2", "unknown key \"bogus\"\n"); /* not "log" */
}

static void an_override_wins_over_the_file(void **state) {
    struct world *world = *state;
    const char *file = "data_dir = \"x\"\n[server]\ningest_threads = 2\nio = \"epoll\"\n";
    assert_status(load(world, file, "server.ingest_threads=7"), OK);
    assert_int_equal(world->config->ingest_threads, 7);
    assert_int_equal(world->config->io, LOOP_EPOLL);
    assert_status(load(world, file, "data_dir=/elsewhere"), OK); /* quotes are not needed */
    assert_slice(world->config->data_dir, "/elsewhere");
    assert_status(load(world, NULL, "defaults.dedup.window=\"1m\""), OK);
    assert_int_equal(world->config->policies.defaults.dedup_window_ns, NS_PER_MINUTE);
}

static void a_wrong_override_is_told_as_one(void **state) {
    struct world *world = *state;
    assert_status(load(world, NULL, "server.ingest_thread=7"), INVALID);
    assert_says(world, "--set:1:8", "unknown key \"ingest_thread\": did you mean ");
    assert_status(load(world, NULL, "data_dir"), INVALID);
    assert_says(world, "--set:1:1", "\"data_dir\" is not key=value");
    /* What the file says there is right: it is not to blame. */
    assert_status(load(world, "[server]\nio = \"epoll\"\n", "server.io=kqueue"), INVALID);
    assert_says(world, "--set:1:8", "io: one of ");
    assert_int_equal(world->errors.count, 1);
}

static void a_secret_that_is_not_there_is_an_error(void **state) {
    struct world *world = *state;
    const char *file = "[sink.oncall]\ntype = \"slack\"\nurl = \"${env:QUELL_TEST_URL}\"\n";
    unsetenv("QUELL_TEST_URL");
    assert_status(load(world, file, NULL), INVALID);
    assert_says(world, ":3:1", "");
    assert_non_null(strstr(world->words, "QUELL_TEST_URL"));
    assert_int_equal(setenv("QUELL_TEST_URL", "http://127.0.0.1:1/hidden", 1), 0);
    assert_status(load(world, file, NULL), OK);
    assert_int_equal(world->config->sinks_count, 1);
    assert_slice(world->config->sinks[0].settings[0].value, "http://127.0.0.1:1/hidden");
    assert_true(world->config->sinks[0].settings[0].is_secret);
    unsetenv("QUELL_TEST_URL");
}

static void an_open_door_to_the_network_is_refused(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[listen]\nhttp = \"0.0.0.0:4318\"\n", NULL), INVALID);
    assert_non_null(strstr(world->words, "auth.mode = \"none\" is for loopback only"));
    assert_status(
        load(world, "[listen]\nhttp = \"0.0.0.0:4318\"\n[auth]\nallow_insecure = true\n", NULL),
        OK);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_there_are_the_defaults),
        TEST(values_of_every_kind_are_read),
        TEST(a_size_is_binary_or_decimal_as_its_unit_says),
        TEST(an_unknown_unit_of_a_size_is_refused_with_those_there_are),
        TEST(all_errors_are_told_with_their_places),
        TEST(errors_stand_in_the_order_of_the_lines),
        TEST(what_does_not_go_together_is_told_at_its_key),
        TEST(spans_that_no_clock_could_follow_are_refused),
        TEST(how_long_refused_records_and_dead_letters_are_kept_is_checked),
        TEST(bounds_that_no_process_could_live_with_are_refused),
        TEST(another_rooms_errors_come_with_ours),
        TEST(a_process_value_may_come_from_the_environment),
        TEST(what_is_no_toml_is_told_with_its_place),
        TEST(an_unknown_key_is_refused_with_the_nearest_one),
        TEST(an_override_wins_over_the_file),
        TEST(a_wrong_override_is_told_as_one),
        TEST(a_secret_that_is_not_there_is_an_error),
        TEST(an_open_door_to_the_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
