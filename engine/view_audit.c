/* view_audit.c - the audit as JSON, newest first: both rings (core/audit.h), merged by time. */
#include "core/audit.h"
#include "core/base/limits.h"
#include "engine/view_state.h"

struct walk {
    struct store_snapshot *snapshot;
    uint64_t next[AUDIT_RINGS]; /* lines below it are still to come */
};

/* The line before walk->next; false: there is none any more. */
static bool look(const struct walk *walk, enum audit_ring ring, struct audit_entry *entry_out) {
    uint8_t key[AUDIT_KEY_BYTES];
    struct slice row;
    uint64_t number = walk->next[ring] - 1;
    return walk->next[ring] > 0 &&
           status_is_ok(
               store_get(walk->snapshot, STORE_TABLE_AUDIT, audit_key(ring, number, key), &row)) &&
           status_is_ok(audit_decode(row, entry_out)) && entry_out->number == number;
}

/* false: no more lines. */
static bool take_newest(struct walk *walk, struct audit_entry *entry_out) {
    struct audit_entry entries[AUDIT_RINGS];
    int newest = -1;
    for (int ring = 0; ring < AUDIT_RINGS; ring++) {
        bool is_there = look(walk, (enum audit_ring)ring, &entries[ring]);
        bool is_newer = newest < 0 || (is_there && entries[ring].at_ns > entries[newest].at_ns);
        newest = is_there && is_newer ? ring : newest;
    }
    if (newest < 0) {
        return false;
    }
    walk->next[newest]--;
    *entry_out = entries[newest];
    return true;
}

static void add_entry(struct text *json, const struct audit_entry *entry) {
    text_add_char(json, '{');
    text_add_json_time(json, "at", entry->at_ns);
    view_add_text(json, "tenant", entry->tenant);
    view_add_text(json, "by", entry->by);
    view_add_text(json, "what", entry->what);
    view_add_text(json, "detail", entry->detail);
    text_add_char(json, '}');
}

static struct status add_page(struct walk *walk, const struct view_query *query,
                              struct text *json) {
    struct audit_entry entry;
    uint32_t given = 0;
    text_add_text(json, "{\"audit\":[");
    while (given < query->limit && take_newest(walk, &entry)) {
        if (query->tenant.size == 0 || slice_equals(query->tenant, entry.tenant)) {
            text_add_text(json, given++ == 0 ? "" : ",");
            add_entry(json, &entry);
        }
    }
    struct walk rest = *walk;
    if (given == query->limit && take_newest(&rest, &entry)) {
        text_add_format(json, "],\"next_cursor\":\"%016llx%016llx\"}",
                        (unsigned long long)walk->next[AUDIT_CHANGES],
                        (unsigned long long)walk->next[AUDIT_REFUSALS]);
    } else {
        text_add_text(json, "],\"next_cursor\":null}");
    }
    return view_text_done(json);
}

static struct status find_start(struct walk *walk, struct slice cursor) {
    struct slice row;
    uint8_t bytes[8 * AUDIT_RINGS];
    if (cursor.size > 0) {
        TRY(text_parse_hex(cursor, bytes, sizeof(bytes)));
        struct reader reader = reader_over(slice_of(bytes, sizeof(bytes)));
        walk->next[AUDIT_CHANGES] = reader_u64_big_endian(&reader);
        walk->next[AUDIT_REFUSALS] = reader_u64_big_endian(&reader);
        return status_ok();
    }
    struct status status = store_get(walk->snapshot, STORE_TABLE_META, SLICE("audit"), &row);
    if (status.code == STATUS_MISSING) {
        return status_ok();
    }
    TRY(status);
    return audit_numbers_decode(row, walk->next);
}

struct status view_audit_json(struct view_reader *reader, const struct view_query *query,
                              struct text *json) {
    struct walk walk = {0};
    TRY(store_snapshot_acquire(reader->view->store, &walk.snapshot));
    struct status status = find_start(&walk, query->cursor);
    if (status_is_ok(status)) {
        status = add_page(&walk, query, json);
    }
    store_snapshot_release(walk.snapshot);
    return status;
}
