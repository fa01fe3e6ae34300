/*
 * config.h - quell.toml and tenants/<id>.toml, read, checked and resolved.
 *
 * Loading reports all errors with file:line:column, not only the first; unknown keys come with a
 * suggestion. A config is immutable once loaded and counted by reference: threads acquire it,
 * main swaps the current one on reload, the last release frees it. Secrets (${env:X}, ${file:X})
 * are resolved here, stay in this memory only, and are never logged.
 *
 * TOML is read by toml++ behind core/config_toml.h, one adapter file.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/journal.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/tls_validity.h"
#include "schemas/policy.h"

enum auth_mode { AUTH_NONE, AUTH_TOKEN };

struct config_setting {
    struct slice key;   /* "url", "secret", "max_attempts", "headers.X-Team" */
    struct slice value; /* text form: strings as they are (secrets resolved), numbers, booleans */
    bool is_secret;     /* came from ${env:} or ${file:} */
    bool is_unresolved; /* and could not be had: told already */
    bool is_list;       /* was an array; its strings are joined by blanks */
    bool is_table;      /* an empty one; what stands in a table is a setting of its own */
    uint32_t line;
    uint32_t column;
};

struct config_sink {
    struct slice tenant; /* empty: of the defaults, serves every tenant without own sinks */
    struct slice name;   /* [sink.oncall] */
    struct slice type;   /* "slack" */
    struct slice file;   /* where it stands, for errors */
    uint32_t line;
    uint32_t column;
    struct config_setting *settings; /* all keys but type */
    uint32_t settings_count;
    uint32_t type_line;
    uint32_t type_column;
};

/* What a token lets its bearer do. */
enum config_role {
    CONFIG_ROLE_TENANT,   /* send events, and on the console what is the tenant's */
    CONFIG_ROLE_OPERATOR, /* on the console all that the machine's operator may; send no events */
    CONFIG_ROLE_METRICS,  /* read /metrics */
};

struct config_token {
    uint8_t sha256[32];
    enum config_role role;
    struct slice tenant; /* of ROLE_TENANT; else empty */
    uint64_t expires_ns; /* wall time from which it is no token any more; 0: never */
    struct slice file;   /* where it stands, for errors */
    uint32_t line;
    uint32_t column;
};

/* What sinks may reach: always more than the word before. */
enum sink_addresses {
    SINK_ADDRESSES_PUBLIC,
    SINK_ADDRESSES_PRIVATE, /* and private networks, and this machine: the default */
    SINK_ADDRESSES_ANY,     /* and link-local addresses, metadata services */
};

struct config_certificate {
    uint8_t sha256[32];
    struct slice name; /* when it is known by a name; empty: by sha256 */
    struct slice tenant;
};

struct config_tls {
    struct slice cert_file;
    struct slice key_file;
    struct slice client_ca_file;
    struct tls_options options; /* the files' contents */
    struct tls_validity validity;
    bool is_on;
    bool http; /* which listeners speak it, when it is on */
    bool grpc;
    bool console;
};

enum kafka_format { KAFKA_AUTO, KAFKA_NATIVE, KAFKA_OTLP_JSON, KAFKA_OTLP_PROTO };

struct config_kafka_topic {
    struct slice name; /* literal, or an extended regular expression that begins with '^' */
    enum kafka_format format;
    struct slice tenant; /* empty: of the message's header `tenant`, or of the record */
    bool has_no_headers; /* that matter: messages are not asked for any */
};

/* One [[kafka]]: a consumer group's view of some topics of a cluster. */
struct config_kafka {
    struct slice name;    /* in logs and metrics; "kafka-1" when it has none */
    struct slice brokers; /* "host:port,host:port" */
    struct slice group;
    uint32_t threads;   /* members of the group here, which share its partitions */
    bool starts_latest; /* where nobody has read before: at the end, not at the beginning */
    struct config_kafka_topic *topics;
    uint32_t topics_count;
    struct slice dead_letter_topic;    /* also gets what was refused; empty: the quarantine only */
    struct config_setting *properties; /* of librdkafka, checked */
    uint32_t properties_count;
};

struct config {
    struct slice data_dir;
    struct slice tenants_dir;
    struct slice listen_http;
    struct slice listen_grpc;
    bool listen_grpc_is_given; /* else it may be another's port, and quell does without */
    struct slice listen_console;
    enum loop_backend io;
    uint32_t ingest_threads;
    uint32_t shards;
    enum journal_sync journal_sync;
    uint64_t journal_retention_bytes_max;
    uint64_t journal_retention_ns_max;
    uint64_t journal_segment_bytes;
    uint64_t store_reserve_bytes; /* kept free for the state, or nothing is accepted */
    uint64_t request_bytes_max;
    uint32_t connections_max;
    uint32_t waiting_requests_max; /* for the journal, of each ingest thread */
    uint32_t tenant_share_percent; /* of those, that one tenant may have */
    uint64_t buffered_bytes_max;   /* of requests being received, of each ingest thread */
    uint64_t header_timeout_ns;
    uint64_t body_timeout_ns;
    uint64_t idle_timeout_ns;
    uint64_t send_timeout_ns;
    uint32_t lag_events_max; /* journaled, or about to be, and not yet applied */
    enum auth_mode auth_mode;
    bool auth_allow_insecure;
    enum log_format log_format;
    enum log_level log_level;
    uint32_t entities_max; /* graph nodes */
    uint32_t edges_max;
    uint32_t learned_edges_max; /* among them */
    uint32_t dedup_keys_max;
    uint32_t event_ids_max;
    uint32_t incidents_max;
    struct policy_set policies; /* what the journal gets: no secrets */
    enum sink_addresses sink_addresses;
    struct config_sink *sinks;
    uint32_t sinks_count;
    struct config_kafka *kafkas;
    uint32_t kafkas_count;
    struct config_token *tokens; /* sorted by sha256 */
    uint32_t tokens_count;
    struct config_tls tls;
    struct config_certificate *certificates;
    uint32_t certificates_count;
    struct slice *tenants; /* ids with a file, sorted */
    uint32_t tenants_count;
    bool has_tenants_dir; /* tenants_dir was there */
    struct arena arena;   /* owns everything above */
    _Atomic uint32_t references;
};

/* "file:line:column: words", one per error, each ended by a newline, in the order of the lines. */
struct config_errors {
    struct text text;
    uint32_t count;
};

struct config_options {
    const char *path;             /* NULL: built-in defaults only (and --set) */
    const char *const *overrides; /* "key=value" of --set; dotted keys */
    uint32_t overrides_count;
    /* One more check of what was read, as far as it could be; NULL: none. Errors go in beside the
     * others, so that a person is told all of them at once. */
    struct status (*check_more)(const struct config *config, struct config_errors *errors);
};

/* INVALID with errors_out filled; on success the caller owns one reference. */
MUST_CHECK struct status config_load(const struct config_options *options,
                                     struct config **config_out, struct config_errors *errors_out);
/* Sessions of TLS go on to resume by the keys of the configuration before, where clients are judged
 * as before. For the reader's thread, before others see the new one. */
void config_keep_tickets(struct config *config, const struct config *before);
void config_acquire(struct config *config);
/* Accepts NULL. Wipes secrets when the last reference goes. */
void config_release(struct config *config);
/* Whose a bearer token is, and the tenant when it is a tenant's (else empty, which means nobody,
 * not all): compares SHA-256 digests in constant time; MISSING, also for one that has expired. */
MUST_CHECK struct status config_find_token(const struct config *config, struct slice token,
                                           enum config_role *role_out, struct slice *tenant_out);
/* How many tokens there are of that role. */
uint32_t config_count_tokens(const struct config *config, enum config_role role);
/* The tenant that a client's certificate stands for; MISSING, also when the peer is NULL. */
MUST_CHECK struct status config_find_peer(const struct config *config, const struct tls_peer *peer,
                                          struct slice *tenant_out);
/* The tenant's own sink of that name (empty: of the defaults); NULL. */
const struct config_sink *config_find_sink(const struct config *config, struct slice tenant,
                                           struct slice name);
/* Whether two sinks are of one type and have the same settings. */
bool config_sinks_are_equal(const struct config_sink *a, const struct config_sink *b);
/* Whether all [[kafka]] say the same. */
bool config_kafkas_are_equal(const struct config *a, const struct config *b);
/* Whether only this machine can reach the address. */
bool config_address_is_loopback(struct slice address);
