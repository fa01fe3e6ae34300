/*
 * view_graph.c - the dependency graph of a tenant, live, as JSON: all of it, or what lies up- or
 * downstream of one entity. Nodes of the tenant "platform" appear as "platform/kind:name"; nodes of
 * a third tenant never.
 */
#include "engine/view_state.h"

#include "core/base/assert.h"
#include "schemas/derive.h"

enum { NEIGHBOURS_SHOWN_MAX = 4096 };

struct graph_page {
    struct view_reader *reader;
    struct slice tenant;
    struct text *json;
    struct graph_neighbour *neighbours;
};

static bool node_is_visible(const struct graph_page *page, const struct graph_node *node) {
    return slice_is_empty(page->tenant) || slice_equals(node->owner, page->tenant) ||
           slice_equals(node->owner, SLICE("platform"));
}

static void add_name(const struct graph_page *page, const struct graph_node *node) {
    char name[ENTITY_BYTES_MAX + 16];
    struct text text = text_over(name, sizeof(name));
    bool is_foreign = slice_equals(node->owner, SLICE("platform")) &&
                      !slice_equals(page->tenant, SLICE("platform"));
    text_add_text(&text, is_foreign ? "platform/" : "");
    text_add(&text, node->entity);
    text_add_json_string(page->json, text_slice(&text));
}

static void add_node(struct graph_page *page, uint32_t number, uint32_t hops, bool has_hops) {
    struct graph_node node = graph_get_node(page->reader->view->graph, number);
    text_add_text(page->json, "{\"entity\":");
    add_name(page, &node);
    if (slice_is_empty(page->tenant)) {
        text_add_text(page->json, ",\"tenant\":");
        text_add_json_string(page->json, node.owner);
    }
    bool is_bad = node.state.status != EVENT_STATUS_NONE;
    text_add_text(page->json, ",\"status\":");
    text_add_json_string(page->json, is_bad ? event_status_word(node.state.status) : SLICE("ok"));
    if (is_bad) {
        text_add_text(page->json, ",\"since\":\"");
        text_add_time(page->json, node.state.since_ns, 3);
        text_add_char(page->json, '"');
    }
    if (has_hops) {
        text_add_text(page->json, ",\"hops\":");
        text_add_u64(page->json, hops);
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

/* The edges from `number` to what it depends on, as far as both ends are shown. */
static void add_edges(struct graph_page *page, uint32_t number, const bool *is_shown,
                      bool *is_first) {
    const struct graph *graph = page->reader->view->graph;
    uint32_t count =
        graph_neighbours(graph, number, GRAPH_UPSTREAM, page->neighbours, NEIGHBOURS_SHOWN_MAX);
    count = count < NEIGHBOURS_SHOWN_MAX ? count : NEIGHBOURS_SHOWN_MAX;
    struct graph_node from = graph_get_node(graph, number);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_shown[page->neighbours[i].node]) {
            continue;
        }
        struct graph_node to = graph_get_node(graph, page->neighbours[i].node);
        text_add_text(page->json, *is_first ? "" : ",");
        *is_first = false;
        text_add_text(page->json, "{\"from\":");
        add_name(page, &from);
        text_add_text(page->json, ",\"to\":");
        add_name(page, &to);
        text_add_format(page->json, ",\"origin\":\"%s\"}", origin_word(page->neighbours[i].origin));
    }
}

/* What goes into the answer: node numbers with hops, and a mark a node for its edges. */
struct shown_nodes {
    uint32_t *numbers;
    uint32_t *hops;
    uint32_t count;
    bool *is_shown;
    bool is_truncated;
};

static void render_graph(struct graph_page *page, const struct shown_nodes *shown, bool has_hops) {
    text_add_text(page->json, "{\"nodes\":[");
    for (uint32_t i = 0; i < shown->count; i++) {
        text_add_text(page->json, i == 0 ? "" : ",");
        add_node(page, shown->numbers[i], shown->hops[i], has_hops);
    }
    text_add_text(page->json, "],\"edges\":[");
    bool is_first = true;
    for (uint32_t i = 0; i < shown->count; i++) {
        add_edges(page, shown->numbers[i], shown->is_shown, &is_first);
    }
    text_add_format(page->json, "],\"truncated\":%s}", shown->is_truncated ? "true" : "false");
}

static void show(struct shown_nodes *shown, uint32_t number, uint32_t hops) {
    shown->numbers[shown->count] = number;
    shown->hops[shown->count] = hops;
    shown->is_shown[number] = true;
    shown->count++;
}

static void collect_tenant(struct graph_page *page, struct shown_nodes *shown,
                           uint32_t nodes_count) {
    for (uint32_t i = 0; i < nodes_count; i++) {
        struct graph_node node = graph_get_node(page->reader->view->graph, i);
        bool is_own = slice_is_empty(page->tenant) || slice_equals(node.owner, page->tenant);
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

static struct status collect_around(struct graph_page *page, struct shown_nodes *shown,
                                    struct slice entity, enum graph_direction direction,
                                    uint32_t hops, uint32_t nodes_count) {
    struct view *view = page->reader->view;
    struct slice tenant = slice_is_empty(page->tenant) ? SLICE("default") : page->tenant;
    uint32_t start =
        graph_find_node(view->graph, derive_entity_key(tenant, entity, view->hash_seed));
    if (start == GRAPH_NODE_NONE || start >= nodes_count) {
        return status_of(STATUS_MISSING);
    }
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(page->reader->search, view->graph, start, direction, hops, tenant, &count,
                         &shown->is_truncated);
    show(shown, start, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct graph_node node = graph_get_node(view->graph, visits[i].node);
        if (visits[i].node < nodes_count && node_is_visible(page, &node)) {
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

static struct status graph_page_fill(struct graph_page *page, struct slice entity,
                                     enum graph_direction direction, uint32_t hops) {
    struct arena *arena = &page->reader->arena;
    uint32_t nodes_count = graph_nodes_count(page->reader->view->graph);
    struct shown_nodes shown = {
        .numbers = ARENA_ARRAY(arena, uint32_t, GRAPH_VISITS_MAX + 1),
        .hops = ARENA_ARRAY(arena, uint32_t, GRAPH_VISITS_MAX + 1),
        .is_shown = ARENA_ARRAY(arena, bool, page->reader->view->graph_options.nodes_max),
    };
    page->neighbours = ARENA_ARRAY(arena, struct graph_neighbour, NEIGHBOURS_SHOWN_MAX);
    if (shown.numbers == NULL || shown.hops == NULL || shown.is_shown == NULL ||
        page->neighbours == NULL) {
        return status_of(STATUS_FULL);
    }
    if (slice_is_empty(entity)) {
        collect_tenant(page, &shown, nodes_count);
    } else {
        TRY(collect_around(page, &shown, entity, direction, hops, nodes_count));
    }
    render_graph(page, &shown, !slice_is_empty(entity));
    return view_text_done(page->json);
}

struct status view_graph_json(struct view_reader *reader, struct slice tenant, struct slice entity,
                              struct slice direction, uint32_t hops, struct text *json) {
    enum graph_direction way = GRAPH_DOWNSTREAM;
    TRY(parse_direction(direction, &way));
    struct graph_page page = {.reader = reader, .tenant = tenant, .json = json};
    size_t mark = reader->arena.used_bytes;
    graph_reader_begin();
    struct status status = graph_page_fill(&page, entity, way, hops);
    graph_reader_end();
    arena_rewind(&reader->arena, mark);
    return status;
}
