/*
 * config.c - quell.toml and the tenants' files become one immutable, counted configuration.
 *
 * Order: built-in values, quell.toml, --set; its [defaults] (and the same sections at its top) make
 * the policy of every tenant; then each tenants/<id>.toml over a copy of it. All errors are
 * collected. Jobs that stand in quell.toml itself belong to the tenant "default".
 */
#include "core/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/config_rules.h"
#include "schemas/derive.h"

#define CONFIG_ARENA_BYTES (UINT64_C(4) << 30) /* address space; 5,000 tenants use some MiB */
enum { CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024, OVERRIDES_MAX = 256, PATH_BYTES_MAX = 4096 };

static const struct slice default_grpc = {(const uint8_t *)"127.0.0.1:4317", 14};

static void set_defaults(struct config *config) {
    config->data_dir = SLICE("./quell-data");
    config->tenants_dir = SLICE("./tenants");
    config->listen_http = SLICE("127.0.0.1:4318");
    config->listen_grpc = default_grpc;
    config->listen_console = SLICE("127.0.0.1:8418");
    config->io = LOOP_AUTO;
    config->ingest_threads = 1;
    config->shards = 1;
    config->journal_sync = JOURNAL_SYNC_ALWAYS;
    config->sink_addresses = SINK_ADDRESSES_PRIVATE;
    config->journal_retention_bytes_max = 8 * GIB;
    config->journal_retention_ns_max = 7 * NS_PER_DAY;
    config->journal_segment_bytes = JOURNAL_SEGMENT_BYTES;
    config->store_reserve_bytes = STORE_RESERVE_BYTES;
    config->request_bytes_max = REQUEST_BYTES_DEFAULT;
    config->connections_max = CONNECTIONS_DEFAULT;
    config->tls.options.client_auth = TLS_CLIENT_REQUIRE;
    config->tls.http = config->tls.grpc = config->tls.console = true;
    config->header_timeout_ns = 10 * NS_PER_S;
    config->body_timeout_ns = 30 * NS_PER_S;
    config->idle_timeout_ns = 75 * NS_PER_S;
    config->send_timeout_ns = 30 * NS_PER_S;
    config->waiting_requests_max = WAITING_REQUESTS_MAX;
    config->tenant_share_percent = 75;
    config->buffered_bytes_max = GIB;
    config->lag_events_max = LAG_EVENTS_DEFAULT;
    config->log_level = LOG_LEVEL_INFO;
    config->entities_max = GRAPH_NODES_DEFAULT;
    config->edges_max = GRAPH_EDGES_DEFAULT;
    config->learned_edges_max = LEARNED_EDGES_DEFAULT;
    config->dedup_keys_max = DEDUP_KEYS_DEFAULT;
    config->event_ids_max = EVENT_IDS_DEFAULT;
    config->incidents_max = INCIDENTS_DEFAULT;
    config->policies.defaults = policy_default();
}

static struct toml_value file_place(const char *path) {
    return (struct toml_value){.file = slice_of_text(path), .line = 1, .column = 1};
}

static void add_words(struct config_build *build, const struct fault *fault) {
    text_add_text(&build->errors->text, fault->words);
    text_add_char(&build->errors->text, '\n');
    build->errors->count++;
}

/* --- Reading TOML --- */

/* --set a.b=value: as TOML if it is, else as a string. */
static struct slice override_text(struct config_build *build, const char *word, bool as_string) {
    const char *equals = strchr(word, '=');
    size_t size = 2 * strlen(word) + 16;
    char *memory = arena_allocate(build->arena, size, 1);
    if (memory == NULL || equals == NULL) {
        return slice_of(NULL, 0);
    }
    struct text text = text_over(memory, size);
    text_add(&text, slice_of(word, (size_t)(equals - word)));
    text_add_text(&text, " = ");
    if (as_string) {
        text_add_json_string(&text, slice_of_text(equals + 1));
    } else {
        text_add_text(&text, equals + 1);
    }
    text_add_char(&text, '\n');
    return text_slice(&text);
}

static void make_override(struct config_build *build, const char *word,
                          struct toml_source *source) {
    source->name = SLICE("--set");
    source->text = override_text(build, word, false);
    struct toml_value ignored;
    struct fault fault;
    if (!status_is_ok(toml_parse(source, 1, build->arena, &ignored, &fault))) {
        source->text = override_text(build, word, true);
    }
}

static bool read_process_toml(struct config_build *build, const struct config_options *options,
                              struct toml_value *root_out) {
    struct toml_source sources[OVERRIDES_MAX + 1] = {{SLICE("built-in"), SLICE("")}};
    struct fault fault;
    if (options->overrides_count > OVERRIDES_MAX) {
        struct toml_value place = file_place("--set");
        config_error(build, &place, "at most %d overrides", OVERRIDES_MAX);
        return false;
    }
    if (options->path != NULL) {
        sources[0].name = slice_of_text(options->path);
        if (!status_is_ok(config_read_file(options->path, CONFIG_FILE_BYTES_MAX, build->arena,
                                           &sources[0].text, &fault))) {
            add_words(build, &fault);
            return false;
        }
    }
    for (uint32_t i = 0; i < options->overrides_count; i++) {
        if (strchr(options->overrides[i], '=') == NULL) {
            struct toml_value place = file_place("--set");
            config_error(build, &place, "\"%s\" is not key=value", options->overrides[i]);
            return false;
        }
        make_override(build, options->overrides[i], &sources[i + 1]);
    }
    if (!status_is_ok(
            toml_parse(sources, options->overrides_count + 1, build->arena, root_out, &fault))) {
        add_words(build, &fault);
        return false;
    }
    return true;
}

/* --- Sections --- */

static const char *const scalar_sections[] = {"idempotency",  "dedup", "correlate", "notify",
                                              "incident",     "graph", "limits",    "quarantine",
                                              "dead_letters", NULL};
static const char *const process_sections[] = {"listen", "server", "journal", "auth", "tls",
                                               "log",    "limits", "sinks",   NULL};
static const char *const list_sections[] = {"job",    "route",   "sink", "tenant",
                                            "labels", "silence", NULL};
static const char *const process_lists[] = {"defaults", "kafka", NULL};

static bool is_one_of(struct slice key, const char *const *sections) {
    for (uint32_t i = 0; sections[i] != NULL; i++) {
        if (slice_equals(key, slice_of_text(sections[i]))) {
            return true;
        }
    }
    return false;
}

/* Everything of a rules table but job, route, sink, tenant. */
static void apply_sections(struct config_build *build, const struct toml_value *root,
                           struct policy *policy, bool is_process) {
    for (uint32_t i = 0; i < root->children_count; i++) {
        struct toml_value *section = &root->children[i];
        char name[64];
        struct text text = text_over(name, sizeof(name));
        text_add(&text, section->key);
        bool is_table = section->kind == TOML_TABLE;
        if (is_process && is_table && is_one_of(section->key, process_sections)) {
            config_apply_table(build, name, section, NULL, true);
        } else if (is_table && is_one_of(section->key, scalar_sections)) {
            config_apply_table(build, name, section, policy, false);
        } else if (!is_table && (is_one_of(section->key, scalar_sections) ||
                                 (is_process && is_one_of(section->key, process_sections)))) {
            config_error(build, section, "%.*s is a table: [%.*s]", SLICE_PRINT(section->key),
                         SLICE_PRINT(section->key));
        } else if (!is_one_of(section->key, list_sections) &&
                   !(is_process && is_one_of(section->key, process_lists))) {
            struct toml_value single = {.children = section, .children_count = 1};
            config_apply_table(build, "", &single, policy, is_process);
        }
    }
}

static void apply_lists(struct config_build *build, const struct toml_value *table,
                        struct slice tenant, struct policy *policy) {
    config_read_sinks(build, config_child(table, "sink"), tenant, policy);
    config_read_routes(build, config_child(table, "route"), policy);
    config_check_routes(build, config_child(table, "route"), policy);
    config_read_jobs(build, config_child(table, "job"), policy);
    config_read_silences(build, config_child(table, "silence"), policy);
    if (config_child(table, "labels") != NULL) {
        policy->labels_count =
            config_read_labels(build, config_child(table, "labels"), policy->labels);
    }
}

static void apply_process(struct config_build *build, const struct toml_value *root) {
    struct policy *defaults = &build->config->policies.defaults;
    struct slice nobody = slice_of(NULL, 0);
    apply_sections(build, root, defaults, true);
    config_read_kafkas(build, config_child(root, "kafka"));
    config_read_tls(build, config_child(root, "tls"));
    apply_lists(build, root, nobody, defaults);
    const struct toml_value *section = config_child(root, "defaults");
    if (section != NULL && section->kind != TOML_TABLE) {
        config_error(build, section, "a table is wanted here: [defaults.dedup] and the like");
    } else if (section != NULL) {
        apply_sections(build, section, defaults, false);
        apply_lists(build, section, nobody, defaults);
    }
    config_check_policy(build, root, defaults);
}

/* Nobody named a sink: incidents go to stdout, so that the first run says something. */
static void add_default_sink(struct config_build *build) {
    struct policy *defaults = &build->config->policies.defaults;
    struct toml_value type = {.kind = TOML_STRING, .key = SLICE("type"), .text = SLICE("stdout")};
    struct toml_value sink = {.kind = TOML_TABLE,
                              .key = SLICE("stdout"),
                              .file = SLICE("built-in"),
                              .children = &type,
                              .children_count = 1};
    struct toml_value table = {.kind = TOML_TABLE, .children = &sink, .children_count = 1};
    if (defaults->sinks_count == 0) {
        config_read_sinks(build, &table, slice_of(NULL, 0), defaults);
    }
}

/* --- Tenants --- */

static void read_tenant_section(struct config_build *build, const struct toml_value *section,
                                struct slice file_tenant, struct slice *tenant_out) {
    static const char *const keys[] = {"id",           "tokens_sha256", "client_certs_sha256",
                                       "client_names", "owner",         NULL};
    *tenant_out = file_tenant;
    for (uint32_t i = 0; section != NULL && i < section->children_count; i++) {
        const struct toml_value *value = &section->children[i];
        struct fault reason;
        if (slice_equals(value->key, SLICE("id"))) {
            struct slice id = config_text(build, value);
            if (!status_is_ok(derive_check_tenant(id, &reason))) {
                config_error(build, value, "%s", reason.words);
            } else if (!slice_equals(id, file_tenant)) {
                config_error(build, value, "the id \"%.*s\" is not the file's name, %.*s.toml",
                             SLICE_PRINT(id), SLICE_PRINT(file_tenant));
            }
        } else if (slice_equals(value->key, SLICE("tokens_sha256"))) {
            config_read_tokens(build, value, file_tenant);
        } else if (slice_equals(value->key, SLICE("client_certs_sha256")) ||
                   slice_equals(value->key, SLICE("client_names"))) {
            config_read_certificates(build, value, file_tenant,
                                     slice_equals(value->key, SLICE("client_names")));
        } else if (!slice_equals(value->key, SLICE("owner"))) {
            config_error_unknown(build, value, value->key, keys);
        }
    }
}

static void apply_tenant(struct config_build *build, const struct toml_value *root,
                         struct slice tenant, struct policy *policy) {
    *policy = build->config->policies.defaults;
    policy->jobs = NULL;
    policy->jobs_count = 0;
    policy->tenant = tenant;
    struct slice id;
    const struct toml_value *section = config_child(root, "tenant");
    read_tenant_section(build, section, tenant, &id);
    const struct toml_value *owner = config_child(section, "owner");
    policy->owner = owner == NULL ? policy->owner : config_text(build, owner);
    apply_sections(build, root, policy, false);
    if (config_child(root, "sink") != NULL) {
        policy->routes_count = 0; /* own sinks: the defaults' routes name others */
    }
    apply_lists(build, root, tenant, policy);
    config_check_policy(build, root, policy);
}

static void load_tenant(struct config_build *build, const char *directory, struct slice name,
                        struct policy *policy) {
    char *path = arena_allocate(build->arena, PATH_BYTES_MAX, 1);
    struct slice tenant;
    struct fault fault;
    if (path == NULL || !status_is_ok(arena_copy(build->arena, name, &tenant))) {
        return;
    }
    (void)snprintf(path, PATH_BYTES_MAX, "%s/%.*s.toml", directory, SLICE_PRINT(name));
    struct toml_source source = {.name = slice_of_text(path)};
    struct toml_value root;
    struct status status =
        config_read_file(path, CONFIG_FILE_BYTES_MAX, build->arena, &source.text, &fault);
    if (status_is_ok(status)) {
        status = toml_parse(&source, 1, build->arena, &root, &fault);
    }
    if (!status_is_ok(status)) {
        add_words(build, &fault);
        return;
    }
    struct toml_value place = file_place(path);
    if (!status_is_ok(derive_check_tenant(tenant, &fault))) {
        config_error(build, &place, "%s", fault.words);
        return;
    }
    root.file = root.file.size > 0 ? root.file : source.name;
    apply_tenant(build, &root, tenant, policy);
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static bool is_tenant_file(struct slice name) {
    return name.size > 5 && name.data[0] != '.' &&
           slice_equals(slice_tail(name, name.size - 5), SLICE(".toml"));
}

static uint32_t list_tenants(struct config_build *build, DIR *directory, struct slice *names) {
    uint32_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct slice name = slice_of_text(entry->d_name);
        if (!is_tenant_file(name)) {
            continue;
        }
        if (count == TENANTS_MAX) {
            struct toml_value place = file_place(entry->d_name);
            config_error(build, &place, "at most %u tenants", TENANTS_MAX);
            break;
        }
        if (status_is_ok(
                arena_copy(build->arena, slice_head(name, name.size - 5), &names[count]))) {
            count++;
        }
    }
    qsort(names, count, sizeof(*names), compare_names);
    return count;
}

/* The jobs of quell.toml itself: tenant "default", unless it has a file of its own. */
static void add_default_tenant(struct config *config) {
    struct policy_set *set = &config->policies;
    if (set->defaults.jobs_count == 0) {
        return;
    }
    uint32_t at = 0;
    while (at < set->tenants_count &&
           slice_compare(set->tenants[at].tenant, SLICE("default")) < 0) {
        at++;
    }
    if (at < set->tenants_count && slice_equals(set->tenants[at].tenant, SLICE("default"))) {
        return;
    }
    memmove(&set->tenants[at + 1], &set->tenants[at],
            (set->tenants_count - at) * sizeof(struct policy));
    set->tenants[at] = set->defaults;
    set->tenants[at].tenant = SLICE("default");
    set->tenants_count++;
    set->defaults.jobs_count = 0;
}

/* Tenants that are not where quell is started may stand beside the file that --config names. */
static void settle_tenants_dir(struct config_build *build, const char *config_path) {
    struct config *config = build->config;
    char path[PATH_BYTES_MAX];
    struct text text = text_over(path, sizeof(path));
    const char *slash = config_path == NULL ? NULL : strrchr(config_path, '/');
    text_add(&text, config->tenants_dir);
    if (slash == NULL || path[0] == '/' || access(path, F_OK) == 0) {
        return;
    }
    text = text_over(path, sizeof(path));
    text_add(&text, slice_of(config_path, (size_t)(slash - config_path) + 1));
    text_add(&text, config->tenants_dir);
    if (!text.truncated && access(path, F_OK) == 0) {
        (void)!status_is_ok(arena_copy(build->arena, text_slice(&text), &config->tenants_dir));
    }
}

static void load_tenants(struct config_build *build, const char *config_path) {
    struct config *config = build->config;
    settle_tenants_dir(build, config_path);
    struct slice *names = ARENA_ARRAY(build->arena, struct slice, TENANTS_MAX);
    config->policies.tenants = ARENA_ARRAY(build->arena, struct policy, TENANTS_MAX + 1);
    char path[PATH_BYTES_MAX];
    struct text path_text = text_over(path, sizeof(path));
    text_add(&path_text, config->tenants_dir);
    DIR *directory = opendir(path);
    if (names == NULL || config->policies.tenants == NULL) {
        ASSERT(directory == NULL || closedir(directory) == 0);
        return;
    }
    if (directory != NULL) {
        config->tenants = names;
        config->tenants_count = list_tenants(build, directory, names);
        closedir(directory);
    }
    for (uint32_t i = 0; i < config->tenants_count; i++) {
        load_tenant(build, path, names[i], &config->policies.tenants[i]);
        config->policies.tenants_count++;
    }
    add_default_tenant(config);
}

/* --- Whole --- */

/* Where the tenants are, as far as the lines of a file say it that is no TOML as a whole. */
static void find_tenants_dir(struct config_build *build, const char *path) {
    struct toml_source line = {.name = slice_of_text(path)};
    struct slice rest;
    struct fault unused;
    if (!status_is_ok(
            config_read_file(path, CONFIG_FILE_BYTES_MAX, build->arena, &rest, &unused))) {
        return;
    }
    while (rest.size > 0) {
        struct toml_value root;
        line.text = slice_head(rest, slice_find_byte(rest, '\n'));
        rest = slice_tail(rest, line.text.size + 1);
        if (slice_starts_with(slice_trim(line.text), SLICE("tenants_dir")) &&
            status_is_ok(toml_parse(&line, 1, build->arena, &root, &unused))) {
            const struct toml_value *value = config_child(&root, "tenants_dir");
            bool is_text = value != NULL && value->kind == TOML_STRING;
            build->config->tenants_dir = is_text ? value->text : build->config->tenants_dir;
        }
    }
}

/* quell.toml cannot be read. What is wrong with the tenants' files is told all the same, as far as
 * it does not hang on what quell.toml would have said. */
static void load_tenants_alone(struct config_build *build, const struct config_options *options) {
    struct config_options rest = *options;
    struct toml_value root;
    struct config_errors told = *build->errors;
    rest.path = NULL;
    if (options->path == NULL || !read_process_toml(build, &rest, &root)) {
        *build->errors = told;
        return;
    }
    find_tenants_dir(build, options->path);
    const struct toml_value *directory = config_child(&root, "tenants_dir");
    if (directory != NULL && directory->kind == TOML_STRING) {
        build->config->tenants_dir = directory->text;
    }
    build->is_process_unread = true;
    load_tenants(build, options->path);
}

static void load_all(struct config_build *build, const struct config_options *options) {
    struct toml_value root;
    if (!read_process_toml(build, options, &root)) {
        load_tenants_alone(build, options);
        return;
    }
    root.file = slice_of_text(options->path == NULL ? "built-in" : options->path);
    root.line = 1;
    root.column = 1;
    apply_process(build, &root);
    add_default_sink(build);
    load_tenants(build, options->path);
    build->config->listen_grpc_is_given = build->config->listen_grpc.data != default_grpc.data;
    config_sort_tokens(build);
    config_check_process(build, &root);
    if (options->check_more != NULL) {
        (void)options->check_more(build->config, build->errors);
    }
}

struct status config_load(const struct config_options *options, struct config **config_out,
                          struct config_errors *errors_out) {
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL || !status_is_ok(arena_init(&config->arena, CONFIG_ARENA_BYTES))) {
        free(config);
        return status_of(STATUS_FULL);
    }
    set_defaults(config);
    atomic_store(&config->references, 1);
    errors_out->count = 0;
    struct config_build build = {config, &config->arena, errors_out, false};
    load_all(&build, options);
    config_sort_errors(&build);
    if (errors_out->count > 0) {
        config_release(config);
        return status_of(STATUS_INVALID);
    }
    *config_out = config;
    return status_ok();
}

void config_acquire(struct config *config) {
    uint32_t before = atomic_fetch_add(&config->references, 1);
    ASSERT(before > 0);
}

void config_release(struct config *config) {
    if (config == NULL || atomic_fetch_sub(&config->references, 1) > 1) {
        return;
    }
    tls_tickets_release(config->tls.options.tickets);
    explicit_bzero(config->arena.base, config->arena.used_bytes);
    arena_deinit(&config->arena);
    free(config);
}
