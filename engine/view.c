/*
 * view.c - incidents and timelines from committed rows, as JSON. See view.h.
 *
 * Keys (schemas/table_list.h): INCIDENT tenant 0 id; RECENT tenant 0 ~opened id; MEMBER id node;
 * TIMELINE id number; ALIAS id -> id. A list cursor is the RECENT key of the last row given, in
 * hex; over all tenants only its end counts (view_recent.h).
 */
#include "engine/view_recent.h"
#include "engine/view_state.h"

#include <stdlib.h>

#include "core/base/assert.h"

enum { RECENT_KEY_BYTES_MAX = TENANT_BYTES_MAX + 1 + 8 + 16, INCIDENT_KEY_BYTES_MAX = 96 };

struct status view_init(struct view **view_out, struct store *store, const struct engine *engine,
                        const struct shard_options *options, struct arena *arena) {
    struct view *view = ARENA_NEW(arena, struct view);
    if (view == NULL) {
        return status_of(STATUS_FULL);
    }
    view->store = store;
    view->graph = engine->graph;
    view->stats = options->stats;
    view->hash_seed = options->hash_seed;
    view->graph_options.nodes_max = options->config->entities_max;
    view->graph_options.edges_max = options->config->edges_max;
    *view_out = view;
    return status_ok();
}

struct status view_reader_acquire(struct view *view, struct view_reader **reader_out) {
    struct view_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return status_of(STATUS_FULL);
    }
    reader->view = view;
    struct status status = arena_init(&reader->arena, GIB);
    if (status_is_ok(status)) {
        status = graph_search_init(&reader->search, &view->graph_options, GRAPH_VISITS_MAX,
                                   &reader->arena);
    }
    if (!status_is_ok(status)) {
        arena_deinit(&reader->arena);
        free(reader);
        return status;
    }
    graph_reader_register();
    *reader_out = reader;
    return status_ok();
}

void view_reader_release(struct view_reader *reader) {
    graph_reader_unregister();
    arena_deinit(&reader->arena);
    free(reader);
}

struct status view_text_done(const struct text *json) {
    return json->truncated ? status_of(STATUS_FULL) : status_ok();
}

void view_add_text(struct text *json, const char *key, struct slice value) {
    text_add_char(json, ',');
    text_add_json_member(json, key, value);
}

void view_add_time(struct text *json, const char *key, uint64_t time_ns) {
    text_add_char(json, ',');
    text_add_json_time(json, key, time_ns);
}

struct status view_parse_incident_id(struct slice text, struct hash128 *id_out) {
    if (!slice_starts_with(text, SLICE("inc_"))) {
        return status_of(STATUS_MISSING);
    }
    struct status status = text_parse_base32(slice_tail(text, 4), id_out);
    return status_is_ok(status) ? status : status_of(STATUS_MISSING);
}

static void write_id(struct writer *writer, struct hash128 id) {
    writer_hash128(writer, id);
}

/* --- One incident --- */

struct member_walk {
    struct store_cursor *cursor;
};

static bool next_member(void *context, struct slice *key_out, struct slice *value_out) {
    struct member_walk *walk = context;
    struct status status = store_cursor_next(walk->cursor, key_out, value_out);
    while (status.code == STATUS_CORRUPT) {
        status = store_cursor_next(walk->cursor, key_out, value_out);
    }
    return status_is_ok(status);
}

static struct status render_incident(struct store_snapshot *snapshot, struct slice row,
                                     struct hash128 id, struct text *json) {
    uint8_t prefix[16];
    struct writer writer = writer_over(prefix, sizeof(prefix));
    write_id(&writer, id);
    struct member_walk walk = {0};
    TRY(store_cursor_open(snapshot, STORE_TABLE_MEMBER, writer_slice(&writer),
                          writer_slice(&writer), &walk.cursor));
    struct incident_members_source members = {next_member, &walk};
    struct status status = incident_row_render(row, &members, json);
    store_cursor_close(walk.cursor);
    return status;
}

static struct hash128 resolve_alias(struct store_snapshot *snapshot, struct hash128 id) {
    for (uint32_t step = 0; step < ALIAS_STEPS_MAX && engine_follow_alias(snapshot, &id); step++) {
    }
    return id;
}

static struct status get_incident(struct store_snapshot *snapshot, struct slice tenant,
                                  struct hash128 id, struct slice *row_out) {
    uint8_t key[INCIDENT_KEY_BYTES_MAX];
    struct writer writer = writer_over(key, sizeof(key));
    writer_bytes(&writer, tenant);
    writer_u8(&writer, 0);
    write_id(&writer, id);
    if (writer.failed) {
        return status_of(STATUS_MISSING);
    }
    return store_get(snapshot, STORE_TABLE_INCIDENT, writer_slice(&writer), row_out);
}

/* Without a tenant (the operator) the tenants are tried one by one. */
static struct status find_in_tenants(struct store_snapshot *snapshot, struct hash128 id,
                                     struct slice *row_out, struct slice *tenant_out) {
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, STORE_TABLE_TENANT, slice_of(NULL, 0), slice_of(NULL, 0),
                          &cursor));
    struct slice key;
    struct slice value;
    struct status status = store_cursor_next(cursor, &key, &value);
    struct status found = status_of(STATUS_MISSING);
    while (status.code != STATUS_END && !status_is_ok(found)) {
        struct slice name;
        uint64_t counters[TENANT_COUNTER_COUNT];
        if (status_is_ok(status) && status_is_ok(tenant_row_read(value, &name, counters))) {
            found = get_incident(snapshot, name, id, row_out);
            *tenant_out = name;
        }
        status = store_cursor_next(cursor, &key, &value);
        if (status.code == STATUS_IO) {
            break;
        }
    }
    store_cursor_close(cursor);
    return found;
}

struct status view_get_incident_row(struct store_snapshot *snapshot, struct slice tenant,
                                    struct slice text, struct hash128 *id_out,
                                    struct slice *row_out, struct slice *tenant_out) {
    struct hash128 id;
    TRY(view_parse_incident_id(text, &id));
    id = resolve_alias(snapshot, id);
    *id_out = id;
    if (slice_is_empty(tenant)) {
        return find_in_tenants(snapshot, id, row_out, tenant_out);
    }
    *tenant_out = tenant;
    return get_incident(snapshot, tenant, id, row_out);
}

typedef struct status render_one(struct store_snapshot *snapshot, struct slice row,
                                 struct hash128 id, struct text *json);

static struct status view_one(struct view_reader *reader, struct slice tenant,
                              struct slice incident_id, render_one *render, struct text *json) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct hash128 id;
    struct slice row;
    struct slice owner;
    struct status status = view_get_incident_row(snapshot, tenant, incident_id, &id, &row, &owner);
    if (status_is_ok(status)) {
        status = render(snapshot, row, id, json);
    }
    store_snapshot_release(snapshot);
    return status_is_ok(status) ? view_text_done(json) : status;
}

struct status view_incident_json(struct view_reader *reader, struct slice tenant,
                                 struct slice incident_id, struct text *json) {
    return view_one(reader, tenant, incident_id, render_incident, json);
}

struct status view_find_incident(struct view_reader *reader, struct slice incident_id,
                                 struct hash128 *id_out, char *tenant_out,
                                 size_t *tenant_size_out) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct slice row;
    struct slice owner;
    struct status status =
        view_get_incident_row(snapshot, slice_of(NULL, 0), incident_id, id_out, &row, &owner);
    if (status_is_ok(status)) {
        ASSERT(owner.size <= TENANT_BYTES_MAX);
        memcpy(tenant_out, owner.data, owner.size);
        *tenant_size_out = owner.size;
    }
    store_snapshot_release(snapshot);
    return status;
}

/* --- Timeline --- */

/* Steps as they are written, oldest first; repeats that no row tells of yet have their place. */
struct steps {
    struct text *json;
    bool is_first;
    struct slice row; /* counts the repeats */
    uint64_t repeats_ns;
    bool has_repeats; /* they are still to come */
};

static void add_comma(struct steps *steps) {
    text_add_text(steps->json, steps->is_first ? "" : ",");
    steps->is_first = false;
}

static struct status add_repeats(struct steps *steps) {
    bool was_first = steps->is_first;
    size_t before = steps->json->size;
    add_comma(steps);
    size_t behind = steps->json->size;
    TRY(incident_repeats_render(steps->row, steps->json));
    if (steps->json->size == behind) { /* there are none: no comma */
        steps->json->size = before;
        steps->is_first = was_first;
    }
    steps->has_repeats = false;
    return status_ok();
}

static struct status add_step(struct steps *steps, struct slice value, uint64_t at_ns) {
    if (steps->has_repeats && at_ns > steps->repeats_ns) {
        TRY(add_repeats(steps));
    }
    add_comma(steps);
    return incident_timeline_render(value, steps->json);
}

/* The rows that stand under the id, from *from_ns on, which becomes the time of the last. */
static struct status render_steps(struct store_snapshot *snapshot, struct hash128 id,
                                  uint64_t *from_ns, struct steps *steps) {
    uint8_t prefix[16];
    struct writer writer = writer_over(prefix, sizeof(prefix));
    write_id(&writer, id);
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, STORE_TABLE_TIMELINE, writer_slice(&writer),
                          writer_slice(&writer), &cursor));
    struct slice key;
    struct slice value;
    uint64_t last_ns = *from_ns;
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        uint64_t at_ns = incident_timeline_at_ns(value);
        if (at_ns >= *from_ns) {
            last_ns = at_ns;
            status = add_step(steps, value, at_ns);
        }
        status = status_is_ok(status) ? store_cursor_next(cursor, &key, &value) : status;
    }
    store_cursor_close(cursor);
    *from_ns = last_ns;
    return status.code == STATUS_END ? status_ok() : status;
}

/* Of an id that was merged: its own steps until then, and those of its survivor from then on. */
static struct status render_timeline(struct store_snapshot *snapshot, struct slice row,
                                     struct hash128 id, struct text *json) {
    struct incident_row_facts facts;
    TRY(incident_row_read(row, &facts));
    struct steps steps = {.json = json,
                          .is_first = true,
                          .row = row,
                          .repeats_ns = facts.updated_ns,
                          .has_repeats = true};
    uint64_t from_ns = 0;
    struct status status = status_ok();
    text_add_text(json, "{\"timeline\":[");
    for (uint32_t step = 0; step <= ALIAS_STEPS_MAX && status_is_ok(status); step++) {
        status = render_steps(snapshot, id, &from_ns, &steps);
        if (!engine_follow_alias(snapshot, &id)) {
            break;
        }
    }
    if (status_is_ok(status) && steps.has_repeats) {
        status = add_repeats(&steps);
    }
    text_add_text(json, "]}");
    return status;
}

struct status view_timeline_json(struct view_reader *reader, struct slice tenant,
                                 struct slice incident_id, struct text *json) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct hash128 asked;
    struct hash128 id;
    struct slice row;
    struct slice owner;
    struct status status = view_get_incident_row(snapshot, tenant, incident_id, &id, &row, &owner);
    if (status_is_ok(status)) {
        status = view_parse_incident_id(incident_id, &asked);
    }
    if (status_is_ok(status)) {
        status = render_timeline(snapshot, row, asked, json);
    }
    store_snapshot_release(snapshot);
    return status_is_ok(status) ? view_text_done(json) : status;
}

/* --- List --- */

struct list_page {
    const struct view_query *query;
    struct text *json;
    struct store_snapshot *snapshot;
    uint32_t given;
    uint8_t last_key[RECENT_KEY_BYTES_MAX];
    size_t last_key_size;
    bool has_more;
};

static struct status parse_cursor(const struct view_query *query, uint8_t *key_out,
                                  size_t *size_out) {
    size_t size = query->cursor.size / 2;
    if (query->cursor.size % 2 != 0 || size > RECENT_KEY_BYTES_MAX || size < 26) {
        return status_of(STATUS_INVALID);
    }
    TRY(text_parse_hex(query->cursor, key_out, size));
    struct slice tenant;
    if (!status_is_ok(view_recent_tenant(slice_of(key_out, size), &tenant))) {
        return status_of(STATUS_INVALID);
    }
    /* A cursor made for one tenant must not walk into another's rows. */
    if (query->tenant.size > 0 && !slice_equals(query->tenant, tenant)) {
        return status_of(STATUS_INVALID);
    }
    *size_out = size;
    return status_ok();
}

static bool facts_match(const struct view_query *query, const struct incident_row_facts *facts) {
    if (!slice_is_empty(query->status) && !slice_equals(query->status, facts->status_word)) {
        return false;
    }
    return facts->updated_ns >= query->since_ns;
}

static struct status give_row(struct list_page *page, struct slice key) {
    struct slice tenant;
    TRY(view_recent_tenant(key, &tenant));
    struct reader reader = reader_over(slice_tail(key, key.size - 16));
    struct hash128 id = reader_hash128(&reader);
    struct slice row;
    struct incident_row_facts facts;
    if (!status_is_ok(get_incident(page->snapshot, tenant, id, &row)) ||
        !status_is_ok(incident_row_read(row, &facts)) || !facts_match(page->query, &facts)) {
        return status_ok();
    }
    if (page->given == page->query->limit) {
        page->has_more = true;
        return status_of(STATUS_END);
    }
    text_add_text(page->json, page->given == 0 ? "" : ",");
    TRY(render_incident(page->snapshot, row, id, page->json));
    page->given++;
    page->last_key_size = key.size;
    memcpy(page->last_key, key.data, key.size);
    return status_ok();
}

static struct status walk_recent(struct list_page *page, struct slice prefix, struct slice start) {
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(page->snapshot, STORE_TABLE_RECENT, prefix, start, &cursor));
    struct slice key;
    struct slice value;
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        bool is_given_before = slice_equals(key, start) && start.size != prefix.size;
        if (!is_given_before) {
            status = give_row(page, key);
        }
        if (status_is_ok(status)) {
            status = store_cursor_next(cursor, &key, &value);
        }
    }
    store_cursor_close(cursor);
    return status.code == STATUS_END ? status_ok() : status;
}

/* The same over all tenants; the cursor says where, whosever incident it was. */
static struct status walk_all(struct list_page *page, struct slice cursor) {
    struct view_recent recent;
    struct slice key;
    size_t place = cursor.size > 0 ? cursor.size - VIEW_PLACE_BYTES : 0;
    struct status status = view_recent_init(&recent, page->snapshot, slice_tail(cursor, place));
    while (status_is_ok(status)) {
        status = view_recent_next(&recent, &key);
        if (status_is_ok(status)) {
            status = give_row(page, key);
        }
    }
    view_recent_deinit(&recent);
    return status.code == STATUS_END ? status_ok() : status;
}

static struct status list_incidents(struct list_page *page) {
    uint8_t prefix[TENANT_BYTES_MAX + 1];
    struct writer writer = writer_over(prefix, sizeof(prefix));
    if (!slice_is_empty(page->query->tenant)) {
        writer_bytes(&writer, page->query->tenant);
        writer_u8(&writer, 0);
    }
    if (writer.failed) {
        return status_of(STATUS_INVALID);
    }
    uint8_t start_key[RECENT_KEY_BYTES_MAX];
    struct slice start = writer_slice(&writer);
    if (!slice_is_empty(page->query->cursor)) {
        size_t size = 0;
        TRY(parse_cursor(page->query, start_key, &size));
        start = slice_of(start_key, size);
    }
    text_add_text(page->json, "{\"incidents\":[");
    TRY(slice_is_empty(page->query->tenant) ? walk_all(page, start)
                                            : walk_recent(page, writer_slice(&writer), start));
    text_add_text(page->json, "],\"next_cursor\":");
    if (page->has_more) {
        text_add_char(page->json, '"');
        text_add_hex(page->json, slice_of(page->last_key, page->last_key_size));
        text_add_char(page->json, '"');
    } else {
        text_add_text(page->json, "null");
    }
    text_add_char(page->json, '}');
    return view_text_done(page->json);
}

struct status view_incidents_json(struct view_reader *reader, const struct view_query *query,
                                  struct text *json) {
    ASSERT(query->limit > 0);
    struct list_page page = {.query = query, .json = json};
    TRY(store_snapshot_acquire(reader->view->store, &page.snapshot));
    struct status status = list_incidents(&page);
    store_snapshot_release(page.snapshot);
    return status;
}
