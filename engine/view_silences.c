/* view_silences.c - the silences that operators made, as JSON. One that is over is none, though its
 * row stays until an operator makes or ends another (engine/operate_silence.c): it mutes nothing,
 * and would take the room of those to come. */
#include "engine/view_state.h"

#include "engine/silences.h"

static void add_severity(struct text *json, const struct policy_match *match) {
    bool has_min = match->severity_min != EVENT_SEVERITY_NONE;
    bool has_max = match->severity_max != EVENT_SEVERITY_NONE;
    if (has_min || has_max) {
        char memory[32];
        struct text words = text_over(memory, sizeof(memory));
        text_add_text(&words, has_min && has_max ? "" : has_min ? ">=" : "<=");
        text_add(&words, event_severity_word(has_min ? match->severity_min : match->severity_max));
        view_add_text(json, "severity", text_slice(&words));
    }
}

static void add_match(struct text *json, const struct policy_match *match) {
    add_severity(json, match);
    if (match->entity_glob.size > 0) {
        view_add_text(json, "entity", match->entity_glob);
    }
    if (match->owner_glob.size > 0) {
        view_add_text(json, "owner", match->owner_glob);
    }
    text_add_text(json, ",\"labels\":{");
    for (uint32_t i = 0; i < match->labels_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, match->labels[i].key);
        text_add_char(json, ':');
        text_add_json_string(json, match->labels[i].value);
    }
    text_add_char(json, '}');
}

/* False: it is over, or its row is none. */
static bool add_silence(struct text *json, struct slice key, struct slice value, uint64_t now_ns,
                        bool is_first) {
    struct reader reader = reader_over(value);
    struct policy_silence silence = policy_silence_read(&reader);
    if (reader.failed || key.size < 17 || silence.end_ns <= now_ns) {
        return false;
    }
    struct reader id = reader_over(slice_tail(key, key.size - 16));
    text_add_text(json, is_first ? "{\"id\":\"sil_" : ",{\"id\":\"sil_");
    text_add_base32(json, reader_hash128(&id));
    text_add_char(json, '"');
    view_add_text(json, "tenant", slice_head(key, key.size - 17));
    add_match(json, &silence.match);
    view_add_time(json, "start", silence.start_ns);
    view_add_time(json, "end", silence.end_ns);
    view_add_text(json, "reason", silence.reason);
    view_add_text(json, "by", silence.who);
    text_add_char(json, '}');
    return true;
}

static struct status walk_silences(struct store_cursor *cursor, uint64_t now_ns, struct text *json,
                                   uint32_t *count_out) {
    struct slice key;
    struct slice value;
    uint32_t count = 0;
    text_add_text(json, "{\"silences\":[");
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status) || status.code == STATUS_CORRUPT) {
        if (status_is_ok(status) && add_silence(json, key, value, now_ns, count == 0)) {
            count++;
        }
        status = store_cursor_next(cursor, &key, &value);
    }
    text_add_text(json, "]}");
    *count_out = count;
    return status.code == STATUS_END ? view_text_done(json) : status;
}

struct status view_silences_json(struct view_reader *reader, struct slice tenant, uint64_t now_ns,
                                 struct text *json, uint32_t *count_out) {
    uint8_t bytes[TENANT_BYTES_MAX + 1];
    struct writer prefix = writer_over(bytes, sizeof(bytes));
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    if (tenant.size > 0) {
        writer_bytes(&prefix, tenant);
        writer_u8(&prefix, 0);
    }
    if (prefix.failed) {
        return status_of(STATUS_INVALID);
    }
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = store_cursor_open(snapshot, STORE_TABLE_SILENCE, writer_slice(&prefix),
                                             writer_slice(&prefix), &cursor);
    if (status_is_ok(status)) {
        status = walk_silences(cursor, now_ns, json, count_out);
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    return status;
}
