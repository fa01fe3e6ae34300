/*
 * view_explain.c - why an incident has this root: who failed in which order and by which path from
 * it, the part of the graph that says so, the cycles in it, and what was ruled out and why.
 *
 * Incident and members come from one snapshot of committed rows, the graph is read live: an edge
 * that was learned since then shows, one that has expired does not.
 */
#include "engine/view_state.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "schemas/derive.h"

enum { EXPLAIN_MEMBERS_MAX = 1000, EXPLAIN_UPSTREAM_MAX = 64, PATH_MAX_HOPS = GRAPH_HOPS_MAX + 1 };

struct explained {
    struct view_reader *reader;
    struct text *json;
    struct incident_root_facts root;
    uint32_t root_node; /* of a suspected root: the suspect */
    struct incident_member_facts *members;
    uint32_t members_count;
    bool is_truncated;
    const struct graph_visit *visits; /* downstream of the root */
    uint32_t visits_count;
    uint32_t *visit_of; /* a node's visit + 1; 0: not reached */
    uint32_t *shown;    /* the slice: nodes, without repeats */
    uint32_t shown_count;
    bool *is_shown;
};

/* --- Reading --- */

static int compare_members(const void *a, const void *b) {
    const struct incident_member_facts *left = a;
    const struct incident_member_facts *right = b;
    if (left->since_ns != right->since_ns) {
        return left->since_ns < right->since_ns ? -1 : 1;
    }
    return left->hops != right->hops ? (left->hops < right->hops ? -1 : 1)
                                     : slice_compare(left->entity, right->entity);
}

static struct status read_members(struct explained *explained, struct store_snapshot *snapshot,
                                  struct hash128 id) {
    uint8_t prefix[16];
    struct writer writer = writer_over(prefix, sizeof(prefix));
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice value;
    writer_hash128(&writer, id);
    TRY(store_cursor_open(snapshot, STORE_TABLE_MEMBER, writer_slice(&writer),
                          writer_slice(&writer), &cursor));
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        if (explained->members_count == EXPLAIN_MEMBERS_MAX) {
            explained->is_truncated = true;
            status = status_of(STATUS_END);
            break;
        }
        struct incident_member_facts *member = &explained->members[explained->members_count];
        status = incident_member_read(key, value, member);
        bool is_shown =
            status_is_ok(status) && (!member->is_bygone || member->node == explained->root.node);
        explained->members_count += is_shown ? 1 : 0;
        status = status_is_ok(status) ? store_cursor_next(cursor, &key, &value) : status;
    }
    store_cursor_close(cursor);
    qsort(explained->members, explained->members_count, sizeof(explained->members[0]),
          compare_members);
    return status.code == STATUS_END ? status_ok() : status;
}

/* A suspected root stands in the row by its name alone. */
static struct status find_root_node(struct explained *explained) {
    const struct view *view = explained->reader->view;
    explained->root_node = explained->root.node;
    if (explained->root.is_suspected) {
        explained->root_node = graph_find_node(
            view->graph,
            derive_entity_key(explained->root.tenant, explained->root.entity, view->hash_seed));
    }
    return graph_has_node(view->graph, explained->root_node) ? status_ok()
                                                             : status_of(STATUS_MISSING);
}

static void show(struct explained *explained, uint32_t node) {
    if (!explained->is_shown[node]) {
        explained->is_shown[node] = true;
        explained->shown[explained->shown_count++] = node;
    }
}

/* The path from the root, nearest to the root first; 0 when no known path leads there. */
static uint32_t path_to(const struct explained *explained, uint32_t node,
                        uint32_t path[PATH_MAX_HOPS]) {
    uint32_t back[PATH_MAX_HOPS];
    uint32_t count = 0;
    while (node != explained->root_node && count < PATH_MAX_HOPS - 1) {
        uint32_t visit = explained->visit_of[node];
        if (visit == 0) {
            return 0;
        }
        back[count++] = node;
        node = explained->visits[visit - 1].from;
    }
    back[count++] = node;
    for (uint32_t i = 0; i < count; i++) {
        path[i] = back[count - 1 - i];
    }
    return node == explained->root_node ? count : 0;
}

/* The slice: root, members, and what lies on the paths between them. */
static void gather_slice(struct explained *explained) {
    struct view *view = explained->reader->view;
    graph_reader_begin();
    explained->visits = graph_search_run(explained->reader->search, view->graph,
                                         explained->root_node, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX,
                                         explained->root.tenant, &explained->visits_count, NULL);
    graph_reader_end();
    for (uint32_t i = 0; i < explained->visits_count; i++) {
        explained->visit_of[explained->visits[i].node] = i + 1;
    }
    show(explained, explained->root_node);
    for (uint32_t i = 0; i < explained->members_count; i++) {
        uint32_t path[PATH_MAX_HOPS];
        uint32_t count = path_to(explained, explained->members[i].node, path);
        show(explained, explained->members[i].node);
        for (uint32_t k = 0; k < count; k++) {
            show(explained, path[k]);
        }
    }
}

/* --- Writing --- */

static void add_name(struct explained *explained, uint32_t node) {
    struct graph_node seen = graph_get_node(explained->reader->view->graph, node);
    view_add_entity(explained->json, explained->root.tenant, &seen);
}

static void add_root(struct explained *explained) {
    struct text *json = explained->json;
    text_add_text(json, "\"root\":{\"entity\":");
    text_add_json_string(json, explained->root.entity);
    text_add_format(json, ",\"suspected\":%s,\"confidence\":%.4g",
                    explained->root.is_suspected ? "true" : "false", explained->root.confidence);
    view_add_time(json, "since", explained->root.since_ns);
    text_add_text(json, ",\"evidence\":[");
    for (uint32_t i = 0; i < explained->root.evidence_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, explained->root.evidence[i]);
    }
    text_add_text(json, "]}");
}

static void add_member(struct explained *explained, const struct incident_member_facts *member) {
    struct text *json = explained->json;
    uint32_t path[PATH_MAX_HOPS];
    uint32_t count = path_to(explained, member->node, path);
    text_add_text(json, "{\"entity\":");
    add_name(explained, member->node);
    text_add_format(json, ",\"failed_as\":\"%.*s\",\"status\":\"%.*s\"",
                    SLICE_PRINT(event_status_word(member->failed_status)),
                    SLICE_PRINT(event_status_word(member->status)));
    view_add_time(json, "since", member->since_ns);
    int64_t after_ms =
        ((int64_t)member->since_ns - (int64_t)explained->root.since_ns) / (int64_t)NS_PER_MS;
    text_add_text(json, member->is_complaining ? ",\"complains\":true" : "");
    text_add_format(json, ",\"after_root_ms\":%lld,\"path\":[", (long long)after_ms);
    for (uint32_t i = 0; i < count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        add_name(explained, path[i]);
    }
    text_add_text(json, "]}");
}

static struct status add_slice(struct explained *explained) {
    struct arena *arena = &explained->reader->arena;
    struct view_slice slice = {
        .tenant = explained->root.tenant,
        .nodes = explained->shown,
        .count = explained->shown_count,
        .is_shown = explained->is_shown,
    };
    text_add_text(explained->json, ",\"slice\":{");
    TRY(view_add_slice(explained->reader, &slice, arena, explained->json,
                       &explained->is_truncated));
    text_add_char(explained->json, '}');
    return status_ok();
}

/* --- What was ruled out --- */

static const struct incident_member_facts *member_of(const struct explained *explained,
                                                     uint32_t node) {
    for (uint32_t i = 0; i < explained->members_count; i++) {
        if (explained->members[i].node == node) {
            return &explained->members[i];
        }
    }
    return NULL;
}

static void add_span(struct text *words, uint64_t later_ns, uint64_t earlier_ns) {
    uint64_t span_ns = later_ns - earlier_ns;
    if (span_ns < NS_PER_MINUTE) {
        text_add_format(words, "%.3f s", (double)span_ns / 1e9);
    } else {
        text_add_duration(words, span_ns / NS_PER_S * NS_PER_S);
    }
}

static void add_order(struct explained *explained, const struct incident_member_facts *member,
                      struct text *words) {
    if (member->since_ns < explained->root.since_ns) {
        add_span(words, explained->root.since_ns, member->since_ns);
        text_add_text(words, " before the root, but ");
    } else {
        add_span(words, member->since_ns, explained->root.since_ns);
        text_add_text(words, " after the root; ");
    }
}

/* Whether one of the members that are shown depends on it directly. */
static bool is_above_member(const struct explained *explained, uint32_t node) {
    const struct graph *graph = explained->reader->view->graph;
    struct graph_neighbour above[EXPLAIN_UPSTREAM_MAX];
    for (uint32_t i = 0; i < explained->members_count && i < EXPLAIN_UPSTREAM_MAX; i++) {
        graph_reader_begin();
        uint32_t count = graph_neighbours(graph, explained->members[i].node, GRAPH_UPSTREAM, above,
                                          EXPLAIN_UPSTREAM_MAX);
        graph_reader_end();
        for (uint32_t k = 0; k < count && k < EXPLAIN_UPSTREAM_MAX; k++) {
            if (above[k].node == node) {
                return true;
            }
        }
    }
    return false;
}

/* Of one that is no member: by whether it fails now, and whether members depend on it directly.
 * Whom none of them depends on is, as a rule, the root of another storm. */
static const char *const alternative_reasons[2][2] = {
    {"does not fail now, and no known edge leads from it to the root",
     "does not fail now, or has reported nothing; another that depends on it fails as well"},
    {"it broke before or about the same time, but no known edge leads from it to the root",
     "fails as well, and some that are affected depend on it directly, but more speaks for the "
     "root"},
};

/* Why an alternative is not the root. */
static void add_alternative_reason(struct explained *explained, uint32_t node, struct text *words) {
    const struct incident_member_facts *member = member_of(explained, node);
    uint32_t path[PATH_MAX_HOPS];
    const struct graph *graph = explained->reader->view->graph;
    bool is_there = graph_has_node(graph, node);
    uint32_t hops = is_there ? path_to(explained, node, path) : 0;
    if (member == NULL) {
        bool fails =
            is_there && event_status_news(graph_get_state(graph, node).status) == SIGNAL_BAD;
        bool is_above = is_there && is_above_member(explained, node);
        text_add_text(words, alternative_reasons[fails ? 1 : 0][is_above ? 1 : 0]);
        return;
    }
    if (!explained->root.is_suspected) { /* which has failed at no time */
        text_add_text(words, "failed ");
        add_order(explained, member, words);
    }
    if (hops > 0) {
        text_add_format(words, "downstream of the root by %u %s", hops - 1,
                        hops == 2 ? "hop" : "hops");
    } else {
        text_add_text(words, "no known edge joins it to the root");
    }
}

static void add_ruled_out(struct explained *explained, struct slice entity, struct text *reason,
                          bool *is_first) {
    struct text *json = explained->json;
    text_add_text(json, *is_first ? "{\"entity\":" : ",{\"entity\":");
    *is_first = false;
    text_add_json_string(json, entity);
    text_add_text(json, ",\"reason\":");
    text_add_json_string(json, text_slice(reason));
    text_add_char(json, '}');
}

/* What the root depends on, and why that is not the cause. */
static void add_upstream_reason(struct explained *explained, const struct graph_node *node,
                                const struct incident_member_facts *member, struct text *words) {
    if (member != NULL) {
        text_add_text(words, "upstream of the root and downstream of it, a cycle: failed ");
        add_order(explained, member, words);
        text_add_text(words, "the earlier one is the root");
    } else if (event_status_news(node->state.status) != SIGNAL_BAD) {
        text_add_text(words, "upstream of the root, has reported nothing bad");
    } else {
        text_add_text(words, "upstream of the root and failing since ");
        text_add_time(words, node->state.since_ns, 3);
        text_add_text(words, "; more speaks for chance: time, distance or words");
    }
}

/* Whoever it lists that is an alternative, too, is not to be listed again: fills `listed`. */
static uint32_t add_upstream(struct explained *explained, bool *is_first,
                             uint32_t listed[EXPLAIN_UPSTREAM_MAX]) {
    const struct graph *graph = explained->reader->view->graph;
    struct graph_neighbour above[EXPLAIN_UPSTREAM_MAX];
    graph_reader_begin();
    uint32_t count =
        graph_neighbours(graph, explained->root_node, GRAPH_UPSTREAM, above, EXPLAIN_UPSTREAM_MAX);
    graph_reader_end();
    count = count < EXPLAIN_UPSTREAM_MAX ? count : EXPLAIN_UPSTREAM_MAX;
    uint32_t listed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct graph_node node = graph_get_node(graph, above[i].node);
        char name_memory[ENTITY_BYTES_MAX + 16];
        char memory[256];
        struct text name = text_over(name_memory, sizeof(name_memory));
        struct text words = text_over(memory, sizeof(memory));
        if (!view_may_show(explained->root.tenant, &node)) {
            continue;
        }
        view_add_name(&name, explained->root.tenant, &node);
        add_upstream_reason(explained, &node, member_of(explained, above[i].node), &words);
        add_ruled_out(explained, text_slice(&name), &words, is_first);
        listed[listed_count++] = above[i].node;
    }
    return listed_count;
}

static bool is_listed(const uint32_t *listed, uint32_t count, uint32_t node) {
    for (uint32_t i = 0; i < count; i++) {
        if (listed[i] == node) {
            return true;
        }
    }
    return false;
}

static void add_all_ruled_out(struct explained *explained) {
    bool is_first = true;
    uint32_t listed[EXPLAIN_UPSTREAM_MAX];
    text_add_text(explained->json, ",\"ruled_out\":[");
    uint32_t listed_count = add_upstream(explained, &is_first, listed);
    for (uint32_t i = 0; i < explained->root.alternatives_count; i++) {
        char memory[256];
        struct text words = text_over(memory, sizeof(memory));
        uint32_t node = explained->root.alternatives[i].node;
        if (is_listed(listed, listed_count, node)) {
            continue;
        }
        add_alternative_reason(explained, node, &words);
        add_ruled_out(explained, explained->root.alternatives[i].entity, &words, &is_first);
    }
    text_add_char(explained->json, ']');
}

static struct status write_all(struct explained *explained, struct hash128 id) {
    struct text *json = explained->json;
    text_add_text(json, "{\"incident\":\"inc_");
    text_add_base32(json, id);
    text_add_text(json, "\",\"tenant\":");
    text_add_json_string(json, explained->root.tenant);
    text_add_char(json, ',');
    add_root(explained);
    text_add_text(json, ",\"order\":[");
    for (uint32_t i = 0; i < explained->members_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        add_member(explained, &explained->members[i]);
    }
    text_add_char(json, ']');
    TRY(add_slice(explained));
    add_all_ruled_out(explained);
    text_add_format(json, ",\"truncated\":%s}", explained->is_truncated ? "true" : "false");
    return view_text_done(json);
}

/* --- The call --- */

static struct status explain(struct explained *explained, struct store_snapshot *snapshot,
                             struct slice row, struct hash128 id) {
    struct arena *arena = &explained->reader->arena;
    uint32_t numbers_max = graph_numbers_max(&explained->reader->view->graph_options);
    explained->members = ARENA_ARRAY(arena, struct incident_member_facts, EXPLAIN_MEMBERS_MAX);
    explained->visit_of = ARENA_ARRAY(arena, uint32_t, numbers_max);
    explained->is_shown = ARENA_ARRAY(arena, bool, numbers_max);
    explained->shown = ARENA_ARRAY(arena, uint32_t, (size_t)EXPLAIN_MEMBERS_MAX * PATH_MAX_HOPS);
    if (explained->members == NULL || explained->visit_of == NULL || explained->is_shown == NULL ||
        explained->shown == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(incident_root_read(row, &explained->root));
    TRY(find_root_node(explained));
    TRY(read_members(explained, snapshot, id));
    gather_slice(explained);
    return write_all(explained, id);
}

struct status view_explain_json(struct view_reader *reader, struct slice tenant,
                                struct slice incident_id, struct text *json) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(reader->view->store, &snapshot));
    struct explained explained = {.reader = reader, .json = json};
    size_t mark = reader->arena.used_bytes;
    struct hash128 id;
    struct slice row;
    struct slice owner;
    struct status status = view_get_incident_row(snapshot, tenant, incident_id, &id, &row, &owner);
    if (status_is_ok(status)) {
        status = explain(&explained, snapshot, row, id);
    }
    arena_rewind(&reader->arena, mark);
    store_snapshot_release(snapshot);
    return status;
}
