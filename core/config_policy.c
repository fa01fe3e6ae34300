/*
 * config_policy.c - jobs, routes and sinks of a tenant.
 */
#include "core/config_rules.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "schemas/derive.h"

static void *array_of(struct config_build *build, const struct toml_value *at, size_t count,
                      size_t size) {
    void *items = arena_allocate_array(build->arena, count + 1, size, 16);
    if (items == NULL) {
        config_error(build, at, "the configuration is too large");
    }
    return items;
}

/* --- Jobs --- */

static struct slice job_entity(struct config_build *build, const struct toml_value *value) {
    char name[ENTITY_BYTES_MAX + 1];
    struct text text = text_over(name, sizeof(name));
    struct slice id = config_text(build, value);
    bool has_kind = slice_starts_with(id, SLICE("job:"));
    text_add_text(&text, has_kind ? "" : "job:");
    text_add(&text, id);
    struct slice entity = {0};
    struct fault reason;
    if (text.truncated || id.size == 0) {
        config_error(build, value, "a job id has 1 to %u bytes", ENTITY_BYTES_MAX - 4);
    } else if (!status_is_ok(derive_check_entity(text_slice(&text), &reason))) {
        config_error(build, value, "%s", reason.words);
    } else if (!status_is_ok(arena_copy(build->arena, text_slice(&text), &entity))) {
        config_error(build, value, "the configuration is too large");
    }
    return entity;
}

static void read_depends_on(struct config_build *build, const struct toml_value *value,
                            struct policy_job *job) {
    if (!config_text_array(build, value, &job->depends_on, &job->depends_on_count)) {
        return;
    }
    if (job->depends_on_count > DEPENDS_ON_PER_EVENT_MAX) {
        config_error(build, value, "at most %u entities", DEPENDS_ON_PER_EVENT_MAX);
        job->depends_on_count = 0;
    }
    for (uint32_t i = 0; i < job->depends_on_count; i++) {
        struct fault reason;
        bool is_text = value->children[i].kind == TOML_STRING; /* what is none is told already */
        if (is_text && !status_is_ok(derive_check_entity(job->depends_on[i], &reason))) {
            config_error(build, &value->children[i], "%s", reason.words);
        }
    }
}

static bool is_schedule_key(struct slice key) {
    return slice_equals(key, SLICE("schedule")) || slice_equals(key, SLICE("timezone")) ||
           slice_equals(key, SLICE("grace")) || slice_equals(key, SLICE("max_runtime"));
}

static void read_job_key(struct config_build *build, const struct toml_value *value,
                         struct policy_job *job) {
    const char *const *keys = config_list_keys(CONFIG_LIST_JOB);
    uint64_t span = 0;
    if (slice_equals(value->key, SLICE("id"))) {
        job->entity = job_entity(build, value);
    } else if (slice_equals(value->key, SLICE("depends_on"))) {
        read_depends_on(build, value, job);
    } else if (slice_equals(value->key, SLICE("labels"))) {
        job->labels_count = config_read_labels(build, value, job->labels);
    } else if (slice_equals(value->key, SLICE("owner"))) {
        job->owner = config_name(build, value);
    } else if (slice_equals(value->key, SLICE("tier"))) {
        if (value->kind != TOML_INTEGER || value->integer < 1 || value->integer > 9) {
            config_error_value(build, value,
                               "a number from 1 (most important) to 9 is wanted here");
            return;
        }
        job->tier = (uint32_t)value->integer;
    } else if (!is_schedule_key(value->key)) {
        config_error_unknown(build, value, "job", keys);
    } else if (value->kind != TOML_STRING) {
        config_error_value(build, value, "a string in quotes is wanted here");
    } else if (slice_equals(value->key, SLICE("schedule"))) {
        config_check_schedule(build, value);
    } else if (slice_equals(value->key, SLICE("timezone"))) {
        config_check_zone(build, value);
    } else if (!status_is_ok(text_parse_duration(value->text, &span))) {
        config_error_value(build, value, "a duration is wanted here, such as \"10m\"");
    }
}

/* Most likely another was meant; an edge from an entity to itself says nothing. */
static void check_itself(struct config_build *build, const struct toml_value *table,
                         const struct policy_job *job) {
    const struct toml_value *list = config_child(table, "depends_on");
    for (uint32_t i = 0; job->entity.size > 0 && i < job->depends_on_count; i++) {
        if (slice_equals(job->depends_on[i], job->entity)) {
            config_error(build, &list->children[i], "%.*s cannot depend on itself",
                         SLICE_PRINT(job->entity));
        }
    }
}

void config_read_job(struct config_build *build, const struct toml_value *table,
                     struct policy_job *job) {
    if (table->kind != TOML_TABLE) {
        config_error(build, table, "a table is wanted here: [[job]]");
        return;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        read_job_key(build, &table->children[i], job);
    }
    if (config_child(table, "id") == NULL) {
        config_error(build, table, "this job has no id");
    }
    check_itself(build, table, job);
}

static int compare_jobs(const void *a, const void *b) {
    return slice_compare(((const struct policy_job *)a)->entity,
                         ((const struct policy_job *)b)->entity);
}

/* A job and where it was read, until all are sorted. */
struct placed_job {
    struct slice entity;
    uint32_t at;
};

static int compare_placed(const void *a, const void *b) {
    const struct placed_job *left = a;
    const struct placed_job *right = b;
    int order = slice_compare(left->entity, right->entity);
    return order != 0 ? order : left->at < right->at ? -1 : 1;
}

/* Each but the first of a name is told, where it stands. */
static void check_twice(struct config_build *build, const struct toml_value *array,
                        const struct policy *policy) {
    struct placed_job *placed =
        array_of(build, array, policy->jobs_count, sizeof(struct placed_job));
    for (uint32_t i = 0; placed != NULL && i < policy->jobs_count; i++) {
        placed[i] = (struct placed_job){policy->jobs[i].entity, i};
    }
    if (placed == NULL) {
        return;
    }
    qsort(placed, policy->jobs_count, sizeof(*placed), compare_placed);
    for (uint32_t i = 1; i < policy->jobs_count; i++) {
        if (placed[i].entity.size > 0 && slice_equals(placed[i - 1].entity, placed[i].entity)) {
            config_error(build, &array->children[placed[i].at], "%.*s is declared twice",
                         SLICE_PRINT(placed[i].entity));
        }
    }
}

void config_read_jobs(struct config_build *build, const struct toml_value *array,
                      struct policy *policy) {
    if (array == NULL) {
        return;
    }
    if (array->kind != TOML_ARRAY) {
        config_error(build, array, "jobs are written as [[job]]");
        return;
    }
    policy->jobs = array_of(build, array, array->children_count, sizeof(struct policy_job));
    for (uint32_t i = 0; policy->jobs != NULL && i < array->children_count; i++) {
        config_read_job(build, &array->children[i], &policy->jobs[i]);
        policy->jobs_count++;
    }
    if (policy->jobs_count == 0) {
        return;
    }
    check_twice(build, array, policy);
    qsort(policy->jobs, policy->jobs_count, sizeof(struct policy_job), compare_jobs);
}

/* --- Routes --- */

static void read_route(struct config_build *build, const struct toml_value *table,
                       struct policy_route *route) {
    const char *const *keys = config_list_keys(CONFIG_LIST_ROUTE);
    if (table->kind != TOML_TABLE) {
        config_error(build, table, "a table is wanted here: [[route]]");
        return;
    }
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *value = &table->children[i];
        if (slice_equals(value->key, SLICE("match"))) {
            config_read_match(build, value, &route->match);
        } else if (slice_equals(value->key, SLICE("sinks"))) {
            (void)config_text_array(build, value, &route->sinks, &route->sinks_count);
        } else if (slice_equals(value->key, SLICE("continue"))) {
            config_switch(build, value, &route->goes_on);
        } else {
            config_error_unknown(build, value, "route", keys);
        }
    }
    const struct toml_value *sinks = config_child(table, "sinks");
    bool is_empty = sinks == NULL || (sinks->kind == TOML_ARRAY && sinks->children_count == 0);
    if (is_empty) { /* what else is wrong with them is told already */
        config_error(build, table, "this route goes to nobody: sinks = [\"...\"] is missing");
    }
}

void config_read_routes(struct config_build *build, const struct toml_value *array,
                        struct policy *policy) {
    if (array == NULL) {
        return;
    }
    policy->routes_count = 0; /* those of the defaults do not stand here: config_check_routes */
    if (array->kind != TOML_ARRAY || array->children_count > ROUTES_PER_TENANT_MAX) {
        config_error(build, array, "routes are written as [[route]], at most %u",
                     ROUTES_PER_TENANT_MAX);
        return;
    }
    policy->routes = array_of(build, array, array->children_count, sizeof(struct policy_route));
    for (uint32_t i = 0; policy->routes != NULL && i < array->children_count; i++) {
        read_route(build, &array->children[i], &policy->routes[i]);
        policy->routes_count++;
    }
}

static bool is_named(const struct policy *policy, struct slice sink) {
    uint32_t at = 0;
    while (at < policy->sinks_count && !slice_equals(policy->sinks[at], sink)) {
        at++;
    }
    return at < policy->sinks_count;
}

static void refuse_sink(struct config_build *build, const struct toml_value *list,
                        struct slice sink) {
    if (is_named(&build->config->policies.defaults, sink)) {
        config_error(build, list,
                     "sink \"%.*s\" is quell.toml's, and a tenant with sinks of its own has these "
                     "alone: [sink.%.*s] is missing here",
                     SLICE_PRINT(sink), SLICE_PRINT(sink));
        return;
    }
    config_error(build, list, "no sink is named \"%.*s\": [sink.%.*s] is missing",
                 SLICE_PRINT(sink), SLICE_PRINT(sink));
}

void config_check_routes(struct config_build *build, const struct toml_value *routes,
                         const struct policy *policy) {
    bool may_tell = routes != NULL && !build->is_process_unread;
    for (uint32_t i = 0; may_tell && i < policy->routes_count; i++) {
        for (uint32_t s = 0; s < policy->routes[i].sinks_count; s++) {
            const struct toml_value *list = config_child(&routes->children[i], "sinks");
            bool is_known = list != NULL && list->children[s].kind != TOML_STRING; /* told */
            if (!is_known && !is_named(policy, policy->routes[i].sinks[s])) {
                refuse_sink(build, list == NULL ? routes : list, policy->routes[i].sinks[s]);
            }
        }
    }
}

/* --- Sinks --- */

static void read_setting(struct config_build *build, const struct toml_value *value,
                         struct slice key, struct config_setting *setting) {
    struct fault reason;
    setting->key = key;
    setting->line = value->line;
    setting->column = value->column;
    setting->is_list = value->kind == TOML_ARRAY;
    setting->is_table = value->kind == TOML_TABLE;
    struct status status =
        config_expand(value->text, build->arena, &setting->value, &setting->is_secret, &reason);
    if (!status_is_ok(status)) {
        config_error(build, value, "%s", reason.words);
        setting->is_unresolved = true;
    }
}

static void join_array(struct config_build *build, const struct toml_value *value,
                       struct slice *joined_out) {
    size_t size = 1;
    for (uint32_t i = 0; i < value->children_count; i++) {
        size += value->children[i].text.size + 1;
    }
    char *memory = array_of(build, value, size, 1);
    if (memory == NULL) {
        return;
    }
    struct text text = text_over(memory, size + 1);
    for (uint32_t i = 0; i < value->children_count; i++) {
        text_add_text(&text, i == 0 ? "" : " ");
        text_add(&text, value->children[i].text);
    }
    *joined_out = text_slice(&text);
}

/* headers = { X-Team = "data" } becomes the setting "headers.X-Team", and so on downwards. */
static void read_nested(struct config_build *build, const struct toml_value *table,
                        struct slice prefix, struct config_sink *sink) {
    for (uint32_t i = 0; i < table->children_count; i++) {
        const struct toml_value *child = &table->children[i];
        char path[256];
        struct text text = text_over(path, sizeof(path));
        text_add(&text, prefix);
        text_add_char(&text, '.');
        text_add(&text, child->key);
        if (child->kind == TOML_TABLE && child->children_count > 0 && !text.truncated) {
            read_nested(build, child, text_slice(&text), sink); /* the path bounds the depth */
            continue;
        }
        struct slice key = {0};
        if (!status_is_ok(arena_copy(build->arena, text_slice(&text), &key))) {
            config_error(build, table, "the configuration is too large");
            return;
        }
        read_setting(build, child, key, &sink->settings[sink->settings_count++]);
    }
}

static uint32_t settings_count(const struct toml_value *table) {
    uint32_t count = 1;
    for (uint32_t i = 0; i < table->children_count; i++) {
        count += settings_count(&table->children[i]);
    }
    return count;
}

static const char *const no_type = "this sink has no type, such as type = \"webhook\"";

/* "typ" is more likely mistyped than a setting of a sink without a type. */
static void refuse_typeless(struct config_build *build, const struct toml_value *table) {
    static const char *const keys[] = {"type", NULL};
    for (uint32_t i = 0; table->kind == TOML_TABLE && i < table->children_count; i++) {
        struct text_guess guess = text_guess_of(table->children[i].key);
        text_guess_try(&guess, keys[0]);
        if (guess.nearest != NULL) {
            config_error_unknown(build, &table->children[i], "sink", keys);
            return;
        }
    }
    config_error(build, table, "%s", no_type);
}

static void read_sink(struct config_build *build, const struct toml_value *table,
                      struct slice tenant, struct config_sink *sink) {
    sink->tenant = tenant;
    sink->name = table->key;
    sink->file = table->file;
    sink->line = table->line;
    sink->column = table->column;
    const struct toml_value *type = config_child(table, "type");
    if (table->kind != TOML_TABLE || type == NULL) {
        refuse_typeless(build, table);
        return;
    }
    sink->type = config_text(build, type);
    if (type->kind == TOML_STRING && sink->type.size == 0) {
        config_error(build, type, "%s", no_type);
    }
    sink->type_line = type->line;
    sink->type_column = type->column;
    sink->settings = array_of(build, table, settings_count(table), sizeof(struct config_setting));
    for (uint32_t i = 0; sink->settings != NULL && i < table->children_count; i++) {
        struct toml_value value = table->children[i];
        if (slice_equals(value.key, SLICE("type"))) {
            continue;
        }
        if (value.kind == TOML_TABLE && value.children_count > 0) {
            read_nested(build, &value, value.key, sink);
            continue;
        }
        if (value.kind == TOML_ARRAY) {
            join_array(build, &value, &value.text);
        }
        read_setting(build, &value, value.key, &sink->settings[sink->settings_count++]);
    }
}

static struct config_sink *next_sink(struct config_build *build, const struct toml_value *at) {
    struct config *config = build->config;
    /* Doubling copies: the arena keeps the old arrays, which are small beside the rest. */
    if ((config->sinks_count & (config->sinks_count - 1)) == 0) {
        uint32_t capacity = config->sinks_count == 0 ? 1 : config->sinks_count * 2;
        struct config_sink *grown = array_of(build, at, capacity, sizeof(struct config_sink));
        if (grown == NULL) {
            return NULL;
        }
        if (config->sinks_count > 0) {
            memcpy(grown, config->sinks, config->sinks_count * sizeof(*grown));
        }
        config->sinks = grown;
    }
    return &config->sinks[config->sinks_count++];
}

void config_read_sinks(struct config_build *build, const struct toml_value *table,
                       struct slice tenant, struct policy *policy) {
    if (table == NULL) {
        return;
    }
    if (table->kind != TOML_TABLE || table->children_count > SINKS_PER_TENANT_MAX) {
        config_error(build, table, "sinks are written as [sink.<name>], at most %u",
                     SINKS_PER_TENANT_MAX);
        return;
    }
    policy->sinks = array_of(build, table, table->children_count, sizeof(struct slice));
    policy->sinks_count = 0;
    for (uint32_t i = 0; policy->sinks != NULL && i < table->children_count; i++) {
        struct config_sink *sink = next_sink(build, table);
        if (sink == NULL) {
            return;
        }
        read_sink(build, &table->children[i], tenant, sink);
        policy->sinks[policy->sinks_count++] = table->children[i].key;
    }
}
