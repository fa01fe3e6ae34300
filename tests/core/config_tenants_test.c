/* config_tenants_test.c - what a tenant's rules may say, in a file of its own or in quell.toml. */
#include "tests/core/config_world.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* quell.toml, of these words, and a file of the tenant acme. */
static struct status load_tenant(struct world *world, const char *process, const char *tenant) {
    char words[256];
    char path[96];
    snprintf(path, sizeof(path), "%s/tenants", world->directory);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(words, sizeof(words), "tenants_dir = \"%s\"\n%s", path, process);
    snprintf(path, sizeof(path), "%s/tenants/acme.toml", world->directory);
    write_file(path, tenant);
    return load(world, words, NULL);
}

static void a_tenants_file_is_its_policy(void **state) {
    struct world *world = *state;
    const char *words = "[defaults.dedup]\nwindow = \"3m\"\n";
    assert_status(load_tenant(world, words,
                              "[tenant]\nid = \"acme\"\n[correlate]\nwindow = \"1h\"\n[[job]]\n"
                              "id = \"load\"\ndepends_on = [\"job:extract\"]\ntier = 1\n"),
                  OK);
    const struct policy *policy = policy_set_find(&world->config->policies, SLICE("acme"));
    assert_slice(policy->tenant, "acme");
    assert_int_equal(policy->correlate_window_ns, NS_PER_HOUR);
    assert_int_equal(policy->dedup_window_ns, 3 * NS_PER_MINUTE); /* the defaults' */
    assert_int_equal(policy->jobs_count, 1);
    assert_slice(policy->jobs[0].entity, "job:load");
    assert_slice(policy->jobs[0].depends_on[0], "job:extract");
    words = "[tenant]\nid = \"acme\"\n[[route]]\nsinks = [\"nowhere\"]\n";
    assert_status(load_tenant(world, "", words), INVALID);
    assert_non_null(strstr(world->words, "tenants/acme.toml:4:1: no sink is named \"nowhere\""));
}

/* Read against the routes of quell.toml it was a crash, at a reload of the running quell's, too. */
static void a_route_of_the_wrong_type_is_told(void **state) {
    struct world *world = *state;
    const char *three = "[sink.a]\ntype = \"stdout\"\n[[route]]\nsinks = [\"a\"]\n[[route]]\n"
                        "sinks = [\"a\"]\n[[route]]\nsinks = [\"a\"]\n";
    assert_status(load_tenant(world, three, "route = \"a\"\n"), INVALID);
    assert_non_null(strstr(world->words, "tenants/acme.toml:1:"));
    assert_non_null(strstr(world->words, "routes are written as [[route]]"));
    assert_status(load_tenant(world, three, "[route]\nsinks = [\"b\"]\n"), INVALID);
    assert_int_equal(world->errors.count, 1);
}

static void a_label_is_plain_text(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[labels]\nteam = \"data\"\n", NULL), OK);
    assert_status(load(world, "[labels]\n\"a\\u0001\" = \"x\"\nb = \"\\u0001\"\n", NULL), INVALID);
    assert_says(world, ":2:1", "a label is plain text");
    assert_says(world, ":3:1", "a label is plain text");
}

static void a_tenant_with_sinks_of_its_own_has_these_alone(void **state) {
    struct world *world = *state;
    const char *process = "[sink.all]\ntype = \"stdout\"\n[[route]]\nsinks = [\"all\"]\n";
    const char *route = "[[route]]\nsinks = [\"all\"]\nmatch = { severity = \"critical\" }\n";
    const char *own = "[sink.own]\ntype = \"stdout\"\n[[route]]\nsinks = [\"all\"]\n";
    assert_status(load_tenant(world, process, route), OK);
    const struct policy *policy = policy_set_find(&world->config->policies, SLICE("acme"));
    assert_int_equal(policy->routes_count, 1); /* its own, instead of the others */
    assert_status(load_tenant(world, process, own), INVALID);
    assert_non_null(strstr(world->words, "tenants/acme.toml:4:1: sink \"all\" is quell.toml's"));
}

static void keys_of_dedup_are_few_and_have_names(void **state) {
    struct world *world = *state;
#define FIVE(x) x "\"k1\", \"k2\", \"k3\", \"k4\", \"k5\""
    const char *most = "[defaults.dedup]\nby = [" FIVE("") FIVE(", ") FIVE(", ") "]\n";
    assert_status(load(world, most, NULL), OK);
    assert_slice(world->config->policies.defaults.dedup_by,
                 "k1,k2,k3,k4,k5,k1,k2,k3,k4,k5,k1,k2,k3,k4,k5");
    assert_status(
        load(world, "[defaults.dedup]\n  by = [" FIVE("") FIVE(", ") FIVE(", ") ",\"k\"]\n", NULL),
        INVALID);
    assert_says(world, ":2:3", "by: at most 15 keys");
    assert_status(load(world, "[dedup]\nby = [\"entity\", \"\",\n  \" \", \"a,b\", 3]\n", NULL),
                  INVALID);
    assert_says(world, ":2:17", "dedup.by: a key is one name, such as \"entity\"");
    assert_says(world, ":3:3", "dedup.by: a key is one name");
    assert_says(world, ":3:8", "dedup.by: a key is one name");
    assert_int_equal(world->errors.count, 4);
#undef FIVE
}

static void a_key_in_a_wrong_section_is_told_its_own(void **state) {
    struct world *world = *state;
    assert_status(
        load(world,
             "group_wait = \"1s\"\n[incident]\nretention = \"9d\"\nresolve_afer = \"1s\"\n"
             "[incidents]\nresolve_after = \"5m\"\ndata_dir = \"x\"\n"
             "[server]\nretention = \"1d\"\nsync = \"never\"\n"
             "[limits]\nincidents_per_hour = 3\n[notify]\nby = [\"entity\"]\n"
             "tier = 1\n[[route]]\nseverity = \"error\"\nsinks = [\"stdout\"]\n"
             "[sink.stdout]\ntype = \"stdout\"\n",
             "incident.retention_bytes=1GiB"),
        INVALID);
    assert_says(world, ":1:1", "unknown key \"group_wait\": it stands in [notify]\n");
    assert_says(world, ":3:1", "unknown key \"retention\": it stands in [incidents]\n");
    assert_says(world, ":4:1", "unknown key \"resolve_afer\": did you mean \"resolve_after\"?\n");
    assert_says(world, ":6:1", "unknown key \"resolve_after\": it stands in [incident]\n");
    assert_says(world, ":7:1",
                "unknown key \"data_dir\": it stands at the top of quell.toml, before all ");
    assert_says(world, ":9:1",
                "unknown key \"retention\": it stands in [journal], [quarantine], "
                "[dead_letters] or [incidents]\n");
    assert_says(world, ":10:1", "unknown key \"sync\": it stands in [journal]\n");
    assert_says(world, ":12:1",
                "unknown key \"incidents_per_hour\": it stands in [defaults.limits]\n");
    assert_says(world, ":14:1", "unknown key \"by\": it stands in [dedup]\n");
    assert_says(world, ":15:1", "unknown key \"tier\": it stands in [[job]]\n");
    assert_says(world, ":17:1", "unknown key \"severity\": it stands in match = { ... }\n");
    assert_says(world, "--set:1:10", "unknown key \"retention_bytes\": it stands in [incidents]\n");
    assert_int_equal(world->errors.count, 12);
}

static void a_tenants_file_is_told_what_stands_in_quell_toml(void **state) {
    struct world *world = *state;
    assert_status(
        load_tenant(world, "",
                    "tokens_sha256 = []\n[tenant]\nmax_hops = 2\n[limits]\nedges = 5\n"
                    "[dedup]\ningest_threads = 2\n[[job]]\nid = \"load\"\nbrokers = []\n"),
        INVALID);
    const char *told[] = {":1:1: unknown key \"tokens_sha256\": it stands in [tenant]\n",
                          ":3:1: unknown key \"max_hops\": it stands in [correlate]\n",
                          ":5:1: unknown key \"edges\": it stands in [limits] of quell.toml\n",
                          ":7:1: unknown key \"ingest_threads\": it stands in [server] of ",
                          ":10:1: unknown key \"brokers\": it stands in [[kafka]] of quell.toml\n"};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        assert_non_null(strstr(world->words, told[i]));
    }
    assert_int_equal(world->errors.count, 5);
}

static void what_is_no_string_names_no_sink(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[[route]]\nsinks = [1, \"x\", 2]\n", NULL), INVALID);
    assert_says(world, ":2:10", "a string in quotes is wanted here\n");
    assert_says(world, ":2:1", "no sink is named \"x\"");
    assert_int_equal(world->errors.count, 3);
}

static void a_tenant_has_a_file_of_its_own(void **state) {
    struct world *world = *state;
    assert_status(load(world, "[tenant]\nid = \"acme\"\ntokens_sha256 = [\"zz\"]\n", NULL),
                  INVALID);
    assert_says(world, ":1:2",
                "[tenant] stands in a file of its own, such as tenants/acme.toml, not in what is "
                "read as quell.toml\n");
    assert_status(load(world, "[defaults.tenant]\nid = \"acme\"\n", NULL), INVALID);
    assert_says(world, ":1:11", "[tenant] stands in a file of its own");
    assert_status(load_tenant(world, "", "tenant = \"acme\"\n"), INVALID);
    assert_non_null(strstr(world->words, "acme.toml:1:1: tenant is a table: [tenant]\n"));
    assert_status(load_tenant(world, "", "[[tenant]]\nid = \"acme\"\n"), INVALID);
    assert_non_null(strstr(world->words, ": tenant is a table: [tenant]\n"));
    assert_int_equal(world->errors.count, 1);
}

static void a_tenants_dir_that_cannot_be_read_is_told(void **state) {
    struct world *world = *state;
    char words[256];
    char told[256];
    snprintf(words, sizeof(words), "tenants_dir = \"%s\"\n", world->path); /* a file */
    assert_status(load(world, words, NULL), INVALID);
    snprintf(told, sizeof(told), "%s:1:1: tenants_dir cannot be read: Not a directory\n",
             world->path);
    assert_non_null(strstr(world->words, told));
    assert_int_equal(world->errors.count, 1);
    snprintf(words, sizeof(words), "tenants_dir = \"%s/none\"\n", world->directory);
    assert_status(load(world, words, NULL), OK);
}

/* The second would replace the first, and what it named would be lost. */
static void a_list_stands_at_the_top_or_under_defaults(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[[job]]\nid = \"a\"\n[sink.s]\ntype = \"stdout\"\n"
                       "[[route]]\nsinks = [\"s\"]\n[defaults.labels]\nteam = \"x\"\n"
                       "[defaults.sink.t]\ntype = \"stdout\"\n[[defaults.job]]\nid = \"b\"\n",
                       NULL),
                  INVALID);
    assert_says(world, ":9:11", "sink stands at the top of this file already: all in one place\n");
    assert_says(world, ":11:12", "job stands at the top of this file already: all in one place\n");
    assert_int_equal(world->errors.count, 2);
}

static void a_value_of_the_wrong_type_is_told_once(void **state) {
    struct world *world = *state;
    assert_status(load(world,
                       "[sink.s]\ntype = \"stdout\"\n[[route]]\nsinks = [\"s\"]\n"
                       "continue = \"yes\"\nmatch = { severity = 5, hours = 6 }\n",
                       NULL),
                  INVALID);
    assert_says(world, ":5:1", "continue: true or false is wanted here\n");
    assert_says(world, ":6:11", "severity: a string in quotes is wanted here\n");
    assert_int_equal(world->errors.count, 3);
}

static void an_unreadable_quell_toml_hides_no_tenants_errors(void **state) {
    struct world *world = *state;
    assert_status(load_tenant(world, "[server\nio = \"auto\"\n",
                              "[tenant]\nid = \"acme\"\n[dedup]\nwindow = 5\n"
                              "[[route]]\nsinks = [\"named-in-quell-toml\"]\n"),
                  INVALID);
    assert_says(world, ":2:8", "Error while parsing table header");
    assert_non_null(strstr(world->words, "tenants/acme.toml:4:1: window: a duration"));
    assert_int_equal(world->errors.count, 2);
}

static void assert_schedule(struct world *world, const char *value, const char *words) {
    char file[256];
    snprintf(file, sizeof(file), "[[job]]\nid = \"load\"\nschedule = \"%s\"\n", value);
    struct status status = load(world, file, NULL);
    if ((words == NULL) != status_is_ok(status)) {
        fail_msg("\"%s\" is %s: %s", value, words == NULL ? "refused" : "taken", world->words);
    }
    if (words != NULL) {
        assert_says(world, ":3:1", "schedule: ");
        if (strstr(world->words, words) == NULL) {
            fail_msg("\"%s\" is refused with: %s", value, world->words);
        }
    }
}

static void a_schedule_is_one_of_cron(void **state) {
    struct world *world = *state;
    static const char *const sound[] = {
        "15 3 * * *",
        "*/5 * * * *",
        "0 0-23/2 1,15 * 1-5",
        "0 9 * JAN-jun mon,WED,fri",
        "0 0 * * 7",
        "5/15 * * * *",
        "@daily",
        "  0   4 * * sun ",
        "0 0 * * fri-sun",
        "0,30 8-18 * * *",
        "59 23 31 12 6",
        "@hourly",
    };
    static const struct {
        const char *value;
        const char *words;
    } unsound[] = {
        {"", "cron's five fields"},
        {"15 3 * *", "cron's five fields"},
        {"15 3 * * * *", "cron has five fields"},
        {"60 3 * * *", "\"60\" is not the minute (0-59)"},
        {"0 24 * * *", "\"24\" is not the hour (0-23)"},
        {"0 0 0 * *", "\"0\" is not the day of the month (1-31)"},
        {"0 0 * 13 *", "\"13\" is not the month (1-12)"},
        {"0 0 * * 8", "\"8\" is not the day of the week (0-7)"},
        {"0 0 * foo *", "\"foo\" is not the month"},
        {"mon 0 * * *", "\"mon\" is not the minute"},
        {"*/0 * * * *", "\"*/0\" is not the minute"},
        {"5-1 * * * *", "\"5-1\" is not the minute"},
        {"1,,2 * * * *", "\"1,,2\" is not the minute"},
        {"1- * * * *", "\"1-\" is not the minute"},
        {"-1 * * * *", "\"-1\" is not the minute"},
        {"*/ * * * *", "\"*/\" is not the minute"},
        {"18446744073709551617 * * * *", "is not the minute"},
        {"@reboot", "\"@reboot\" is not the minute"},
    };
    for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
        assert_schedule(world, sound[i], NULL);
    }
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++) {
        assert_schedule(world, unsound[i].value, unsound[i].words);
    }
}

static void a_jobs_time_zone_is_one(void **state) {
    struct world *world = *state;
    const char *job = "[[job]]\nid = \"load\"\ntimezone = \"UTC\"\n";
    assert_status(load(world, job, NULL), OK);
    job = "[[job]]\nid = \"load\"\n  timezone = \"../../etc/passwd\"\n";
    assert_status(load(world, job, NULL), INVALID);
    assert_says(world, ":3:3", "no time zone is named \"../../etc/passwd\"");
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
        return; /* this machine knows none */
    }
    job = "[[job]]\nid = \"load\"\ntimezone = \"Europe/Berlin\"\n";
    assert_status(load(world, job, NULL), OK);
    job = "[[job]]\nid = \"load\"\ntimezone = \"Europe/Berlim\"\n";
    assert_status(load(world, job, NULL), INVALID);
    assert_says(world, ":3:1", "no time zone is named \"Europe/Berlim\"");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_tenants_file_is_its_policy),
        TEST(a_route_of_the_wrong_type_is_told),
        TEST(a_label_is_plain_text),
        TEST(a_tenant_with_sinks_of_its_own_has_these_alone),
        TEST(keys_of_dedup_are_few_and_have_names),
        TEST(a_key_in_a_wrong_section_is_told_its_own),
        TEST(a_tenants_file_is_told_what_stands_in_quell_toml),
        TEST(what_is_no_string_names_no_sink),
        TEST(a_tenant_has_a_file_of_its_own),
        TEST(a_tenants_dir_that_cannot_be_read_is_told),
        TEST(a_list_stands_at_the_top_or_under_defaults),
        TEST(a_value_of_the_wrong_type_is_told_once),
        TEST(an_unreadable_quell_toml_hides_no_tenants_errors),
        TEST(a_schedule_is_one_of_cron),
        TEST(a_jobs_time_zone_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
