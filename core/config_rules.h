/*
 * config_rules.h - inside config: the walk over TOML trees, checked values, errors with places.
 */
#pragma once

#include "core/config.h"
#include "core/config_toml.h"

enum { CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024 };

enum { CONFIG_GIVEN_MAX = 192 };

/* A scalar that was read. */
struct config_given {
    const void *field;
    const char *above; /* its path: "defaults." or "", and */
    const char *path;
    const struct toml_value *value;
};

struct config_build {
    struct config *config;
    struct arena *arena; /* the config's */
    struct config_errors *errors;
    bool is_process_unread;                      /* what quell.toml would have named is not known */
    bool is_tenants_dir_given;                   /* else it is the built-in one */
    bool is_of_tenant;                           /* it is a tenant's file that is being read */
    bool is_below_defaults;                      /* what is being read stands below [defaults] */
    struct config_given given[CONFIG_GIVEN_MAX]; /* in the file that is being read */
    uint32_t given_count;
    const struct toml_value *told; /* is no string; nothing more is told of it */
};

/* Adds "file:line:column: words". */
__attribute__((format(printf, 3, 4))) void
config_error(struct config_build *build, const struct toml_value *at, const char *format, ...);
/* The same about a value: its key comes before the words. */
__attribute__((format(printf, 3, 4))) void config_error_value(struct config_build *build,
                                                              const struct toml_value *value,
                                                              const char *format, ...);
/* Words that say the place themselves. */
void config_error_words(struct config_build *build, const struct fault *fault);
/* Where nothing of the file was read; `path` is not copied. */
struct toml_value config_file_place(const char *path);
/* Brings what was told so far into the order of the files' lines. */
void config_sort_errors(struct config_build *build);
/* Adds "unknown key "x"" with the nearest of the candidates when one is near, or else with the
 * sections that know such a key. `section`: where it stands, such as "notify"; "": at the top. */
void config_error_unknown(struct config_build *build, const struct toml_value *value,
                          const char *section, const char *const *candidates);

/* --- config_elsewhere.c --- */
enum config_list {
#define CONFIG_LIST_KEYS(name, ...) CONFIG_LIST_##name,
#include "core/config_key_list.h"
#undef CONFIG_LIST_KEYS
    CONFIG_LIST_COUNT
};
/* The keys of such a table; NULL ends them. */
const char *const *config_list_keys(enum config_list list);
/* ": it stands in [incidents]", or all the sections but `section` that know the key; or nothing. */
void config_add_elsewhere(struct text *text, const char *section, struct slice key,
                          bool is_of_tenant);

const struct toml_value *config_child(const struct toml_value *table, const char *key);

/* Applies one process key or one policy key; false when the path is neither. `path` is dotted. */
bool config_apply_process_key(struct config_build *build, struct slice path,
                              const struct toml_value *value);
bool config_apply_policy_key(struct config_build *build, struct slice path,
                             const struct toml_value *value, struct policy *policy);

/* Walks a table of scalars below `prefix` and applies each; unknown keys are errors. `policy` NULL:
 * process keys only; `with_process` false: policy keys only. */
void config_apply_table(struct config_build *build, const char *prefix,
                        const struct toml_value *table, struct policy *policy, bool with_process);

/* Checked values; on error an error is added and the result is empty. */
struct slice config_text(struct config_build *build, const struct toml_value *value);
/* One that incidents show, so that no secret is read into it. */
struct slice config_name(struct config_build *build, const struct toml_value *value);
/* On error the target stays. */
void config_switch(struct config_build *build, const struct toml_value *value, bool *target);
bool config_text_array(struct config_build *build, const struct toml_value *value,
                       struct slice **items_out, uint32_t *count_out);

/* --- config.c --- */
/* Everything of a rules table but job, route, sink, tenant. */
void config_apply_sections(struct config_build *build, const struct toml_value *root,
                           struct policy *policy, bool is_process);
/* Sinks, routes, jobs, silences and labels of a rules table; `tenant`: whose, empty for all. */
void config_apply_lists(struct config_build *build, const struct toml_value *table,
                        struct slice tenant, struct policy *policy);

/* --- config_tenants.c --- */
/* Every file of the tenants' directory; config_path (may be NULL): that of quell.toml. */
void config_load_tenants(struct config_build *build, const char *config_path);

/* --- config_check.c --- */
/* What a tenant's values say together; `root`: the file that gave them. */
void config_check_policy(struct config_build *build, const struct toml_value *root,
                         const struct policy *policy);
/* The same of the process, once everything is read. */
void config_check_process(struct config_build *build, const struct toml_value *root);

/* --- config_policy.c --- */
void config_read_job(struct config_build *build, const struct toml_value *table,
                     struct policy_job *job);
void config_read_jobs(struct config_build *build, const struct toml_value *array,
                      struct policy *policy);
void config_read_routes(struct config_build *build, const struct toml_value *array,
                        struct policy *policy);
void config_read_sinks(struct config_build *build, const struct toml_value *table,
                       struct slice tenant, struct policy *policy);
/* Routes must name sinks that exist. */
void config_check_routes(struct config_build *build, const struct toml_value *routes,
                         const struct policy *policy);

/* --- config_match.c --- */
void config_read_match(struct config_build *build, const struct toml_value *table,
                       struct policy_match *match);
/* { team = "data" }; `table` may be NULL. How many. */
uint32_t config_read_labels(struct config_build *build, const struct toml_value *table,
                            struct policy_label labels[POLICY_LABELS_MAX]);
/* [[silence]]; `array` may be NULL. */
void config_read_silences(struct config_build *build, const struct toml_value *array,
                          struct policy *policy);

/* Told when no time zone has that name. */
void config_check_zone(struct config_build *build, const struct toml_value *value);

/* --- config_schedule.c --- */
/* Told when the string is no schedule of cron's. */
void config_check_schedule(struct config_build *build, const struct toml_value *value);

/* --- config_kafka.c --- */
/* [[kafka]]; `array` may be NULL. */
void config_read_kafkas(struct config_build *build, const struct toml_value *array);

/* --- config_tls.c --- */
/* Reads and checks the files that [tls] names; `section` may be NULL. */
void config_read_tls(struct config_build *build, const struct toml_value *section);

/* --- config_access.c --- */
/* Tokens, as SHA-256 digests; `tenant`: whose, empty unless the role is a tenant's. */
void config_read_tokens(struct config_build *build, const struct toml_value *array,
                        enum config_role role, struct slice tenant);
void config_sort_tokens(struct config_build *build);
/* A tenant's certificates: SHA-256 digests, or names. */
void config_read_certificates(struct config_build *build, const struct toml_value *array,
                              struct slice tenant, bool by_name);

/* --- config_secret.c --- */
/* Replaces ${env:NAME} and ${file:PATH}; INVALID with words. is_secret_out: something was replaced.
 */
MUST_CHECK struct status config_expand(struct slice text, struct arena *arena,
                                       struct slice *expanded_out, bool *is_secret_out,
                                       struct fault *fault);
/* Whole file up to bytes_max, in the arena. */
MUST_CHECK struct status config_read_file(const char *path, size_t bytes_max, struct arena *arena,
                                          struct slice *bytes_out, struct fault *fault);
