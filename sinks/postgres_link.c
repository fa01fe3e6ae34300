/*
 * postgres_link.c - see postgres_link.h; the only file that knows libpq.
 *
 *   closed      -> resolving   the host is a name: looked up by a thread     begin
 *   resolving   -> connecting  the addresses are known                       connect_now
 *   closed      -> connecting  the host is an address, or a unix socket      connect_now
 *   connecting  -> preparing   session settings and schema are sent          prepare
 *   preparing   -> running     the command is sent                           send_command
 *   running     -> copying     the server asks for rows                      take_result
 *   copying     -> running     all rows and their end are sent               push_rows
 *   running     -> ready       it is committed
 *   ready       -> running     the next command, on the same connection
 *   any         -> closed      on failure, and on cancel
 *
 * A kept connection that turns out dead is opened again within the same attempt: commands change
 * nothing when they are said again. Refusals of the data itself (SQLSTATE 22, 23) are permanent;
 * everything else may pass and is retried, on a new connection. libpq closes descriptors on its
 * own, so we watch none while it works.
 */
#include "sinks/postgres_link.h"

#include <libpq-fe.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/loop.h"
#include "sinks/guard.h"
#include "sinks/resolve.h"

enum { SCRIPT_BYTES_MAX = 16 * 1024, DSN_BYTES_MAX = 4096, ANSWER_BYTES_MAX = 128 };
enum { PUSH_BYTES = 64 * 1024 }; /* handed to libpq at once: it keeps a copy of what waits */

enum link_stage {
    STAGE_CLOSED,
    STAGE_RESOLVING,
    STAGE_CONNECTING,
    STAGE_PREPARING,
    STAGE_RUNNING,
    STAGE_COPYING,
    STAGE_READY,
};

struct postgres_link {
    const char *dsn;
    const char *host; /* to be looked up; NULL when nothing is */
    void (*add_script)(const void *context, struct text *script);
    const void *script_context;
    enum link_stage stage;
    PGconn *connection;
    struct resolve *lookup;                  /* may outlive an attempt: the next one waits on */
    char addresses[RESOLVE_ADDRESSES_BYTES]; /* of the host, with commas in between */
    uint32_t addresses_count;
    int watched_fd; /* -1: none */
    bool is_reused; /* the connection was open before this attempt */
    bool is_refused;
    char sqlstate[6];
    char words[256];
    char answer[ANSWER_BYTES_MAX];
    /* The attempt. */
    struct postgres_command command;
    size_t part; /* of its rows, and how much of it was sent */
    size_t part_sent;
    struct sink_watcher *watcher;
    void (*on_done)(void *context, enum sink_verdict verdict, struct slice words);
    void *context;
};

static void go_on(void *context);
static void begin(struct postgres_link *link);

/* --- Settings --- */

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
    struct slice copy = {0};
    if (is_name && !status_is_ok(arena_copy(arena, slice_of_text(host), &copy))) {
        return NULL; /* libpq looks it up itself */
    }
    return (const char *)copy.data;
}

struct status postgres_link_open(const struct postgres_link_options *options, struct arena *arena,
                                 struct postgres_link **link_out, struct fault *fault) {
    struct postgres_link *link = ARENA_NEW(arena, struct postgres_link);
    struct slice dsn;
    if (link == NULL || !status_is_ok(arena_copy(arena, options->dsn, &dsn))) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    if (options->dsn.size == 0 || options->dsn.size > DSN_BYTES_MAX) {
        return fault_set(fault, STATUS_INVALID,
                         "dsn = \"postgresql://user@host/database\" is missing");
    }
    /* libpq's own words may hold parts of the password. */
    PQconninfoOption *found = PQconninfoParse((const char *)dsn.data, NULL);
    if (found == NULL) {
        return fault_set(fault, STATUS_INVALID, "dsn is no connection string or URI of PostgreSQL");
    }
    link->dsn = (const char *)dsn.data;
    link->host = host_to_resolve(found, arena);
    link->watched_fd = -1;
    link->add_script = options->add_script;
    link->script_context = options->script_context;
    PQconninfoFree(found);
    *link_out = link;
    return status_ok();
}

/* --- The connection --- */

static void unwatch(struct postgres_link *link) {
    if (link->watched_fd >= 0) {
        (void)!status_is_ok(link->watcher->watch(link->watcher, link->watched_fd, 0, NULL, NULL));
        link->watched_fd = -1;
    }
}

static void close_connection(struct postgres_link *link) {
    unwatch(link);
    if (link->connection != NULL) {
        PQfinish(link->connection);
        link->connection = NULL;
    }
    link->stage = STAGE_CLOSED;
}

static void finish(struct postgres_link *link, enum sink_verdict verdict, const char *words) {
    ASSERT(link->watcher != NULL);
    unwatch(link);
    link->watcher = NULL;
    link->on_done(link->context, verdict, slice_of_text(words));
}

/* The connection is of no use any more. */
static void fail(struct postgres_link *link, const char *words) {
    struct text text = text_over(link->words, sizeof(link->words));
    text_add_text(&text, words);
    bool is_stale = link->is_reused && link->stage >= STAGE_RUNNING;
    close_connection(link);
    if (is_stale) {
        link->is_reused = false;
        begin(link);
        return;
    }
    finish(link, SINK_RETRY, link->words);
}

static void watch(struct postgres_link *link, int fd, unsigned events) {
    struct status status = link->watcher->watch(link->watcher, fd, events, go_on, link);
    if (!status_is_ok(status)) {
        fail(link, "too many descriptors are watched");
        return;
    }
    link->watched_fd = fd;
}

static void ignore_notice(void *context, const PGresult *result) {
    (void)context;
    (void)result; /* "relation exists, skipping" */
}

/* libpq tries one address after another, and wants a name for each. */
static void connect_now(struct postgres_link *link) {
    char memory[RESOLVE_ADDRESSES_MAX * (RESOLVE_HOST_BYTES_MAX + 1)];
    struct text hosts = text_over(memory, sizeof(memory));
    for (uint32_t i = 0; link->host != NULL && i < link->addresses_count; i++) {
        text_add_text(&hosts, i == 0 ? "" : ",");
        text_add_text(&hosts, link->host);
    }
    ASSERT(!hosts.truncated);
    const char *names[] = {"dbname",
                           "fallback_application_name",
                           "client_encoding",
                           link->host != NULL ? "hostaddr" : NULL,
                           "host",
                           NULL};
    const char *values[] = {link->dsn, "quell", "UTF8", link->addresses, memory, NULL};
    link->stage = STAGE_CONNECTING;
    link->connection = PQconnectStartParams(names, values, 1);
    if (link->connection == NULL || PQstatus(link->connection) == CONNECTION_BAD) {
        fail(link, link->connection == NULL ? "no memory for a connection"
                                            : PQerrorMessage(link->connection));
        return;
    }
    (void)PQsetNoticeReceiver(link->connection, ignore_notice, NULL);
    watch(link, PQsocket(link->connection), LOOP_WRITABLE);
}

/* Sends what libpq still holds, and waits for the answer. */
static void flush(struct postgres_link *link) {
    int left = PQflush(link->connection);
    if (left < 0) {
        fail(link, PQerrorMessage(link->connection));
        return;
    }
    watch(link, PQsocket(link->connection), LOOP_READABLE | (left > 0 ? LOOP_WRITABLE : 0u));
}

static void send_command(struct postgres_link *link) {
    const struct postgres_command *command = &link->command;
    link->stage = STAGE_RUNNING;
    link->is_refused = false;
    link->part = 0;
    link->part_sent = 0;
    int is_sent =
        command->parameters_count > 0
            ? PQsendQueryParams(link->connection, command->words, (int)command->parameters_count,
                                NULL, command->parameters, NULL, NULL, 0)
            : PQsendQuery(link->connection, command->words);
    if (is_sent == 0) {
        fail(link, PQerrorMessage(link->connection));
        return;
    }
    flush(link);
}

static void prepare(struct postgres_link *link) {
    char memory[SCRIPT_BYTES_MAX];
    struct text script = text_over(memory, sizeof(memory));
    link->add_script(link->script_context, &script);
    ASSERT(!script.truncated);
    link->stage = STAGE_PREPARING;
    link->is_refused = false;
    if (PQsetnonblocking(link->connection, 1) != 0 || PQsendQuery(link->connection, memory) == 0) {
        fail(link, PQerrorMessage(link->connection));
        return;
    }
    flush(link);
}

static void go_on_connecting(struct postgres_link *link) {
    const char *refusal = guard_socket_words(link->watcher->addresses, PQsocket(link->connection));
    if (refusal != NULL) { /* connected, but nothing is sent */
        close_connection(link);
        finish(link, SINK_GIVE_UP, refusal);
        return;
    }
    switch (PQconnectPoll(link->connection)) {
    case PGRES_POLLING_READING:
        watch(link, PQsocket(link->connection), LOOP_READABLE);
        return;
    case PGRES_POLLING_WRITING:
        watch(link, PQsocket(link->connection), LOOP_WRITABLE);
        return;
    case PGRES_POLLING_OK:
        prepare(link);
        return;
    default:
        fail(link, PQerrorMessage(link->connection));
    }
}

/* --- Results --- */

static void note_refusal(struct postgres_link *link, const PGresult *result) {
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    struct text sqlstate = text_over(link->sqlstate, sizeof(link->sqlstate));
    struct text text = text_over(link->words, sizeof(link->words));
    link->is_refused = true;
    text_add_text(&sqlstate, code == NULL ? "" : code);
    text_add_format(&text, "%s: %s", code == NULL ? "no SQLSTATE" : code,
                    words == NULL ? "" : words);
}

/* All results of the command are in. */
static void end_command(struct postgres_link *link) {
    if (link->is_refused) {
        bool is_data = link->stage == STAGE_RUNNING && link->sqlstate[0] == '2' &&
                       (link->sqlstate[1] == '2' || link->sqlstate[1] == '3');
        if (is_data) {
            link->stage = STAGE_READY;
            finish(link, SINK_GIVE_UP, link->words);
        } else {
            char words[sizeof(link->words)];
            memcpy(words, link->words, sizeof(words));
            fail(link, words);
        }
        return;
    }
    if (link->stage == STAGE_PREPARING) {
        send_command(link);
        return;
    }
    link->stage = STAGE_READY;
    finish(link, SINK_DELIVERED, "");
}

/* Hands the next bytes of the rows, or their end, to libpq: 1 taken, 0 not now, -1 failed. */
static int push_part(struct postgres_link *link) {
    if (link->part == POSTGRES_ROWS_PARTS) {
        int is_taken = PQputCopyEnd(link->connection, NULL);
        link->stage = is_taken == 1 ? STAGE_RUNNING : STAGE_COPYING;
        return is_taken;
    }
    struct slice left = slice_tail(link->command.rows[link->part], link->part_sent);
    struct slice bytes = slice_head(left, PUSH_BYTES);
    int is_taken = bytes.size == 0
                       ? 1
                       : PQputCopyData(link->connection, (const char *)bytes.data, (int)bytes.size);
    if (is_taken == 1) {
        bool is_last = bytes.size == left.size;
        link->part += is_last ? 1 : 0;
        link->part_sent = is_last ? 0 : link->part_sent + bytes.size;
    }
    return is_taken;
}

/* Hands over rows as the server takes them. */
static void push_rows(struct postgres_link *link) {
    int left = PQflush(link->connection);
    while (left == 0 && link->stage == STAGE_COPYING) {
        int is_taken = push_part(link);
        left = is_taken == 1 ? PQflush(link->connection) : is_taken == 0 ? 1 : -1;
    }
    if (left < 0) {
        fail(link, PQerrorMessage(link->connection));
        return;
    }
    watch(link, PQsocket(link->connection), LOOP_READABLE | (left > 0 ? LOOP_WRITABLE : 0u));
}

static void keep_answer(struct postgres_link *link, const PGresult *result) {
    struct text answer = text_over(link->answer, sizeof(link->answer));
    if (PQntuples(result) > 0 && PQnfields(result) > 0) {
        text_add_text(&answer, PQgetvalue(result, 0, 0));
    }
}

static void take_result(struct postgres_link *link, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) {
        link->stage = STAGE_COPYING;
    } else if (status == PGRES_TUPLES_OK) {
        keep_answer(link, result);
    } else if (status != PGRES_COMMAND_OK) {
        note_refusal(link, result);
    }
    PQclear(result);
}

static void read_results(struct postgres_link *link) {
    if (PQconsumeInput(link->connection) == 0) {
        fail(link, PQerrorMessage(link->connection));
        return;
    }
    while (link->stage != STAGE_COPYING && PQisBusy(link->connection) == 0) {
        PGresult *result = PQgetResult(link->connection);
        if (result == NULL) {
            end_command(link);
            return;
        }
        take_result(link, result);
    }
    if (link->stage == STAGE_COPYING) {
        push_rows(link);
    } else {
        flush(link);
    }
}

/* --- A name's address --- */

static void wait_for_address(struct postgres_link *link) {
    const char *words = "";
    struct text addresses = text_over(link->addresses, sizeof(link->addresses));
    link->stage = STAGE_RESOLVING;
    if (!resolve_is_done(link->lookup)) {
        watch(link, resolve_fd(link->lookup), LOOP_READABLE);
        return;
    }
    link->addresses_count = resolve_take(link->lookup, &addresses, &words);
    link->lookup = NULL;
    if (link->addresses_count == 0) {
        fail(link, words);
        return;
    }
    connect_now(link);
}

static void begin(struct postgres_link *link) {
    if (link->host == NULL) {
        connect_now(link);
        return;
    }
    if (link->lookup == NULL) {
        link->lookup = resolve_begin(link->host);
    }
    if (link->lookup == NULL) {
        fail(link, "no thread to look up the host");
        return;
    }
    wait_for_address(link);
}

static void go_on(void *context) {
    struct postgres_link *link = context;
    unwatch(link);
    switch (link->stage) {
    case STAGE_RESOLVING:
        wait_for_address(link);
        return;
    case STAGE_CONNECTING:
        go_on_connecting(link);
        return;
    case STAGE_PREPARING:
    case STAGE_RUNNING:
    case STAGE_COPYING:
        read_results(link);
        return;
    default:
        ASSERT(false);
    }
}

/* --- One command --- */

void postgres_link_run(struct postgres_link *link, const struct postgres_command *command,
                       struct sink_watcher *watcher,
                       void (*on_done)(void *context, enum sink_verdict verdict,
                                       struct slice words),
                       void *context) {
    ASSERT(link->watcher == NULL && link->watched_fd == -1);
    link->command = *command;
    link->watcher = watcher;
    link->on_done = on_done;
    link->context = context;
    link->answer[0] = 0;
    link->is_reused = link->stage == STAGE_READY;
    if (link->is_reused) {
        send_command(link);
    } else {
        begin(link);
    }
}

bool postgres_link_is_open(const struct postgres_link *link) {
    return link->stage == STAGE_READY;
}

struct slice postgres_link_answer(const struct postgres_link *link) {
    return slice_of_text(link->answer);
}

void postgres_link_cancel(struct postgres_link *link) {
    if (link->watcher != NULL) {
        close_connection(link);
        link->watcher = NULL;
    }
}

void postgres_link_close(struct postgres_link *link) {
    if (link == NULL) {
        return;
    }
    ASSERT(link->watched_fd == -1);
    close_connection(link);
    if (link->lookup != NULL) {
        resolve_abandon(link->lookup);
        link->lookup = NULL;
    }
}
