/*
 * view_graph.c - the dependency graph of a tenant, live, as JSON: all of it, or what lies up- or
 * downstream of one entity. Nodes of the tenant "platform" appear as "platform/kind:name"; nodes of
 * a third tenant never.
 *
 * Nodes and their names are for ever; only edges are read between graph_reader_begin and _end. A
 * fold waits for whoever reads, and with it every event of the shard: so each node's edges are read
 * by themselves, never a whole answer's.
 */
#include "engine/view_state.h"

#include "core/base/assert.h"
#include "schemas/derive.h"

enum { NEIGHBOURS_SHOWN_MAX = 4096, CYCLES_SHOWN_MAX = 100 };

struct graph_page {
    struct view_reader *reader;
    const struct view_slice *slice;
    struct text *json;
    struct graph_neighbour *neighbours;
    bool is_truncated;
};

/* Whom the node depends on, NEIGHBOURS_SHOWN_MAX at most. */
static uint32_t read_upstream(const struct graph *graph, uint32_t number,
                              struct graph_neighbour *neighbours_out, bool *is_truncated) {
    graph_reader_begin();
    uint32_t count =
        graph_neighbours(graph, number, GRAPH_UPSTREAM, neighbours_out, NEIGHBOURS_SHOWN_MAX);
    graph_reader_end();
    *is_truncated |= count > NEIGHBOURS_SHOWN_MAX;
    return count < NEIGHBOURS_SHOWN_MAX ? count : NEIGHBOURS_SHOWN_MAX;
}

bool view_may_show(struct slice tenant, const struct graph_node *node) {
    return slice_is_empty(tenant) || slice_equals(node->owner, tenant) ||
           slice_equals(node->owner, SLICE("platform"));
}

void view_add_name(struct text *text, struct slice tenant, const struct graph_node *node) {
    bool is_foreign =
        slice_equals(node->owner, SLICE("platform")) && !slice_equals(tenant, SLICE("platform"));
    text_add_text(text, is_foreign ? "platform/" : "");
    text_add(text, node->entity);
}

void view_add_entity(struct text *json, struct slice tenant, const struct graph_node *node) {
    char name[ENTITY_BYTES_MAX + 16];
    struct text text = text_over(name, sizeof(name));
    view_add_name(&text, tenant, node);
    text_add_json_string(json, text_slice(&text));
}

static void add_node(struct graph_page *page, uint32_t at) {
    struct graph_node node = graph_get_node(page->reader->view->graph, page->slice->nodes[at]);
    text_add_text(page->json, "{\"entity\":");
    view_add_entity(page->json, page->slice->tenant, &node);
    if (slice_is_empty(page->slice->tenant)) {
        view_add_text(page->json, "tenant", node.owner);
    }
    bool is_bad = event_status_news(node.state.status) == SIGNAL_BAD;
    view_add_text(page->json, "status",
                  is_bad ? event_status_word(node.state.status) : SLICE("ok"));
    if (is_bad) {
        view_add_time(page->json, "since", node.state.since_ns);
    }
    if (page->slice->hops != NULL) {
        text_add_text(page->json, ",\"hops\":");
        text_add_u64(page->json, page->slice->hops[at]);
    }
    text_add_char(page->json, '}');
}

static const char *origin_word(enum graph_origin origin) {
    static const char *const words[] = {
        [GRAPH_ORIGIN_LEARNED] = "learned",
        [GRAPH_ORIGIN_EVENT] = "event",
        [GRAPH_ORIGIN_CONFIG] = "config",
    };
    return words[origin];
}

/* Whose the edge is, where several tenants' are shown, by the name that POST /v1/edges reads;
 * whence it is and when it was seen last. Ends its object. */
static void add_memory(struct text *json, struct slice owner, const struct graph_neighbour *edge) {
    if (!slice_is_empty(owner)) {
        view_add_text(json, "tenant_id", owner);
    }
    text_add_format(json, ",\"origin\":\"%s\"", origin_word(edge->origin));
    if (edge->last_seen_ns > 0) {
        view_add_time(json, "last_seen", edge->last_seen_ns);
    }
    text_add_char(json, '}');
}

/* The edges from `number` to what it depends on, as far as both ends are shown. */
static void add_edges(struct graph_page *page, uint32_t number, bool *is_first) {
    const struct graph *graph = page->reader->view->graph;
    struct slice tenant = page->slice->tenant;
    uint32_t count = read_upstream(graph, number, page->neighbours, &page->is_truncated);
    struct graph_node from = graph_get_node(graph, number);
    for (uint32_t i = 0; i < count; i++) {
        if (!page->slice->is_shown[page->neighbours[i].node]) {
            continue;
        }
        struct graph_node to = graph_get_node(graph, page->neighbours[i].node);
        text_add_text(page->json, *is_first ? "" : ",");
        *is_first = false;
        text_add_text(page->json, "{\"from\":");
        view_add_entity(page->json, tenant, &from);
        text_add_text(page->json, ",\"to\":");
        view_add_entity(page->json, tenant, &to);
        add_memory(page->json, slice_is_empty(tenant) ? from.owner : SLICE(""),
                   &page->neighbours[i]);
    }
}

static struct status add_cycles(struct graph_page *page, struct arena *arena) {
    const struct graph *graph = page->reader->view->graph;
    const struct view_slice *slice = page->slice;
    uint32_t *cycles = ARENA_ARRAY(arena, uint32_t, (size_t)slice->count + 1);
    uint32_t cycles_count = 0;
    if (cycles == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(graph_find_cycles(graph, slice->nodes, slice->count, arena, cycles, &cycles_count));
    page->is_truncated |= cycles_count > CYCLES_SHOWN_MAX;
    cycles_count = cycles_count < CYCLES_SHOWN_MAX ? cycles_count : CYCLES_SHOWN_MAX;
    text_add_text(page->json, ",\"cycles\":[");
    for (uint32_t cycle = 1; cycle <= cycles_count; cycle++) {
        bool is_first = true;
        text_add_text(page->json, cycle == 1 ? "[" : ",[");
        for (uint32_t i = 0; i < slice->count; i++) {
            if (cycles[i] == cycle) {
                struct graph_node node = graph_get_node(graph, slice->nodes[i]);
                text_add_text(page->json, is_first ? "" : ",");
                view_add_entity(page->json, slice->tenant, &node);
                is_first = false;
            }
        }
        text_add_char(page->json, ']');
    }
    text_add_char(page->json, ']');
    return status_ok();
}

struct status view_add_slice(struct view_reader *reader, const struct view_slice *slice,
                             struct arena *arena, struct text *json, bool *is_truncated) {
    struct graph_page page = {.reader = reader, .slice = slice, .json = json};
    page.neighbours = ARENA_ARRAY(arena, struct graph_neighbour, NEIGHBOURS_SHOWN_MAX);
    if (page.neighbours == NULL) {
        return status_of(STATUS_FULL);
    }
    text_add_text(json, "\"nodes\":[");
    for (uint32_t i = 0; i < slice->count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        add_node(&page, i);
    }
    text_add_text(json, "],\"edges\":[");
    bool is_first = true;
    for (uint32_t i = 0; i < slice->count; i++) {
        add_edges(&page, slice->nodes[i], &is_first);
    }
    text_add_char(json, ']');
    TRY(add_cycles(&page, arena));
    *is_truncated |= page.is_truncated;
    return status_ok();
}

/* What goes into the answer: node numbers with hops, and a mark a node for its edges. */
struct shown_nodes {
    uint32_t *numbers;
    uint32_t *hops;
    uint32_t count;
    bool *is_shown;
    bool is_truncated;
};

static void show(struct shown_nodes *shown, uint32_t number, uint32_t hops) {
    shown->numbers[shown->count] = number;
    shown->hops[shown->count] = hops;
    shown->is_shown[number] = true;
    shown->count++;
}

static void collect_tenant(struct view_reader *reader, struct slice tenant,
                           struct shown_nodes *shown) {
    const struct graph *graph = reader->view->graph;
    uint32_t end = graph_numbers_end(graph);
    for (uint32_t i = 0; i < end; i++) {
        if (!graph_has_node(graph, i)) {
            continue;
        }
        struct graph_node node = graph_get_node(graph, i);
        bool is_own = slice_is_empty(tenant) || slice_equals(node.owner, tenant);
        if (!is_own) {
            continue;
        }
        if (shown->count == GRAPH_VISITS_MAX) {
            shown->is_truncated = true;
            return;
        }
        show(shown, i, 0);
    }
}

/* What the tenant's nodes depend on of the platform: part of its graph, though not its own. */
static struct status collect_platform(struct view_reader *reader, struct arena *arena,
                                      struct shown_nodes *shown) {
    const struct graph *graph = reader->view->graph;
    uint32_t own_count = shown->count;
    struct graph_neighbour *neighbours =
        ARENA_ARRAY(arena, struct graph_neighbour, NEIGHBOURS_SHOWN_MAX);
    for (uint32_t i = 0; neighbours != NULL && i < own_count; i++) {
        uint32_t count = read_upstream(graph, shown->numbers[i], neighbours, &shown->is_truncated);
        for (uint32_t k = 0; k < count; k++) {
            struct graph_node node = graph_get_node(graph, neighbours[k].node);
            bool is_new =
                !shown->is_shown[neighbours[k].node] && slice_equals(node.owner, SLICE("platform"));
            if (is_new && shown->count == GRAPH_VISITS_MAX) {
                shown->is_truncated = true;
                return status_ok();
            }
            if (is_new) {
                show(shown, neighbours[k].node, 0);
            }
        }
    }
    return neighbours != NULL ? status_ok() : status_of(STATUS_FULL);
}

static struct status collect_around(struct view_reader *reader, struct slice viewer,
                                    struct shown_nodes *shown, struct slice entity,
                                    enum graph_direction direction, uint32_t hops) {
    struct view *view = reader->view;
    struct slice tenant = slice_is_empty(viewer) ? SLICE("default") : viewer;
    uint32_t start =
        graph_find_node(view->graph, derive_entity_key(tenant, entity, view->hash_seed));
    if (start == GRAPH_NODE_NONE) {
        return status_of(STATUS_MISSING);
    }
    uint32_t count = 0;
    graph_reader_begin();
    const struct graph_visit *visits = graph_search_run(
        reader->search, view->graph, start, direction, hops, tenant, &count, &shown->is_truncated);
    graph_reader_end();
    show(shown, start, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct graph_node node = graph_get_node(view->graph, visits[i].node);
        if (view_may_show(viewer, &node)) {
            show(shown, visits[i].node, visits[i].hops);
        }
    }
    return status_ok();
}

static struct status parse_direction(struct slice word, enum graph_direction *direction_out) {
    if (slice_equals(word, SLICE("up"))) {
        *direction_out = GRAPH_UPSTREAM;
        return status_ok();
    }
    *direction_out = GRAPH_DOWNSTREAM;
    bool is_down = slice_equals(word, SLICE("down")) || slice_is_empty(word);
    return is_down ? status_ok() : status_of(STATUS_INVALID);
}

static struct status graph_fill(struct view_reader *reader, struct slice tenant, struct text *json,
                                struct slice entity, enum graph_direction direction,
                                uint32_t hops) {
    struct arena *arena = &reader->arena;
    uint32_t numbers_max = graph_numbers_max(&reader->view->graph_options);
    struct shown_nodes shown = {
        .numbers = ARENA_ARRAY(arena, uint32_t, GRAPH_VISITS_MAX + 1),
        .hops = ARENA_ARRAY(arena, uint32_t, GRAPH_VISITS_MAX + 1),
        .is_shown = ARENA_ARRAY(arena, bool, numbers_max),
    };
    if (shown.numbers == NULL || shown.hops == NULL || shown.is_shown == NULL) {
        return status_of(STATUS_FULL);
    }
    if (slice_is_empty(entity)) {
        collect_tenant(reader, tenant, &shown);
        TRY(collect_platform(reader, arena, &shown));
    } else {
        TRY(collect_around(reader, tenant, &shown, entity, direction, hops));
    }
    struct view_slice slice = {
        .tenant = tenant,
        .nodes = shown.numbers,
        .hops = slice_is_empty(entity) ? NULL : shown.hops,
        .count = shown.count,
        .is_shown = shown.is_shown,
    };
    text_add_char(json, '{');
    TRY(view_add_slice(reader, &slice, arena, json, &shown.is_truncated));
    text_add_format(json, ",\"truncated\":%s}", shown.is_truncated ? "true" : "false");
    return view_text_done(json);
}

struct status view_graph_json(struct view_reader *reader, struct slice tenant, struct slice entity,
                              struct slice direction, uint32_t hops, struct text *json) {
    enum graph_direction way = GRAPH_DOWNSTREAM;
    TRY(parse_direction(direction, &way));
    size_t mark = reader->arena.used_bytes;
    struct status status = graph_fill(reader, tenant, json, entity, way, hops);
    arena_rewind(&reader->arena, mark);
    return status;
}

static struct status find_edge(const struct graph *graph, uint32_t node, uint32_t upstream,
                               struct graph_neighbour *neighbours, bool *is_config_out) {
    bool is_truncated = false;
    uint32_t count = read_upstream(graph, node, neighbours, &is_truncated);
    for (uint32_t i = 0; i < count; i++) {
        if (neighbours[i].node == upstream) {
            *is_config_out = neighbours[i].origin == GRAPH_ORIGIN_CONFIG;
            return status_ok();
        }
    }
    return status_of(STATUS_MISSING);
}

struct status view_find_edge(struct view_reader *reader, struct slice tenant, struct slice from,
                             struct slice to, bool *is_config_out) {
    const struct view *view = reader->view;
    uint32_t node = graph_find_node(view->graph, derive_entity_key(tenant, from, view->hash_seed));
    uint32_t upstream =
        graph_find_node(view->graph, derive_entity_key(tenant, to, view->hash_seed));
    if (node == GRAPH_NODE_NONE || upstream == GRAPH_NODE_NONE ||
        !slice_equals(graph_get_node(view->graph, node).owner, tenant)) {
        return status_of(STATUS_MISSING);
    }
    size_t mark = reader->arena.used_bytes;
    struct graph_neighbour *neighbours =
        ARENA_ARRAY(&reader->arena, struct graph_neighbour, NEIGHBOURS_SHOWN_MAX);
    struct status status = neighbours == NULL
                               ? status_of(STATUS_FULL)
                               : find_edge(view->graph, node, upstream, neighbours, is_config_out);
    arena_rewind(&reader->arena, mark);
    return status;
}
