/*
 * kept_incident.c - resolved incidents have an end (kept.h): from when nothing opens one again it
 * stands among what is kept, and when it goes, so does all that hangs on it: its rows of INCIDENT,
 * RECENT, MEMBER, TIMELINE and MEMORY, and of those that were merged into it ALIAS, TIMELINE and
 * MEMORY. Messages on their way, and dead letters, hold all they need themselves.
 *
 * INCIDENT goes first: from then on it is not found. What finds others, the timeline's line of a
 * merge and the alias that it tells of, goes when the other is gone; so it can be left off after
 * any row and taken up by another record. Of merges more than MERGES_DEEP_MAX deep those at the
 * end go first, and the rest with later records, which see that those are gone.
 */
#include "engine/kept_internal.h"

#include "core/base/assert.h"

enum {
    ID_BYTES = 16,
    STEP_KEY_BYTES = ID_BYTES + 4,
    INCIDENT_KEY_BYTES_MAX = TENANT_BYTES_MAX + 1 + 8 + ID_BYTES,
    MERGES_DEEP_MAX = ALIAS_STEPS_MAX,
    DEEPENINGS_MAX = 4096, /* deeper only damage leads: in a ring */
};

void engine_kept_forgotten(void *engine, const struct incident_remains *remains) {
    engine_kept_add(engine, KEPT_INCIDENT, remains->tenant,
                    &(struct kept_row){
                        .at_ns = remains->resolved_ns, .bytes = remains->bytes, .id = remains->id});
}

struct slice kept_incident_key(struct slice tenant, struct hash128 id, struct writer *writer) {
    writer_bytes(writer, tenant);
    writer_u8(writer, 0);
    writer_hash128(writer, id);
    return writer_slice(writer);
}

static struct slice id_key(struct hash128 id, uint8_t memory[ID_BYTES]) {
    struct writer writer = writer_over(memory, ID_BYTES);
    writer_hash128(&writer, id);
    return writer_slice(&writer);
}

bool engine_kept_has_incident(struct store_snapshot *snapshot, struct slice tenant,
                              struct hash128 id) {
    uint8_t memory[INCIDENT_KEY_BYTES_MAX];
    struct writer key = writer_over(memory, sizeof(memory));
    struct slice row;
    return store_get(snapshot, STORE_TABLE_INCIDENT, kept_incident_key(tenant, id, &key), &row)
                   .code != STATUS_MISSING ||
           store_get(snapshot, STORE_TABLE_ALIAS, id_key(id, memory), &row).code != STATUS_MISSING;
}

bool engine_follow_alias(struct store_snapshot *snapshot, struct hash128 *id) {
    uint8_t memory[ID_BYTES];
    struct slice value;
    if (!status_is_ok(store_get(snapshot, STORE_TABLE_ALIAS, id_key(*id, memory), &value)) ||
        value.size < ID_BYTES) {
        return false;
    }
    struct reader reader = reader_over(value);
    *id = reader_hash128(&reader);
    return true;
}

static uint64_t members_bytes(struct store_snapshot *snapshot, struct hash128 id) {
    uint8_t memory[ID_BYTES];
    struct slice prefix = id_key(id, memory);
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice value;
    uint64_t bytes = 0;
    struct status status = store_cursor_open(snapshot, STORE_TABLE_MEMBER, prefix, prefix, &cursor);
    if (!status_is_ok(status)) {
        return 0; /* what it costs is about right at best */
    }
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        bytes += incident_remains_member_bytes(value.size);
    }
    store_cursor_close(cursor);
    return bytes;
}

struct status kept_incident_remains(struct store_snapshot *snapshot, struct slice value,
                                    struct incident_remains *remains_out) {
    struct incident_remains remains;
    TRY(incident_remains_read(value, &remains));
    remains.bytes += members_bytes(snapshot, remains.id);
    *remains_out = remains;
    return status_ok();
}

/* --- Dropping --- */

struct clearing {
    struct engine *engine;
    struct store_snapshot *snapshot;
    uint32_t *left;
    struct fault *fault;
};

static struct status drop(struct clearing *clearing, enum store_table table, struct slice key) {
    TRY(engine_make_room(clearing->engine, KEPT_EFFECT_BYTES_MAX, clearing->fault));
    effect_delete(&clearing->engine->effects, table, key);
    *clearing->left -= *clearing->left > 0 ? 1 : 0;
    return status_ok();
}

/* Damaged rows go as well, without their bytes. END */
static struct status next_row(struct clearing *clearing, struct store_cursor *cursor,
                              struct slice *key_out, struct slice *value_out) {
    return kept_next_row(cursor, "a page of a resolved incident cannot be read", key_out, value_out,
                         clearing->fault);
}

static struct status drop_each(struct clearing *clearing, enum store_table table,
                               struct store_cursor *cursor) {
    for (;;) {
        struct slice key;
        struct slice value;
        struct status status = next_row(clearing, cursor, &key, &value);
        if (status.code == STATUS_END) {
            return status_ok();
        }
        TRY(status);
        if (*clearing->left == 0) {
            return status_of(STATUS_END);
        }
        TRY(drop(clearing, table, key));
    }
}

/* All rows under the id. END when some are left. */
static struct status drop_all(struct clearing *clearing, enum store_table table,
                              struct hash128 id) {
    uint8_t memory[ID_BYTES];
    struct store_cursor *cursor = NULL;
    struct slice prefix = id_key(id, memory);
    TRY(store_cursor_open(clearing->snapshot, table, prefix, prefix, &cursor));
    struct status status = drop_each(clearing, table, cursor);
    store_cursor_close(cursor);
    return status;
}

/* Its row, and that of the list; the damaged one of an incident says nothing of the latter. */
static struct status drop_head(struct clearing *clearing, struct slice tenant, struct hash128 id) {
    uint8_t memory[INCIDENT_KEY_BYTES_MAX];
    struct writer key = writer_over(memory, sizeof(memory));
    struct slice row;
    struct incident_row_facts facts;
    struct status status = store_get(clearing->snapshot, STORE_TABLE_INCIDENT,
                                     kept_incident_key(tenant, id, &key), &row);
    ASSERT(!key.failed);
    if (status.code == STATUS_MISSING) {
        return status_ok(); /* a record before has begun with it */
    }
    TRY(drop(clearing, STORE_TABLE_INCIDENT, writer_slice(&key)));
    if (!status_is_ok(status) || !status_is_ok(incident_row_read(row, &facts))) {
        return status_ok();
    }
    key = writer_over(memory, sizeof(memory));
    writer_bytes(&key, tenant);
    writer_u8(&key, 0);
    writer_u64_big_endian(&key, ~facts.opened_ns);
    writer_hash128(&key, id);
    ASSERT(!key.failed);
    return drop(clearing, STORE_TABLE_RECENT, writer_slice(&key));
}

/* A timeline being dropped; of one that was merged its alias and what sinks remember go with it. */
struct timeline {
    struct hash128 id;
    struct store_cursor *cursor;
    uint8_t key[STEP_KEY_BYTES]; /* of the line that tells of the one above */
};

/* In the order in which they were merged: the first is the incident's own. */
struct timelines {
    struct clearing *clearing;
    struct timeline items[MERGES_DEEP_MAX];
    uint32_t count;
    uint32_t deepenings;   /* the first is not the incident's own, but of one merged */
    struct hash128 deeper; /* merged into the last item, which leaves no room for it; zero: none */
};

static struct status open_timeline(struct timelines *timelines, struct hash128 id) {
    uint8_t memory[ID_BYTES];
    struct slice prefix = id_key(id, memory);
    struct timeline *timeline = &timelines->items[timelines->count];
    timeline->id = id;
    TRY(store_cursor_open(timelines->clearing->snapshot, STORE_TABLE_TIMELINE, prefix, prefix,
                          &timeline->cursor));
    timelines->count++;
    return status_ok();
}

static struct status close_timeline(struct timelines *timelines) {
    uint8_t memory[ID_BYTES];
    struct timeline *timeline = &timelines->items[--timelines->count];
    store_cursor_close(timeline->cursor);
    if (timelines->count == 0 && timelines->deepenings == 0) {
        return status_ok();
    }
    TRY(drop_all(timelines->clearing, STORE_TABLE_MEMORY, timeline->id));
    TRY(drop(timelines->clearing, STORE_TABLE_ALIAS, id_key(timeline->id, memory)));
    if (timelines->count == 0) {
        return status_ok(); /* the line is found by who comes down to it */
    }
    return drop(timelines->clearing, STORE_TABLE_TIMELINE,
                slice_of(timelines->items[timelines->count - 1].key, STEP_KEY_BYTES));
}

/* Whether the line tells of one that was merged, and is still there. */
static bool leads_to_other(const struct timelines *timelines, struct slice key, struct slice value,
                           struct hash128 *other_out) {
    uint8_t memory[ID_BYTES];
    uint8_t into[ID_BYTES];
    struct slice survivor;
    struct hash128 id = timelines->items[timelines->count - 1].id;
    return key.size == STEP_KEY_BYTES && incident_timeline_is_merge(value, other_out) &&
           status_is_ok(store_get(timelines->clearing->snapshot, STORE_TABLE_ALIAS,
                                  id_key(*other_out, memory), &survivor)) &&
           slice_equals(survivor, id_key(id, into));
}

static struct status drop_line(struct timelines *timelines, struct slice key, struct slice value) {
    struct hash128 other;
    bool is_end = timelines->count == MERGES_DEEP_MAX && timelines->deepenings == DEEPENINGS_MAX;
    if (is_end || !leads_to_other(timelines, key, value, &other)) {
        return drop(timelines->clearing, STORE_TABLE_TIMELINE, key);
    }
    if (timelines->count == MERGES_DEEP_MAX) {
        timelines->deeper = other;
        return status_of(STATUS_END);
    }
    memcpy(timelines->items[timelines->count - 1].key, key.data, STEP_KEY_BYTES);
    return open_timeline(timelines, other);
}

static struct status drop_lines(struct timelines *timelines) {
    while (timelines->count > 0) {
        struct slice key;
        struct slice value;
        struct store_cursor *cursor = timelines->items[timelines->count - 1].cursor;
        struct status status = next_row(timelines->clearing, cursor, &key, &value);
        if (status.code == STATUS_END) {
            TRY(close_timeline(timelines));
            continue;
        }
        TRY(status);
        if (*timelines->clearing->left == 0) {
            return status_of(STATUS_END);
        }
        TRY(drop_line(timelines, key, value));
    }
    return status_ok();
}

static struct status walk_timelines(struct timelines *timelines, struct hash128 id) {
    timelines->count = 0;
    timelines->deeper = (struct hash128){0};
    TRY(open_timeline(timelines, id));
    struct status status = drop_lines(timelines);
    while (timelines->count > 0) {
        store_cursor_close(timelines->items[--timelines->count].cursor);
    }
    return status;
}

/* With those of all that were merged into it. END when some are left. */
static struct status drop_timelines(struct clearing *clearing, struct hash128 id) {
    struct timelines timelines;
    timelines.clearing = clearing;
    timelines.deepenings = 0;
    struct status status = walk_timelines(&timelines, id);
    while (status.code == STATUS_END && !hash128_is_zero(timelines.deeper)) {
        timelines.deepenings++;
        status = walk_timelines(&timelines, timelines.deeper);
    }
    if (status_is_ok(status) && timelines.deepenings > 0) { /* what leads there is left */
        *clearing->left = 0;
        return status_of(STATUS_END);
    }
    return status;
}

static struct status drop_hanging(struct clearing *clearing, struct hash128 id) {
    TRY(drop_all(clearing, STORE_TABLE_MEMORY, id));
    TRY(drop_timelines(clearing, id));
    return drop_all(clearing, STORE_TABLE_MEMBER, id);
}

struct status kept_drop_incident(struct engine *engine, struct store_snapshot *snapshot,
                                 struct slice tenant, struct hash128 id, uint32_t *left,
                                 bool *is_whole_out, struct fault *fault) {
    struct clearing clearing = {
        .engine = engine, .snapshot = snapshot, .left = left, .fault = fault};
    engine->kept.forgets_seq = engine->applied_seq;
    TRY(drop_head(&clearing, tenant, id));
    struct status status = drop_hanging(&clearing, id);
    if (!status_is_ok(status) && status.code != STATUS_END) {
        return status;
    }
    *is_whole_out = status_is_ok(status);
    return status_ok();
}
