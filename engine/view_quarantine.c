/* view_quarantine.c - the quarantine as JSON: what was refused or could not be applied, and why. A
 * record is named "<journal record>-<place in it>"; its key begins with the tenant. */
#include "engine/view_state.h"

#include "schemas/envelope.h"

enum { KEY_BYTES_MAX = TENANT_BYTES_MAX + 16, KEY_TAIL_BYTES = 13 };

static void add_raw(struct text *json, struct slice raw) {
    bool is_text = text_is_utf8(raw);
    text_add_format(json, ",\"%s\":", is_text ? "raw" : "raw_hex");
    if (is_text) {
        text_add_json_string(json, raw);
        return;
    }
    text_add_char(json, '"');
    text_add_hex(json, raw);
    text_add_char(json, '"');
}

/* What stood around the bytes: of a resource, in headers, where it was read. */
static void add_attributes(struct text *json, struct slice row, uint32_t count) {
    struct attribute_cursor cursor = envelope_attributes(row);
    struct attribute attribute;
    text_add_text(json, ",\"attributes\":[");
    while (attribute_cursor_next(&cursor, &attribute)) {
        text_add_text(json, cursor.left + 1 == count ? "{\"key\":" : ",{\"key\":");
        text_add_json_string(json, attribute.key);
        view_add_text(json, "value", attribute.value);
        text_add_char(json, '}');
    }
    text_add_char(json, ']');
}

static void add_record(struct text *json, struct slice key, struct slice row, bool with_raw) {
    struct slice tenant = slice_head(key, key.size - KEY_TAIL_BYTES);
    struct reader reader = reader_over(slice_tail(key, tenant.size + 1));
    unsigned long long seq = reader_u64_big_endian(&reader);
    uint32_t index = reader_u32_big_endian(&reader);
    text_add_format(json, "{\"id\":\"%llu-%u\"", seq, index);
    view_add_text(json, "tenant", tenant);
    struct envelope envelope = {.reason = SLICE("it is no envelope"), .raw = row};
    bool is_readable = status_is_ok(envelope_verify(row));
    bool is_refused = true;
    if (is_readable) {
        envelope_read(row, &envelope);
        is_refused = (envelope.flags & ENVELOPE_REFUSED) != 0;
        view_add_time(json, "at", envelope.ingest_time_ns);
        view_add_text(json, "source", envelope.source);
        view_add_text(json, "entity", envelope.entity);
    }
    view_add_text(json, "reason",
                  is_refused
                      ? envelope.reason
                      : SLICE("could not be applied: no room was left for its tenant, entity "
                              "or incident (see limits), or it ended the process"));
    text_add_format(json, ",\"retryable\":%s,\"bytes\":%zu", is_refused ? "false" : "true",
                    is_refused ? envelope.raw.size : row.size);
    if ((envelope.flags & ENVELOPE_MESSAGE_CUT) != 0) {
        text_add_text(json, ",\"cut\":true"); /* what was sent was longer than what is kept */
    }
    if (with_raw && is_refused) {
        add_raw(json, envelope.raw);
    } else if (with_raw) {
        view_add_text(json, "event_id", envelope.event_id);
        view_add_text(json, "status", event_status_word(envelope.status));
        view_add_text(json, "message", envelope.message);
    }
    if (with_raw && envelope.attributes_count > 0) {
        add_attributes(json, row, envelope.attributes_count);
    }
    text_add_char(json, '}');
}

static struct status walk(struct store_cursor *cursor, const struct view_query *query,
                          struct text *json) {
    uint32_t given = 0;
    struct slice key;
    struct slice row;
    uint8_t last[KEY_BYTES_MAX];
    size_t last_size = 0;
    struct status status = store_cursor_next(cursor, &key, &row);
    while (status_is_ok(status) || status.code == STATUS_CORRUPT) {
        bool is_good =
            status_is_ok(status) && key.size > KEY_TAIL_BYTES && key.size <= sizeof(last);
        if (is_good && given == query->limit) {
            text_add_text(json, "],\"next_cursor\":\"");
            text_add_hex(json, slice_of(last, last_size));
            text_add_text(json, "\"}");
            return view_text_done(json);
        }
        if (is_good) {
            text_add_text(json, given++ == 0 ? "" : ",");
            add_record(json, key, row, false);
            memcpy(last, key.data, key.size);
            last_size = key.size;
        }
        status = store_cursor_next(cursor, &key, &row);
    }
    text_add_text(json, "],\"next_cursor\":null}");
    return status.code == STATUS_END ? view_text_done(json) : status;
}

/* The tenant's rows begin with its name and a zero; the walk goes on behind the cursor. */
struct status view_quarantine_json(struct view_reader *reader, const struct view_query *query,
                                   struct text *json) {
    uint8_t prefix_bytes[TENANT_BYTES_MAX + 1];
    uint8_t start[KEY_BYTES_MAX + 1];
    struct writer prefix = writer_over(prefix_bytes, sizeof(prefix_bytes));
    size_t start_size = query->cursor.size / 2;
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    if (query->tenant.size > 0) {
        writer_bytes(&prefix, query->tenant);
        writer_u8(&prefix, 0);
    }
    bool is_bad = prefix.failed || start_size > KEY_BYTES_MAX;
    if (is_bad || !status_is_ok(text_parse_hex(query->cursor, start, start_size))) {
        return status_of(STATUS_INVALID);
    }
    if (start_size > 0) {
        start[start_size++] = 0; /* the key behind it */
    }
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status =
        store_cursor_open(snapshot, STORE_TABLE_QUARANTINE, writer_slice(&prefix),
                          slice_of(start, start_size), &cursor);
    if (status_is_ok(status)) {
        text_add_text(json, "{\"quarantine\":[");
        status = walk(cursor, query, json);
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    return status;
}

static struct status get_record(struct store_snapshot *snapshot, struct slice tenant, uint64_t seq,
                                uint32_t index, struct text *json) {
    uint8_t bytes[KEY_BYTES_MAX];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct slice row;
    if (tenant.size > TENANT_BYTES_MAX) {
        return status_of(STATUS_MISSING);
    }
    engine_quarantine_key(tenant, seq, index, &key);
    TRY(store_get(snapshot, STORE_TABLE_QUARANTINE, writer_slice(&key), &row));
    add_record(json, writer_slice(&key), row, true);
    return view_text_done(json);
}

/* The first tenant at or behind `start` that has something there, into `tenant` (emptied before).
 * END, or what the store says: a damaged row has a key all the same, a damaged page has none. */
static struct status next_tenant(struct store_snapshot *snapshot, struct slice start,
                                 struct writer *tenant) {
    struct store_cursor *cursor = NULL;
    struct slice key = slice_of(NULL, 0);
    struct slice row;
    TRY(store_cursor_open(snapshot, STORE_TABLE_QUARANTINE, slice_of(NULL, 0), start, &cursor));
    struct status status = store_cursor_next(cursor, &key, &row);
    if (status.code == STATUS_CORRUPT && key.size > 0) {
        status = status_ok();
    }
    if (status_is_ok(status) && key.size > KEY_TAIL_BYTES) {
        writer_bytes(tenant, slice_head(key, key.size - KEY_TAIL_BYTES));
    }
    store_cursor_close(cursor);
    bool is_found = tenant->size > 0 && !tenant->failed;
    return status_is_ok(status) && !is_found ? status_of(STATUS_CORRUPT) : status;
}

/* Without a tenant (the operator) those that have something there are tried one by one, a seek
 * each; TENANT has no row of one that was too many, but here it stands. */
static struct status find_record(struct store_snapshot *snapshot, uint64_t seq, uint32_t index,
                                 struct text *json) {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t start_size = 0;
    for (;;) {
        struct slice start = slice_of(bytes, start_size);
        uint8_t name[TENANT_BYTES_MAX];
        struct writer tenant = writer_over(name, sizeof(name));
        struct status status = next_tenant(snapshot, start, &tenant);
        if (!status_is_ok(status)) {
            return status.code == STATUS_END ? status_of(STATUS_MISSING) : status;
        }
        status = get_record(snapshot, writer_slice(&tenant), seq, index, json);
        if (status.code != STATUS_MISSING) {
            return status;
        }
        memcpy(bytes, name, tenant.size);
        bytes[tenant.size] = 1; /* behind its rows, which go on with a zero */
        start_size = tenant.size + 1;
    }
}

struct status view_quarantined_json(struct view_reader *reader, struct slice tenant, uint64_t seq,
                                    uint32_t index, struct text *json) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct status status = tenant.size > 0 ? get_record(snapshot, tenant, seq, index, json)
                                           : find_record(snapshot, seq, index, json);
    store_snapshot_release(snapshot);
    return status;
}
