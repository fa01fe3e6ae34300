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

/* Parses "inc_..."; MISSING when it is no incident id. */
MUST_CHECK struct status view_parse_incident_id(struct slice text, struct hash128 *id_out);
/* FULL when the text was cut: half an answer is none. */
MUST_CHECK struct status view_text_done(const struct text *json);
