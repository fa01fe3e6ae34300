/*
 * sim_check.c - what must be true at the end. Knows nothing of how the engine works: it compares
 * what the world did (causes) with what the API says and with what the receiver noted.
 *
 * 1. Each cause is one incident of its own tenant, with its root and exactly its members.
 * 2. Each event was applied once: signals are as many as members.
 * 3. Each incident was opened to the receiver under one message id; no message is about nothing.
 * 4. Accepted less duplicate events are the distinct events of the world.
 * 5. What was refused stands in the quarantine, or was dropped from there, and that is counted.
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
    SIM_CHECK(sim, seen.incidents == sim->causes_count);
}

/* Every message is about an incident that is there, or that became part of one, of its tenant. */
static void check_messages(struct sim *sim, struct view_reader *reader) {
    for (uint32_t i = 0; i < sim->told_count; i++) {
        char memory[64];
        struct text id = text_over(memory, sizeof(memory));
        struct text json = text_over(sim->json, JSON_BYTES_MAX);
        text_add_text(&id, "inc_");
        text_add_base32(&id, sim->told[i].incident_id);
        SIM_CHECK(sim, status_is_ok(view_incident_json(reader, slice_of_text(sim->told[i].tenant),
                                                       text_slice(&id), &json)));
    }
}

static void check_counts(struct sim *sim, struct view_reader *reader) {
    struct text json = text_over(sim->json, JSON_BYTES_MAX);
    SIM_CHECK(sim, status_is_ok(view_stats_json(reader, slice_of(NULL, 0), &json)));
    uint64_t events = 0;
    for (uint32_t i = 0; i < sim->causes_count; i++) {
        events += sim->causes[i].members;
    }
    struct slice stats = text_slice(&json);
    uint64_t accepted = json_pick_u64(stats, "events_accepted");
    SIM_CHECK(sim, accepted - json_pick_u64(stats, "events_duplicate") == events);
    SIM_CHECK(sim, accepted >= sim->acknowledged_events);
    SIM_CHECK(sim, json_pick_u64(stats, "signals_total") == events);
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

void check_world(struct sim *sim) {
    struct view_reader *reader = NULL;
    sim->json = sim->json == NULL ? malloc(JSON_BYTES_MAX) : sim->json;
    ASSERT(sim->json != NULL);
    SIM_CHECK(sim, status_is_ok(view_reader_acquire(shard_get_view(sim->shard), &reader)));
    check_incidents(sim, reader);
    check_messages(sim, reader);
    check_counts(sim, reader);
    check_quarantine(sim, reader);
    view_reader_release(reader);
}
