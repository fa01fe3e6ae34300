/*
 * sim_check.c - what must be true at the end. Knows nothing of how the engine works: it compares
 * what the world did (causes) with what the API says and with what the receiver noted.
 *
 * 1. Each cause is one incident of its own tenant, with its root and exactly its members; or, when
 *    it ended, was one that was dropped, and that is counted.
 * 2. Each event was applied once: signals are as many as members.
 * 3. Each incident was opened to the receiver under one message id; no message is about nothing,
 *    unless something was dropped.
 * 4. Accepted less duplicate events are the distinct events of the world.
 * 5. Of what was dropped nothing is left: all rows hang on an incident that is there.
 * 6. What was refused stands in the quarantine, or was dropped from there, and that is counted.
 */
#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "tests/sim/sim_world.h"

enum { JSON_BYTES_MAX = 16 << 20, PAGE = 1000 };

struct seen {
    bool is_seen[CAUSES_MAX];
    uint32_t incidents;
};

static struct slice text_of(struct slice object, const char *name, char *memory, size_t size) {
    struct text text = text_over(memory, size);
    json_pick_text(object, name, &text);
    return text_slice(&text);
}

/* "job:c7.2" -> 7, 2. */
static void parse_entity(struct sim *sim, struct slice entity, uint32_t *cause_out,
                         uint32_t *member_out) {
    SIM_CHECK(sim, slice_starts_with(entity, SLICE("job:c")));
    struct slice rest = slice_tail(entity, 5);
    size_t dot = slice_find_byte(rest, '.');
    uint64_t cause = 0;
    uint64_t member = 0;
    SIM_CHECK(sim, status_is_ok(text_parse_u64(slice_head(rest, dot), &cause)));
    SIM_CHECK(sim, status_is_ok(text_parse_u64(slice_tail(rest, dot + 1), &member)));
    SIM_CHECK(sim, cause < sim->causes_count && member < sim->causes[cause].members);
    *cause_out = (uint32_t)cause;
    *member_out = (uint32_t)member;
}

static void check_told(struct sim *sim, struct slice id_text) {
    struct hash128 id;
    struct hash128 opened = {0};
    SIM_CHECK(sim, status_is_ok(text_parse_base32(slice_tail(id_text, 4), &id)));
    for (uint32_t i = 0; i < sim->told_count; i++) {
        const struct told *told = &sim->told[i];
        if (told->type != OUTBOX_OPENED || !hash128_equals(told->incident_id, id)) {
            continue;
        }
        SIM_CHECK(sim, hash128_is_zero(opened) || hash128_equals(opened, told->message_id));
        opened = told->message_id;
    }
    SIM_CHECK(sim, !hash128_is_zero(opened));
}

static void check_incident(struct sim *sim, struct slice incident, struct seen *seen) {
    char memory[512];
    uint32_t cause = 0;
    uint32_t member = 0;
    uint64_t members = 1;
    bool is_there[MEMBERS_MAX] = {true};
    struct slice root = json_pick(incident, "root_cause");
    parse_entity(sim, text_of(root, "entity", memory, sizeof(memory)), &cause, &member);
    SIM_CHECK(sim, member == 0 && !seen->is_seen[cause]);
    seen->is_seen[cause] = true;
    struct slice tenant = text_of(incident, "tenant", memory, sizeof(memory));
    SIM_CHECK(sim, tenant.size == 2 && tenant.data[1] == '0' + sim->causes[cause].tenant);
    struct slice rest = json_pick(incident, "affected");
    struct slice item;
    while (json_pick_item(&rest, &item)) {
        uint32_t home = 0;
        parse_entity(sim, text_of(item, "entity", memory, sizeof(memory)), &home, &member);
        SIM_CHECK(sim, home == cause && !is_there[member]);
        is_there[member] = true;
        members++;
    }
    SIM_CHECK(sim, members == sim->causes[cause].members);
    SIM_CHECK(sim, json_pick_u64(json_pick(incident, "signals"), "total") == members);
    check_told(sim, text_of(incident, "id", memory, sizeof(memory)));
    seen->incidents++;
}

static void check_incidents(struct sim *sim, struct view_reader *reader) {
    struct text json = text_over(sim->json, JSON_BYTES_MAX);
    struct view_query query = {.limit = PAGE};
    struct seen seen = {0};
    struct slice item;
    SIM_CHECK(sim, status_is_ok(view_incidents_json(reader, &query, &json)));
    struct slice rest = json_pick(text_slice(&json), "incidents");
    while (json_pick_item(&rest, &item)) {
        check_incident(sim, item, &seen);
    }
    for (uint32_t i = 0; i < sim->causes_count; i++) {
        SIM_CHECK(sim, seen.is_seen[i] || sim->causes[i].ends);
    }
    SIM_CHECK(sim, seen.incidents + sim->incidents_dropped == sim->causes_count);
}

/* Every message is about an incident that is there, or that became part of one, of its tenant. */
static void check_messages(struct sim *sim, struct view_reader *reader) {
    for (uint32_t i = 0; i < sim->told_count; i++) {
        char memory[64];
        struct text id = text_over(memory, sizeof(memory));
        struct text json = text_over(sim->json, JSON_BYTES_MAX);
        text_add_text(&id, "inc_");
        text_add_base32(&id, sim->told[i].incident_id);
        struct status status =
            view_incident_json(reader, slice_of_text(sim->told[i].tenant), text_slice(&id), &json);
        bool may_be_gone = sim->incidents_dropped > 0 && status.code == STATUS_MISSING;
        SIM_CHECK(sim, status_is_ok(status) || may_be_gone);
    }
}

static void check_counts(struct sim *sim, struct view_reader *reader) {
    struct text json = text_over(sim->json, JSON_BYTES_MAX);
    SIM_CHECK(sim, status_is_ok(view_stats_json(reader, slice_of(NULL, 0), &json)));
    uint64_t events = 0;
    uint64_t failures = 0;
    for (uint32_t i = 0; i < sim->causes_count; i++) {
        failures += sim->causes[i].members;
        events += sim->causes[i].members * (sim->causes[i].ends ? 2 : 1);
    }
    struct slice stats = text_slice(&json);
    uint64_t accepted = json_pick_u64(stats, "events_accepted");
    SIM_CHECK(sim, accepted - json_pick_u64(stats, "events_duplicate") == events);
    SIM_CHECK(sim, accepted >= sim->acknowledged_events);
    SIM_CHECK(sim, json_pick_u64(stats, "signals_total") == failures);
    sim->incidents_dropped = json_pick_u64(stats, "incidents_dropped");
    sim->refused_left =
        json_pick_u64(stats, "events_rejected") - json_pick_u64(stats, "quarantine_dropped");
}

static void check_quarantine(struct sim *sim, struct view_reader *reader) {
    struct text json = text_over(sim->json, JSON_BYTES_MAX);
    const struct view_query query = {.limit = PAGE};
    struct slice item;
    SIM_CHECK(sim, status_is_ok(view_quarantine_json(reader, &query, &json)));
    struct slice rest = json_pick(text_slice(&json), "quarantine");
    for (; json_pick_item(&rest, &item); sim->refused_left--) {
        SIM_CHECK(sim, sim->refused_left > 0);
    }
    SIM_CHECK(sim, sim->refused_left == 0);
}

/* --- Rows --- */

struct ids {
    struct hash128 items[2 * CAUSES_MAX * MEMBERS_MAX];
    uint32_t count;
};

static void add_id(struct sim *sim, struct ids *ids, struct slice bytes) {
    struct reader reader = reader_over(bytes);
    SIM_CHECK(sim, ids->count < sizeof(ids->items) / sizeof(ids->items[0]));
    ids->items[ids->count++] = reader_hash128(&reader);
    SIM_CHECK(sim, !reader.failed);
}

static bool has_id(const struct ids *ids, struct slice bytes) {
    struct reader reader = reader_over(bytes);
    struct hash128 id = reader_hash128(&reader);
    uint32_t i = 0;
    while (i < ids->count && !hash128_equals(ids->items[i], id)) {
        i++;
    }
    return i < ids->count;
}

/* Calls visit with each row. */
static void walk_rows(struct sim *sim, enum store_table table, struct ids *ids,
                      void (*visit)(struct sim *, struct ids *, struct slice, struct slice)) {
    struct slice none = slice_of(NULL, 0);
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice row;
    SIM_CHECK(sim, status_is_ok(store_snapshot_acquire(shard_get_store(sim->shard), &snapshot)));
    SIM_CHECK(sim, status_is_ok(store_cursor_open(snapshot, table, none, none, &cursor)));
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        visit(sim, ids, key, row);
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
}

/* Keys of INCIDENT and RECENT end with the id. */
static void add_incident(struct sim *sim, struct ids *ids, struct slice key, struct slice row) {
    (void)row;
    add_id(sim, ids, slice_tail(key, key.size - sizeof(struct hash128)));
}

static void check_recent(struct sim *sim, struct ids *ids, struct slice key, struct slice row) {
    (void)row;
    SIM_CHECK(sim, has_id(ids, slice_tail(key, key.size - sizeof(struct hash128))));
}

static void check_hanging(struct sim *sim, struct ids *ids, struct slice key, struct slice row) {
    (void)row;
    SIM_CHECK(sim, has_id(ids, key));
}

/* Once a merge: one more of those that lead to an incident that is there. */
static void add_alias(struct sim *sim, struct ids *ids, struct slice key, struct slice row) {
    if (has_id(ids, row) && !has_id(ids, key)) {
        add_id(sim, ids, key);
    }
}

static void check_rows(struct sim *sim) {
    struct ids ids = {.count = 0};
    walk_rows(sim, STORE_TABLE_INCIDENT, &ids, add_incident);
    walk_rows(sim, STORE_TABLE_RECENT, &ids, check_recent);
    walk_rows(sim, STORE_TABLE_MEMBER, &ids, check_hanging);
    for (uint32_t i = 0; i < MEMBERS_MAX; i++) { /* as deep as a cause's merges can be */
        walk_rows(sim, STORE_TABLE_ALIAS, &ids, add_alias);
    }
    walk_rows(sim, STORE_TABLE_ALIAS, &ids, check_hanging);
    walk_rows(sim, STORE_TABLE_TIMELINE, &ids, check_hanging);
    walk_rows(sim, STORE_TABLE_MEMORY, &ids, check_hanging);
}

void check_world(struct sim *sim) {
    struct view_reader *reader = NULL;
    sim->json = sim->json == NULL ? malloc(JSON_BYTES_MAX) : sim->json;
    ASSERT(sim->json != NULL);
    SIM_CHECK(sim, status_is_ok(view_reader_acquire(shard_get_view(sim->shard), &reader)));
    check_counts(sim, reader);
    check_incidents(sim, reader);
    check_messages(sim, reader);
    check_quarantine(sim, reader);
    view_reader_release(reader);
    check_rows(sim);
}
