/*
 * postgres.c - incidents in PostgreSQL: libpq, never blocking; the only file that knows it.
 *
 * One connection a sink, kept between messages. A message is one statement (postgres_schema.c) that
 * changes both tables or nothing; said again it changes nothing, so a lost answer is no harm.
 *
 *   closed      -> resolving   the host is a name: looked up by a thread     begin
 *   resolving   -> connecting  the address is known                          connect_now
 *   closed      -> connecting  the host is an address, or a unix socket      connect_now
 *   connecting  -> preparing   session settings and schema are sent          prepare
 *   preparing   -> writing     the message's statement is sent               write_message
 *   writing     -> ready       it is committed: delivered
 *   ready       -> writing     the next message, on the same connection
 *   any         -> closed      on failure, and on cancel
 *
 * A kept connection that turns out dead is opened again within the same attempt. Refusals of the
 * data itself (SQLSTATE 22, 23) are permanent; everything else may pass and is retried, on a new
 * connection. libpq closes descriptors on its own, so we watch none while it works.
 */
#include "sinks/postgres.h"

#include <libpq-fe.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/loop.h"
#include "sinks/guard.h"
#include "sinks/postgres_schema.h"
#include "sinks/resolve.h"

enum { SCRIPT_BYTES_MAX = 12 * 1024, SCHEMA_NAME_BYTES_MAX = 63, DSN_BYTES_MAX = 4096 };

enum postgres_stage {
    STAGE_CLOSED,
    STAGE_RESOLVING,
    STAGE_CONNECTING,
    STAGE_PREPARING,
    STAGE_WRITING,
    STAGE_READY,
};

struct postgres_state {
    const char *dsn;
    const char *host; /* to be looked up; NULL when nothing is */
    struct slice schema;
    uint64_t timeout_ns; /* of a statement */
    enum postgres_stage stage;
    PGconn *connection;
    struct resolve *lookup; /* may outlive an attempt: the next one waits on */
    char address[RESOLVE_ADDRESS_BYTES];
    int watched_fd; /* -1: none */
    bool is_reused; /* the connection was open before this attempt */
    bool is_refused;
    char sqlstate[6];
    char words[256];
    /* The attempt. */
    const char *parameters[POSTGRES_PARAMETERS];
    struct sink_watcher *watcher;
};

static const char *const setting_names[] = {"dsn", "schema", NULL};

static void go_on(void *context);
static void begin(struct postgres_state *state);

/* --- Settings --- */

static bool is_schema_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || byte == '_';
        if (!is_letter && (i == 0 || byte < '0' || byte > '9')) {
            return false;
        }
    }
    return name.size <= SCHEMA_NAME_BYTES_MAX;
}

static const char *copy_text(struct arena *arena, struct slice value) {
    char *copy = arena_allocate(arena, value.size + 1, 1);
    if (copy != NULL) {
        struct text text = text_over(copy, value.size + 1);
        text_add(&text, value);
    }
    return copy;
}

/* A host that libpq would look up itself, waiting; several of them are left to it. */
static const char *host_to_resolve(const PQconninfoOption *options, struct arena *arena) {
    const char *host = NULL;
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, "hostaddr") == 0 && options->val != NULL) {
            return NULL;
        }
        if (strcmp(options->keyword, "host") == 0) {
            host = options->val;
        }
    }
    bool is_name = host != NULL && host[0] != 0 && host[0] != '/' && host[0] != '@' &&
                   strchr(host, ',') == NULL && !resolve_is_address(host);
    return is_name ? copy_text(arena, slice_of_text(host)) : NULL;
}

static struct status read_dsn(struct postgres_state *state, struct slice dsn, struct arena *arena,
                              struct fault *fault) {
    state->dsn = copy_text(arena, dsn);
    if (dsn.size == 0 || dsn.size > DSN_BYTES_MAX || state->dsn == NULL) {
        return fault_set(fault, STATUS_INVALID,
                         "dsn = \"postgresql://user@host/database\" is missing");
    }
    /* libpq's own words may hold parts of the password. */
    PQconninfoOption *options = PQconninfoParse(state->dsn, NULL);
    if (options == NULL) {
        return fault_set(fault, STATUS_INVALID, "dsn is no connection string or URI of PostgreSQL");
    }
    state->host = host_to_resolve(options, arena);
    PQconninfoFree(options);
    return status_ok();
}

static struct status postgres_open(const struct config_sink *config, struct arena *arena,
                                   void **state_out, struct fault *fault) {
    struct postgres_state *state = ARENA_NEW(arena, struct postgres_state);
    if (state == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    state->watched_fd = -1;
    state->schema = sink_setting_find(config, "schema");
    state->timeout_ns = 15 * NS_PER_S;
    struct slice timeout = sink_setting_find(config, "timeout"); /* checked by the host */
    if (timeout.size > 0) {
        TRY(text_parse_duration(timeout, &state->timeout_ns));
    }
    if (!is_schema_name(state->schema)) {
        return fault_set(fault, STATUS_INVALID, "schema is a name of a-z, 0-9 and _");
    }
    TRY(read_dsn(state, sink_setting_find(config, "dsn"), arena, fault));
    *state_out = state;
    return status_ok();
}

/* --- The connection --- */

static void unwatch(struct postgres_state *state) {
    if (state->watched_fd >= 0) {
        (void)!status_is_ok(
            state->watcher->watch(state->watcher, state->watched_fd, 0, NULL, NULL));
        state->watched_fd = -1;
    }
}

static void close_connection(struct postgres_state *state) {
    unwatch(state);
    if (state->connection != NULL) {
        PQfinish(state->connection);
        state->connection = NULL;
    }
    state->stage = STAGE_CLOSED;
}

static void finish(struct postgres_state *state, enum sink_verdict verdict, const char *words) {
    struct sink_watcher *watcher = state->watcher;
    unwatch(state);
    state->watcher = NULL;
    watcher->finish(watcher, verdict, slice_of_text(words));
}

/* The connection is of no use any more. */
static void fail(struct postgres_state *state, const char *words) {
    struct text text = text_over(state->words, sizeof(state->words));
    text_add_text(&text, words);
    bool is_stale = state->is_reused && state->stage == STAGE_WRITING;
    close_connection(state);
    if (is_stale) {
        state->is_reused = false;
        begin(state);
        return;
    }
    finish(state, SINK_RETRY, state->words);
}

static void watch(struct postgres_state *state, int fd, unsigned events) {
    struct status status = state->watcher->watch(state->watcher, fd, events, go_on, state);
    if (!status_is_ok(status)) {
        fail(state, "too many descriptors are watched");
        return;
    }
    state->watched_fd = fd;
}

static void ignore_notice(void *context, const PGresult *result) {
    (void)context;
    (void)result; /* "relation exists, skipping" */
}

static void connect_now(struct postgres_state *state) {
    const char *names[] = {"dbname", "fallback_application_name", "client_encoding",
                           state->host != NULL ? "hostaddr" : NULL, NULL};
    const char *values[] = {state->dsn, "quell", "UTF8", state->address, NULL};
    state->stage = STAGE_CONNECTING;
    state->connection = PQconnectStartParams(names, values, 1);
    if (state->connection == NULL || PQstatus(state->connection) == CONNECTION_BAD) {
        fail(state, state->connection == NULL ? "no memory for a connection"
                                              : PQerrorMessage(state->connection));
        return;
    }
    (void)PQsetNoticeReceiver(state->connection, ignore_notice, NULL);
    watch(state, PQsocket(state->connection), LOOP_WRITABLE);
}

/* Sends what libpq still holds, and waits for the answer. */
static void flush(struct postgres_state *state) {
    int left = PQflush(state->connection);
    if (left < 0) {
        fail(state, PQerrorMessage(state->connection));
        return;
    }
    watch(state, PQsocket(state->connection), LOOP_READABLE | (left > 0 ? LOOP_WRITABLE : 0u));
}

static void write_message(struct postgres_state *state) {
    state->stage = STAGE_WRITING;
    state->is_refused = false;
    if (PQsendQueryParams(state->connection, postgres_write_statement, POSTGRES_PARAMETERS, NULL,
                          state->parameters, NULL, NULL, 0) == 0) {
        fail(state, PQerrorMessage(state->connection));
        return;
    }
    flush(state);
}

static void prepare(struct postgres_state *state) {
    char memory[SCRIPT_BYTES_MAX];
    struct text script = text_over(memory, sizeof(memory));
    postgres_add_session_script(&script, state->schema, state->timeout_ns);
    ASSERT(!script.truncated);
    state->stage = STAGE_PREPARING;
    state->is_refused = false;
    if (PQsetnonblocking(state->connection, 1) != 0 ||
        PQsendQuery(state->connection, memory) == 0) {
        fail(state, PQerrorMessage(state->connection));
        return;
    }
    flush(state);
}

static void go_on_connecting(struct postgres_state *state) {
    const char *refusal =
        guard_socket_words(state->watcher->addresses, PQsocket(state->connection));
    if (refusal != NULL) { /* connected, but nothing is sent */
        close_connection(state);
        finish(state, SINK_GIVE_UP, refusal);
        return;
    }
    switch (PQconnectPoll(state->connection)) {
    case PGRES_POLLING_READING:
        watch(state, PQsocket(state->connection), LOOP_READABLE);
        return;
    case PGRES_POLLING_WRITING:
        watch(state, PQsocket(state->connection), LOOP_WRITABLE);
        return;
    case PGRES_POLLING_OK:
        prepare(state);
        return;
    default:
        fail(state, PQerrorMessage(state->connection));
    }
}

/* --- Results --- */

static void note_refusal(struct postgres_state *state, const PGresult *result) {
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    struct text sqlstate = text_over(state->sqlstate, sizeof(state->sqlstate));
    struct text text = text_over(state->words, sizeof(state->words));
    state->is_refused = true;
    text_add_text(&sqlstate, code == NULL ? "" : code);
    text_add_format(&text, "%s: %s", code == NULL ? "no SQLSTATE" : code,
                    words == NULL ? "" : words);
}

/* All results of the command are in. */
static void end_command(struct postgres_state *state) {
    if (state->is_refused) {
        bool is_data = state->stage == STAGE_WRITING && state->sqlstate[0] == '2' &&
                       (state->sqlstate[1] == '2' || state->sqlstate[1] == '3');
        if (is_data) {
            state->stage = STAGE_READY;
            finish(state, SINK_GIVE_UP, state->words);
        } else {
            char words[sizeof(state->words)];
            memcpy(words, state->words, sizeof(words));
            fail(state, words);
        }
        return;
    }
    if (state->stage == STAGE_PREPARING) {
        write_message(state);
        return;
    }
    state->stage = STAGE_READY;
    finish(state, SINK_DELIVERED, "");
}

static void read_results(struct postgres_state *state) {
    if (PQconsumeInput(state->connection) == 0) {
        fail(state, PQerrorMessage(state->connection));
        return;
    }
    while (PQisBusy(state->connection) == 0) {
        PGresult *result = PQgetResult(state->connection);
        if (result == NULL) {
            end_command(state);
            return;
        }
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            note_refusal(state, result);
        }
        PQclear(result);
    }
    flush(state);
}

/* --- A name's address --- */

static void wait_for_address(struct postgres_state *state) {
    const char *words = "";
    struct text address = text_over(state->address, sizeof(state->address));
    state->stage = STAGE_RESOLVING;
    if (!resolve_is_done(state->lookup)) {
        watch(state, resolve_fd(state->lookup), LOOP_READABLE);
        return;
    }
    bool is_found = resolve_take(state->lookup, &address, &words);
    state->lookup = NULL;
    if (!is_found) {
        fail(state, words);
        return;
    }
    connect_now(state);
}

static void begin(struct postgres_state *state) {
    if (state->host == NULL) {
        connect_now(state);
        return;
    }
    if (state->lookup == NULL) {
        state->lookup = resolve_begin(state->host);
    }
    if (state->lookup == NULL) {
        fail(state, "no thread to look up the host");
        return;
    }
    wait_for_address(state);
}

static void go_on(void *context) {
    struct postgres_state *state = context;
    unwatch(state);
    switch (state->stage) {
    case STAGE_RESOLVING:
        wait_for_address(state);
        return;
    case STAGE_CONNECTING:
        go_on_connecting(state);
        return;
    case STAGE_PREPARING:
    case STAGE_WRITING:
        read_results(state);
        return;
    default:
        ASSERT(false);
    }
}

/* --- One message --- */

/* jsonb knows no U+0000: it becomes U+FFFD. */
static const char *copy_json(struct arena *arena, struct slice json) {
    char *copy = arena_allocate(arena, json.size + 1, 1);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, json.data, json.size);
    copy[json.size] = 0;
    for (size_t i = 0; i + 1 < json.size; i++) {
        if (copy[i] != '\\') {
            continue;
        }
        if (i + 6 <= json.size && memcmp(copy + i, "\\u0000", 6) == 0) {
            memcpy(copy + i, "\\ufffd", 6);
        }
        i++; /* whatever is escaped, also a backslash */
    }
    return copy;
}

static bool set_parameters(struct postgres_state *state, const struct sink_delivery *delivery,
                           struct arena *arena) {
    const struct outbox_message *message = &delivery->message;
    char memory[POSTGRES_PARAMETERS][40];
    struct text id = text_over(memory[1], sizeof(memory[1]));
    struct text version = text_over(memory[3], sizeof(memory[3]));
    struct text told_at = text_over(memory[4], sizeof(memory[4]));
    text_add_text(&id, "msg_");
    text_add_base32(&id, message->message_id);
    text_add_u64(&version, message->incident_version);
    text_add_time(&told_at, message->created_ns, 6);
    const struct slice values[POSTGRES_PARAMETERS - 1] = {
        message->tenant, text_slice(&id), outbox_type_word(message->type), text_slice(&version),
        text_slice(&told_at)};
    for (size_t i = 0; i < POSTGRES_PARAMETERS - 1; i++) {
        state->parameters[i] = copy_text(arena, values[i]);
        if (state->parameters[i] == NULL) {
            return false;
        }
    }
    state->parameters[5] = copy_json(arena, message->payload);
    return state->parameters[5] != NULL;
}

static void postgres_start(void *context, const struct sink_delivery *delivery, struct arena *arena,
                           struct sink_watcher *watcher) {
    struct postgres_state *state = context;
    ASSERT(state->watcher == NULL && state->watched_fd == -1);
    state->watcher = watcher;
    if (!set_parameters(state, delivery, arena)) {
        finish(state, SINK_RETRY, "no memory for a message");
        return;
    }
    state->is_reused = state->stage == STAGE_READY;
    if (state->is_reused) {
        write_message(state);
    } else {
        begin(state);
    }
}

static void postgres_cancel(void *context) {
    struct postgres_state *state = context;
    if (state->watcher != NULL) {
        close_connection(state);
        state->watcher = NULL;
    }
}

static void postgres_close(void *context) {
    struct postgres_state *state = context;
    ASSERT(state->watched_fd == -1);
    close_connection(state);
    if (state->lookup != NULL) {
        resolve_abandon(state->lookup);
        state->lookup = NULL;
    }
}

const struct sink_type sink_postgres_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "postgres",
    .setting_names = setting_names,
    .open = postgres_open,
    .close = postgres_close,
    .start = postgres_start,
    .cancel = postgres_cancel,
};
