/* view_dead.c - dead letters as JSON: messages that no sink took, with the last error. */
#include "engine/view_state.h"

#include "core/outbox.h"

static void add_id(struct text *json, const char *key, const char *prefix, struct hash128 id) {
    text_add_format(json, ",\"%s\":\"%s", key, prefix);
    text_add_base32(json, id);
    text_add_char(json, '"');
}

static void add_letter(struct text *json, const struct dead_letter *letter,
                       const struct outbox_message *message, bool with_payload) {
    text_add_format(json, "{\"number\":%llu", (unsigned long long)message->number);
    view_add_text(json, "tenant", message->tenant);
    view_add_text(json, "sink", message->sink);
    add_id(json, "incident", "inc_", message->incident_id);
    view_add_text(json, "type", outbox_type_word(message->type));
    add_id(json, "message_id", "msg_", message->message_id);
    view_add_time(json, "created_at", message->created_ns);
    view_add_time(json, "died_at", letter->died_ns);
    text_add_format(json, ",\"attempts\":%u", letter->attempts);
    view_add_text(json, "error", letter->error);
    if (with_payload) {
        text_add_text(json, ",\"payload\":");
        text_add(json, message->payload);
    }
    text_add_char(json, '}');
}

static struct status read_letter(struct slice value, struct dead_letter *letter_out,
                                 struct outbox_message *message_out) {
    TRY(dead_letter_decode(value, letter_out));
    return outbox_message_decode(letter_out->row, message_out);
}

static bool letter_matches(const struct view_query *query, const struct outbox_message *message) {
    return (query->tenant.size == 0 || slice_equals(query->tenant, message->tenant)) &&
           (query->sink.size == 0 || slice_equals(query->sink, message->sink));
}

static struct status walk_letters(struct store_cursor *cursor, const struct view_query *query,
                                  struct text *json) {
    uint32_t given = 0;
    uint64_t last = 0;
    struct slice key;
    struct slice value;
    struct dead_letter letter;
    struct outbox_message message;
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status) || status.code == STATUS_CORRUPT) {
        bool matches = status_is_ok(status) &&
                       status_is_ok(read_letter(value, &letter, &message)) &&
                       letter_matches(query, &message);
        if (matches && given == query->limit) {
            text_add_format(json, "],\"next_cursor\":\"%llu\"}", (unsigned long long)last);
            return view_text_done(json);
        }
        if (matches) {
            text_add_text(json, given++ == 0 ? "" : ",");
            add_letter(json, &letter, &message, false);
            last = message.number;
        }
        status = store_cursor_next(cursor, &key, &value);
    }
    text_add_text(json, "],\"next_cursor\":null}");
    return status.code == STATUS_END ? view_text_done(json) : status;
}

struct status view_dead_letters_json(struct view_reader *reader, const struct view_query *query,
                                     struct text *json) {
    uint64_t after = 0;
    uint8_t start[8];
    struct writer writer = writer_over(start, sizeof(start));
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    if (query->cursor.size > 0) {
        TRY(text_parse_u64(query->cursor, &after));
    }
    writer_u64_big_endian(&writer, after == UINT64_MAX ? after : after + 1);
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = store_cursor_open(snapshot, STORE_TABLE_DEAD, slice_of(NULL, 0),
                                             writer_slice(&writer), &cursor);
    if (status_is_ok(status)) {
        text_add_text(json, "{\"dead_letters\":[");
        status = walk_letters(cursor, query, json);
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    return status;
}

struct status view_dead_letter_json(struct view_reader *reader, struct slice tenant,
                                    uint64_t number, struct text *json) {
    uint8_t bytes[8];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct store_snapshot *snapshot = NULL;
    struct slice value;
    struct dead_letter letter;
    struct outbox_message message;
    writer_u64_big_endian(&key, number);
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = store_get(snapshot, STORE_TABLE_DEAD, writer_slice(&key), &value);
    if (status_is_ok(status)) {
        status = read_letter(value, &letter, &message);
    }
    const struct view_query query = {.tenant = tenant};
    if (status_is_ok(status) && letter_matches(&query, &message)) {
        add_letter(json, &letter, &message, true);
    } else if (status_is_ok(status)) {
        status = status_of(STATUS_MISSING);
    }
    store_snapshot_release(snapshot);
    return status_is_ok(status) ? view_text_done(json) : status;
}
