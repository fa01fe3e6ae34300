/* view_state.h - what the files of the view share. See view.h. */
#pragma once

#include "core/store.h"
#include "engine/engine_state.h"
#include "engine/view.h"

struct view {
    struct store *store;
    const struct graph *graph;
    struct stats *stats;
    uint64_t hash_seed;
    struct graph_options graph_options;
};

struct view_reader {
    struct view *view;
    struct arena arena; /* life of the reader */
    struct graph_search *search;
};

/* Over the store and graph of a restored engine, which outlive it. FULL. */
MUST_CHECK struct status view_init(struct view **view_out, struct store *store,
                                   const struct engine *engine, const struct shard_options *options,
                                   struct arena *arena);
/* Parses "inc_..."; MISSING when it is no incident id. */
MUST_CHECK struct status view_parse_incident_id(struct slice text, struct hash128 *id_out);
/* The committed row of an incident that the tenant may see (empty: any), after merges. MISSING. */
MUST_CHECK struct status view_get_incident_row(struct store_snapshot *snapshot, struct slice tenant,
                                               struct slice text, struct hash128 *id_out,
                                               struct slice *row_out, struct slice *tenant_out);

/* --- view_graph.c: not between graph_reader_begin and _end --- */
/* Whether the tenant may see the node: its own, and platform's; an empty tenant sees all. */
bool view_may_show(struct slice tenant, const struct graph_node *node);
/* The node's name as the tenant sees it. */
void view_add_name(struct text *text, struct slice tenant, const struct graph_node *node);
/* The same as a JSON string. */
void view_add_entity(struct text *json, struct slice tenant, const struct graph_node *node);
/* What of the graph goes into an answer. */
struct view_slice {
    struct slice tenant;
    const uint32_t *nodes;
    const uint32_t *hops; /* NULL: not shown */
    uint32_t count;
    const bool *is_shown; /* of each node of the graph */
};
/* "nodes":[...],"edges":[...],"cycles":[[...]]. *is_truncated is set when not all edges or cycles
 * are shown. FULL: the arena, which it uses for scratch, is. */
MUST_CHECK struct status view_add_slice(struct view_reader *reader, const struct view_slice *slice,
                                        struct arena *arena, struct text *json, bool *is_truncated);

/* ,"key":"value" and the same of a time. */
void view_add_text(struct text *json, const char *key, struct slice value);
void view_add_time(struct text *json, const char *key, uint64_t time_ns);
/* FULL when the text was cut: half an answer is none. */
MUST_CHECK struct status view_text_done(const struct text *json);
