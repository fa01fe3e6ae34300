/*
 * postgres.c - incidents in PostgreSQL, and copies of events when `events = true`.
 *
 * A message is one statement (postgres_schema.c) that changes both tables or nothing; said again it
 * changes nothing, so a lost answer is no harm. Copies of events (postgres_events.c) go over a
 * connection of their own: the host opens the type once more for them.
 */
#include "sinks/postgres.h"

#include "core/base/limits.h"
#include "sinks/postgres_events.h"
#include "sinks/postgres_link.h"
#include "sinks/postgres_schema.h"

enum { SCHEMA_NAME_BYTES_MAX = 63 };

struct postgres_state {
    struct slice schema;
    uint64_t timeout_ns; /* of a statement */
    struct postgres_link *link;
    struct sink_watcher *watcher; /* of the attempt */
    struct sink_copy *copy;       /* of the attempt, when it is one of events */
    const char *parameters[POSTGRES_PARAMETERS];
};

static const char *const setting_names[] = {"dsn", "schema", SINK_SETTING_EVENTS, NULL};

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

static void add_script(const void *context, struct text *script) {
    const struct postgres_state *state = context;
    postgres_add_session_script(script, state->schema, state->timeout_ns);
}

static struct status postgres_open(const struct config_sink *config, struct arena *arena,
                                   void **state_out, struct fault *fault) {
    struct postgres_state *state = ARENA_NEW(arena, struct postgres_state);
    if (state == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    state->schema = sink_setting_find(config, "schema");
    state->timeout_ns = 15 * NS_PER_S;
    struct slice timeout = sink_setting_find(config, "timeout"); /* checked by the host */
    if (timeout.size > 0 && !status_is_ok(text_parse_duration(timeout, &state->timeout_ns))) {
        state->timeout_ns = 15 * NS_PER_S;
    }
    struct fault one;
    struct status status =
        is_schema_name(state->schema)
            ? status_ok()
            : fault_set(fault, STATUS_INVALID, "schema is a name of a-z, 0-9 and _");
    struct postgres_link_options options = {
        .dsn = sink_setting_find(config, "dsn"), .add_script = add_script, .script_context = state};
    struct status next = postgres_link_open(&options, arena, &state->link, &one);
    TRY(fault_join(fault, status, next, &one));
    *state_out = state;
    return status_ok();
}

/* --- One message --- */

static const char *copy_text(struct arena *arena, struct slice value) {
    struct slice copy = {0};
    return status_is_ok(arena_copy(arena, value, &copy)) ? (const char *)copy.data : NULL;
}

static const char *copy_json(struct arena *arena, struct slice json) {
    char *copy = arena_allocate(arena, json.size + 1, 1);
    if (copy != NULL) {
        memcpy(copy, json.data, json.size);
        copy[json.size] = 0;
        postgres_clean_json(copy, json.size);
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

static void on_written(void *context, enum sink_verdict verdict, struct slice words) {
    struct postgres_state *state = context;
    state->watcher->finish(state->watcher, verdict, words);
}

static void postgres_start(void *context, const struct sink_delivery *delivery, struct arena *arena,
                           struct sink_watcher *watcher) {
    struct postgres_state *state = context;
    state->watcher = watcher;
    if (!set_parameters(state, delivery, arena)) {
        watcher->finish(watcher, SINK_RETRY, SLICE("no memory for a message"));
        return;
    }
    const struct postgres_command command = {.words = postgres_write_statement,
                                             .parameters = state->parameters,
                                             .parameters_count = POSTGRES_PARAMETERS};
    postgres_link_run(state->link, &command, watcher, on_written, state);
}

/* --- Copies of events --- */

static void on_copied(void *context, enum sink_verdict verdict, struct slice words) {
    struct postgres_state *state = context;
    bool is_of_data = verdict == SINK_GIVE_UP && postgres_link_is_open(state->link);
    verdict = verdict == SINK_GIVE_UP && !is_of_data ? SINK_RETRY : verdict; /* the address is */
    if (verdict == SINK_DELIVERED && !status_is_ok(postgres_read_place(
                                         postgres_link_answer(state->link), &state->copy->place))) {
        verdict = SINK_RETRY;
        words = SLICE("quell_event_copies holds no place");
    }
    state->watcher->finish(state->watcher, verdict, words);
}

static void postgres_copy_events(void *context, struct sink_copy *copy, struct arena *arena,
                                 struct sink_watcher *watcher) {
    struct postgres_state *state = context;
    struct postgres_command command = {0};
    state->watcher = watcher;
    state->copy = copy;
    command.words = postgres_copy_words(copy, arena);
    if (copy->rows_count > 0) {
        postgres_frame_rows(copy->rows, command.rows);
    }
    if (command.words == NULL) {
        watcher->finish(watcher, SINK_RETRY, SLICE("no memory for events"));
        return;
    }
    postgres_link_run(state->link, &command, watcher, on_copied, state);
}

/* --- Life --- */

static void postgres_cancel(void *context) {
    struct postgres_state *state = context;
    postgres_link_cancel(state->link);
}

static void postgres_close(void *context) {
    struct postgres_state *state = context;
    postgres_link_close(state->link);
}

const struct sink_type sink_postgres_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "postgres",
    .setting_names = setting_names,
    .open = postgres_open,
    .close = postgres_close,
    .start = postgres_start,
    .cancel = postgres_cancel,
    .add_event = postgres_add_event,
    .copy_events = postgres_copy_events,
    .keeps_history = true,
};
