/*
 * config.c - quell.toml and the tenants' files become one immutable, counted configuration.
 *
 * Order: built-in values, quell.toml, --set; its [defaults] (and the same sections at its top) make
 * the policy of every tenant; then each tenants/<id>.toml over a copy of it. All errors are
 * collected. Jobs that stand in quell.toml itself belong to the tenant "default".
 */
#include "core/config.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/config_rules.h"

#define CONFIG_ARENA_BYTES (UINT64_C(4) << 30) /* address space; 5,000 tenants use some MiB */
enum { OVERRIDES_MAX = 256 };

static const struct slice default_grpc = {(const uint8_t *)"127.0.0.1:4317", 14};
static const struct slice default_tenants_dir = {(const uint8_t *)"./tenants", 9};

static void set_defaults(struct config *config) {
    config->data_dir = SLICE("./quell-data");
    config->tenants_dir = default_tenants_dir;
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
        struct toml_value place = config_file_place("--set");
        config_error(build, &place, "at most %d overrides", OVERRIDES_MAX);
        return false;
    }
    if (options->path != NULL) {
        sources[0].name = slice_of_text(options->path);
        if (!status_is_ok(config_read_file(options->path, CONFIG_FILE_BYTES_MAX, build->arena,
                                           &sources[0].text, &fault))) {
            config_error_words(build, &fault);
            return false;
        }
    }
    for (uint32_t i = 0; i < options->overrides_count; i++) {
        if (strchr(options->overrides[i], '=') == NULL) {
            struct toml_value place = config_file_place("--set");
            config_error(build, &place, "\"%s\" is not key=value", options->overrides[i]);
            return false;
        }
        make_override(build, options->overrides[i], &sources[i + 1]);
    }
    if (!status_is_ok(
            toml_parse(sources, options->overrides_count + 1, build->arena, root_out, &fault))) {
        config_error_words(build, &fault);
        return false;
    }
    return true;
}

/* --- Sections --- */

static const char *const scalar_sections[] = {
    "idempotency", "dedup",      "correlate",    "notify",    "incident", "graph",
    "limits",      "quarantine", "dead_letters", "incidents", NULL};
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

void config_apply_sections(struct config_build *build, const struct toml_value *root,
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

void config_apply_lists(struct config_build *build, const struct toml_value *table,
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

/* A list under [defaults] would replace the one at the top, without a word of what that named. */
static void refuse_twice(struct config_build *build, const struct toml_value *root,
                         const struct toml_value *defaults) {
    for (uint32_t i = 0; list_sections[i] != NULL; i++) {
        const struct toml_value *again = config_child(defaults, list_sections[i]);
        if (again != NULL && config_child(root, list_sections[i]) != NULL) {
            config_error(build, again,
                         "%s stands at the top of this file already: all in one place",
                         list_sections[i]);
        }
    }
}

/* Its tokens would let nobody in. */
static void refuse_tenant(struct config_build *build, const struct toml_value *table) {
    const struct toml_value *tenant = config_child(table, "tenant");
    if (tenant != NULL) {
        config_error(build, tenant,
                     "[tenant] stands in a file of its own, such as tenants/acme.toml, not in what "
                     "is read as quell.toml");
    }
}

static void apply_process(struct config_build *build, const struct toml_value *root) {
    struct policy *defaults = &build->config->policies.defaults;
    struct slice nobody = slice_of(NULL, 0);
    config_apply_sections(build, root, defaults, true);
    config_read_kafkas(build, config_child(root, "kafka"));
    config_read_tls(build, config_child(root, "tls"));
    config_apply_lists(build, root, nobody, defaults);
    refuse_tenant(build, root);
    const struct toml_value *section = config_child(root, "defaults");
    if (section != NULL && section->kind != TOML_TABLE) {
        config_error(build, section, "a table is wanted here: [defaults.dedup] and the like");
    } else if (section != NULL) {
        build->is_below_defaults = true;
        config_apply_sections(build, section, defaults, false);
        build->is_below_defaults = false;
        config_apply_lists(build, section, nobody, defaults);
        refuse_tenant(build, section);
        refuse_twice(build, root, section);
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
    config_load_tenants(build, options->path);
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
    build->is_tenants_dir_given = build->config->tenants_dir.data != default_tenants_dir.data;
    config_load_tenants(build, options->path);
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
    struct config_build build = {.config = config, .arena = &config->arena, .errors = errors_out};
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
