/*
 * well.c - who says of itself that it is well.
 *
 * An upstream that reports success is no silent one: it is not suspected (suspect.c) for what fails
 * below it within the window, after the word or before it. The word stands in the state of its
 * node, as bad news do, and is written again only when it is SIGNAL_WELL_NOTED_NS old, so that a
 * healthy job costs a row now and then and not one a run.
 */
#include "incident/causes.h"

bool incidents_is_well_noted(const struct graph *graph, uint32_t node, uint64_t now_ns) {
    struct graph_state state = graph_get_state(graph, node);
    return event_status_news(state.status) == SIGNAL_GOOD &&
           now_ns <= state.since_ns + SIGNAL_WELL_NOTED_NS;
}

bool well_is_said(const struct outlook *outlook, const struct graph_state *state) {
    return event_status_news(state->status) == SIGNAL_GOOD &&
           cause_is_in_window(outlook, state->since_ns, state->since_ns + SIGNAL_WELL_NOTED_NS);
}

void suspicions_ask_again(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    uint32_t count =
        graph_neighbours(context->graph, node, GRAPH_DOWNSTREAM, below, SUSPECT_DEPENDANTS_MAX);
    count = count < SUSPECT_DEPENDANTS_MAX ? count : SUSPECT_DEPENDANTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct slice owner = graph_get_node(context->graph, below[i].node).owner;
        struct member *member =
            member_find(incidents, tenant_hash_of(incidents, owner), below[i].node);
        struct incident *incident =
            member == NULL ? NULL : incident_at(incidents, member->incident);
        if (incident != NULL && incident_is_live(incident) && incident->suspect_node == node) {
            incident_refresh_later(incidents, context, incident);
        }
    }
}

void incidents_note_well(struct incidents *incidents, const struct incident_context *context,
                         uint32_t node, const struct signal *signal) {
    struct graph_state state = graph_get_state(context->graph, node);
    bool is_bad = event_status_news(state.status) == SIGNAL_BAD;
    if (event_status_news(signal->status) != SIGNAL_GOOD || signal->kind == EVENT_KIND_ALERT ||
        is_bad || incidents_is_well_noted(context->graph, node, signal->heard_ns)) {
        return;
    }
    graph_set_state(context->graph, node,
                    (struct graph_state){.status = signal->status, .since_ns = signal->heard_ns});
    if (incidents->open_count > 0) {
        suspicions_ask_again(incidents, context, node);
    }
}
