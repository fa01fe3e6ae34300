/*
 * config_check.c - what only the whole configuration can say: values that do not go together, and
 * listeners that nothing guards. Each error stands at the key that is to be changed.
 */
#include "core/config_rules.h"

#include "core/datadir.h"

#define TIMEOUT_NS_MIN (10 * NS_PER_MS)
#define KEPT_BYTES_MIN (64 * KIB)

/* Where `section.key` was given, also under [defaults]; NULL: nowhere. */
static const struct toml_value *find_key(const struct toml_value *root, const char *section,
                                         const char *key) {
    const struct toml_value *given = config_child(config_child(root, section), key);
    const struct toml_value *defaults = config_child(config_child(root, "defaults"), section);
    return given != NULL ? given : config_child(defaults, key);
}

/* The same; where it was not given, the file itself. */
static const struct toml_value *place_of(const struct toml_value *root, const char *section,
                                         const char *key) {
    const struct toml_value *given = find_key(root, section, key);
    return given != NULL ? given : root;
}

/* --- One tenant's rules --- */

static void check_dedup(struct config_build *build, const struct toml_value *root,
                        const struct policy *policy) {
    const struct toml_value *window = find_key(root, "dedup", "window");
    const struct toml_value *max_window = find_key(root, "dedup", "max_window");
    if (policy->dedup_window_ns > policy->dedup_max_window_ns &&
        (window != NULL || max_window != NULL)) {
        config_error(build, window != NULL ? window : max_window,
                     "dedup.window is longer than dedup.max_window");
    }
    if (policy->dedup_max_window_ns > DEDUP_WINDOW_NS_MAX && max_window != NULL) {
        config_error(build, max_window, "dedup.max_window is at most 49 days");
    }
}

/* Of the quarantine, the dead letters and resolved incidents. */
static void check_kept(struct config_build *build, const struct toml_value *root,
                       const struct policy *policy) {
    const struct {
        const char *section;
        uint64_t age_ns;
        uint64_t bytes;
    } kept[] = {
        {"quarantine", policy->quarantine_age_ns_max, policy->quarantine_bytes_max},
        {"dead_letters", policy->dead_age_ns_max, policy->dead_bytes_max},
        {"incidents", policy->incidents_age_ns_max, policy->incidents_bytes_max},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const struct toml_value *age = find_key(root, kept[i].section, "retention");
        const struct toml_value *bytes = find_key(root, kept[i].section, "retention_bytes");
        if (age != NULL && kept[i].age_ns < NS_PER_S) {
            config_error(build, age, "%s.retention is at least 1s", kept[i].section);
        }
        if (bytes != NULL && kept[i].bytes < KEPT_BYTES_MIN) {
            config_error(build, bytes, "%s.retention_bytes is at least 64KiB", kept[i].section);
        }
    }
}

/* What a file did not say itself was told where it was said. */
void config_check_policy(struct config_build *build, const struct toml_value *root,
                         const struct policy *policy) {
    const struct toml_value *learned_ttl = find_key(root, "graph", "learned_ttl");
    const struct toml_value *max_hops = find_key(root, "correlate", "max_hops");
    const struct toml_value *repeat = find_key(root, "notify", "repeat_interval");
    check_dedup(build, root, policy);
    check_kept(build, root, policy);
    if (repeat != NULL && policy->repeat_interval_ns < NS_PER_S) {
        config_error(build, repeat, "notify.repeat_interval is at least 1s");
    }
    if (learned_ttl != NULL && policy->learned_ttl_ns < NS_PER_S) {
        config_error(build, learned_ttl, "graph.learned_ttl is at least 1s");
    }
    if (max_hops != NULL && policy->correlate_hops_max > GRAPH_HOPS_MAX) {
        config_error(build, max_hops, "correlate.max_hops is at most %u", GRAPH_HOPS_MAX);
    }
}

/* --- The process --- */

bool config_address_is_loopback(struct slice address) {
    return address.size == 0 || slice_starts_with(address, SLICE("127.")) ||
           slice_starts_with(address, SLICE("[::1]")) ||
           slice_starts_with(address, SLICE("localhost:"));
}

struct listener {
    const char *key;
    struct slice address;
    bool may_be_off;
};

/* The bind would fail, or two ports of ingest would share what comes. */
static void check_port(struct config_build *build, const struct toml_value *root,
                       const struct listener *first, const struct listener *listener) {
    for (const struct listener *other = first; other < listener; other++) {
        uint16_t port = loop_shared_port(listener->address, other->address);
        if (port != 0) {
            const struct toml_value *at = find_key(root, "listen", listener->key);
            config_error(build, at != NULL ? at : place_of(root, "listen", other->key),
                         "listen.%s: listen.%s listens on port %u there already", listener->key,
                         other->key, port);
            return;
        }
    }
}

static void check_listeners(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    const struct listener listeners[] = {
        {"http", config->listen_http, false},
        {"grpc", config->listen_grpc, true},
        {"console", config->listen_console, false},
    };
    bool is_open = config->auth_mode == AUTH_NONE && !config->auth_allow_insecure;
    for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
        struct slice address = listeners[i].address;
        const struct toml_value *at = place_of(root, "listen", listeners[i].key);
        struct fault fault;
        if (address.size == 0 && listeners[i].may_be_off) {
            continue;
        }
        if (!status_is_ok(loop_check_address(address, &fault))) {
            config_error(build, at, "listen.%s: %s", listeners[i].key, fault.words);
        } else if (is_open && !config_address_is_loopback(address)) {
            config_error(build, at,
                         "listen.%s: auth.mode = \"none\" is for loopback only: set auth.mode = "
                         "\"token\", or auth.allow_insecure = true",
                         listeners[i].key);
        }
        check_port(build, root, listeners, &listeners[i]);
    }
}

static void check_sizes(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    if (config->data_dir.size == 0 || config->data_dir.size > DATADIR_BYTES_MAX) {
        const struct toml_value *at = config_child(root, "data_dir");
        config_error(build, at != NULL ? at : root, "data_dir has 1 to %d bytes",
                     DATADIR_BYTES_MAX);
    }
    if (config->shards != 1) {
        config_error(build, place_of(root, "server", "shards"),
                     "server.shards: only 1 is supported by this version");
    }
    if (config->ingest_threads > 64) {
        config_error(build, place_of(root, "server", "ingest_threads"),
                     "server.ingest_threads is at most 64");
    }
    if (config->journal_segment_bytes < 2 * BATCH_BYTES_MAX) {
        config_error(build, place_of(root, "journal", "segment_bytes"),
                     "journal.segment_bytes is at least 8MiB");
    }
}

/* What could not be reserved: the start would fail, or no event would ever be taken. */
static void check_most(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    const struct {
        const char *section;
        const char *key;
        uint64_t value;
        uint64_t most;
    } bounds[] = {
        {"limits", "entities", config->entities_max, 1u << 27},
        {"limits", "event_ids", config->event_ids_max, 1u << 28},
        {"limits", "incidents", config->incidents_max, 1u << 24},
        {"server", "max_connections", config->connections_max, 1u << 18},
        {"journal", "segment_bytes", config->journal_segment_bytes, 64 * GIB},
        {"journal", "state_reserve_bytes", config->store_reserve_bytes, 16 * GIB},
    };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (bounds[i].value > bounds[i].most) {
            config_error(build, place_of(root, bounds[i].section, bounds[i].key),
                         "%s.%s is at most %llu", bounds[i].section, bounds[i].key,
                         (unsigned long long)bounds[i].most);
        }
    }
}

/* Shorter ones cut off everybody. */
static void check_timeouts(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    const struct {
        const char *key;
        uint64_t span_ns;
    } timeouts[] = {
        {"header_timeout", config->header_timeout_ns},
        {"body_timeout", config->body_timeout_ns},
        {"idle_timeout", config->idle_timeout_ns},
        {"send_timeout", config->send_timeout_ns},
    };
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        if (timeouts[i].span_ns < TIMEOUT_NS_MIN) {
            config_error(build, place_of(root, "server", timeouts[i].key),
                         "server.%s is at least 10ms: it would cut off everybody", timeouts[i].key);
        }
    }
}

/* The key has a name at the top, too. */
static const struct toml_value *place_of_request_bytes(const struct toml_value *root) {
    const struct toml_value *given = find_key(root, "server", "max_request_bytes");
    given = given != NULL ? given : config_child(root, "max_request_bytes");
    return given != NULL ? given : root;
}

static void check_request_sizes(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    const struct toml_value *buffered = find_key(root, "server", "max_buffered_bytes");
    if (config->request_bytes_max == 0) {
        config_error(build, place_of_request_bytes(root),
                     "server.max_request_bytes is more than 0");
    }
    if (config->buffered_bytes_max < config->request_bytes_max) {
        config_error(build, buffered != NULL ? buffered : place_of_request_bytes(root),
                     "server.max_buffered_bytes is less than one request may have: no less than "
                     "server.max_request_bytes");
    }
}

static void check_bounds(struct config_build *build, const struct toml_value *root) {
    const struct config *config = build->config;
    if (config->lag_events_max < 1) {
        config_error(build, place_of(root, "journal", "max_lag_events"),
                     "journal.max_lag_events is at least 1");
    }
    if (config->waiting_requests_max - 1 >= WAITING_REQUESTS_MAX) {
        config_error(build, place_of(root, "server", "max_waiting_requests"),
                     "server.max_waiting_requests is 1 to %u", WAITING_REQUESTS_MAX);
    }
    if (config->tenant_share_percent - 1 >= 100) {
        config_error(build, place_of(root, "server", "tenant_share"),
                     "server.tenant_share is 1 to 100, in percent");
    }
    check_request_sizes(build, root);
}

void config_check_process(struct config_build *build, const struct toml_value *root) {
    check_listeners(build, root);
    check_sizes(build, root);
    check_bounds(build, root);
    check_most(build, root);
    check_timeouts(build, root);
    uint8_t *encoded = arena_allocate(build->arena, POLICY_BYTES_MAX, 8);
    struct writer writer = writer_over(encoded, encoded == NULL ? 0 : POLICY_BYTES_MAX);
    if (build->errors->count == 0 &&
        !status_is_ok(policy_set_encode(&build->config->policies, &writer))) {
        config_error(build, root, "all tenants' rules together are larger than %u KiB",
                     (unsigned)(POLICY_BYTES_MAX / KIB));
    }
}
