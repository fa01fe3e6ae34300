/*
 * pings.c - healthchecks-style pings (formats.h): a cron line tells by one request how it went.
 *
 * The check is `check:<uuid>` or `check:<slug>`. Success is `ok`, "fail" or an exit status other
 * than 0 is `failed`, "start" is `started`, "log" says nothing about the state.
 */
#include "core/base/text.h"
#include "ingest/draft.h"
#include "ingest/formats.h"

enum { UUID_BYTES = 36, EXIT_WORDS_BYTES_MAX = 32 };

static bool is_uuid(struct slice text) {
    if (text.size != UUID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < UUID_BYTES; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        uint8_t byte = text.data[i] | 0x20;
        bool is_hex = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
        if (is_dash ? text.data[i] != '-' : !is_hex) {
            return false;
        }
    }
    return true;
}

static bool is_name(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool is_other = (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
        if (!is_letter && !is_other) {
            return false;
        }
    }
    return text.size > 0 && text.size <= 200;
}

static struct slice next_part(struct slice *rest) {
    struct slice part = slice_head(*rest, slice_find_byte(*rest, '/'));
    *rest = slice_tail(*rest, part.size + 1);
    return part;
}

static bool parse_action(struct ping *ping) {
    uint64_t number = 0;
    if (ping->action.size == 0 || slice_equals(ping->action, SLICE("start")) ||
        slice_equals(ping->action, SLICE("fail")) || slice_equals(ping->action, SLICE("log"))) {
        return true;
    }
    if (!status_is_ok(text_parse_u64(ping->action, &number)) || number > UINT8_MAX) {
        return false;
    }
    ping->exit_status = (uint8_t)number;
    return true;
}

/* A word behind the first name that is no action is the slug of a project's check: the name before
 * it was the key. */
static void read_parts(struct slice rest, struct ping *ping, struct slice *rest_out) {
    ping->name = next_part(&rest);
    ping->action = next_part(&rest);
    if (!is_uuid(ping->name) && (rest.size > 0 || !parse_action(ping))) {
        ping->key = ping->name;
        ping->name = ping->action;
        ping->action = next_part(&rest);
    }
    *rest_out = rest;
}

struct status ping_parse(struct slice path, struct ping *ping_out) {
    struct slice rest = slice_tail(path, sizeof("/ping/") - 1);
    struct ping ping = {0};
    if (!slice_starts_with(path, SLICE("/ping/"))) {
        return status_of(STATUS_INVALID);
    }
    read_parts(rest, &ping, &rest);
    bool is_sound = is_name(ping.name) && (ping.key.size == 0 || is_name(ping.key)) &&
                    rest.size == 0 && parse_action(&ping);
    if (!is_sound) {
        return status_of(STATUS_INVALID);
    }
    *ping_out = ping;
    return status_ok();
}

static enum event_status status_of_ping(const struct ping *ping) {
    if (slice_equals(ping->action, SLICE("start"))) {
        return EVENT_STATUS_STARTED;
    }
    if (slice_equals(ping->action, SLICE("log"))) {
        return EVENT_STATUS_NONE;
    }
    bool is_failure = slice_equals(ping->action, SLICE("fail")) || ping->exit_status != 0;
    return is_failure ? EVENT_STATUS_FAILED : EVENT_STATUS_OK;
}

/* What the cron line said; each byte that is no UTF-8 as U+FFFD. */
static struct status take_words(struct decode *decode, struct slice body, struct slice *words_out) {
    if (body.size <= PING_BODY_BYTES_MAX && text_is_utf8(body)) {
        *words_out = body;
        return status_ok();
    }
    char *memory = arena_allocate_unset(decode->arena, PING_BODY_BYTES_MAX + 1, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text words = text_over(memory, PING_BODY_BYTES_MAX + 1);
    text_add_utf8(&words, body);
    *words_out = text_slice(&words);
    return status_ok();
}

struct status ping_decode(struct decode *decode, const struct ping *ping, struct slice run_id,
                          struct slice body) {
    struct draft *draft = ARENA_NEW(decode->arena, struct draft);
    char *memory = arena_allocate(decode->arena, EXIT_WORDS_BYTES_MAX, 1);
    if (draft == NULL || memory == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(take_words(decode, body, &draft->envelope.message));
    struct derive_entity_keys keys = {.check_id = ping->name};
    draft->envelope.kind = EVENT_KIND_CHECK;
    draft->envelope.status = status_of_ping(ping);
    draft->envelope.event_time_ns = decode->now_ns;
    draft->envelope.run_id = run_id;
    if (ping->exit_status != 0) {
        if (draft->envelope.message.size > 0) {
            draft->envelope.error_class = SLICE("exit status");
        } else {
            struct text words = text_over(memory, EXIT_WORDS_BYTES_MAX);
            text_add_format(&words, "exit status %u", ping->exit_status);
            draft->envelope.message = text_slice(&words);
        }
        draft_add_attribute(draft, SLICE("exit_status"), ping->action);
    }
    struct status status =
        derive_entity(&keys, decode->arena, &draft->envelope.entity, &draft->reason);
    draft->is_refused = status.code == STATUS_INVALID;
    TRY(draft->is_refused ? status_ok() : status);
    return draft_finish(decode, draft, ping->name);
}
