/* affected.c - see affected.h. */
#include "incident/affected.h"

#include "incident/rows.h"

static bool is_told_before(const void *context, uint32_t a, uint32_t b) {
    const struct incidents *incidents = context;
    const struct member *left = &incidents->members[a];
    const struct member *right = &incidents->members[b];
    if (left->hops != right->hops) {
        return left->hops < right->hops;
    }
    if (left->since_ns != right->since_ns) {
        return left->since_ns < right->since_ns;
    }
    return left->node < right->node;
}

static uint32_t root_of(const struct incident *incident) {
    return incident->suspect_node == GRAPH_NODE_NONE ? incident->root : INDEX_NONE;
}

static void list_all(struct affected *affected, const struct incident *incident) {
    struct incidents *incidents = affected->incidents;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(incidents, at);
        if (!member->is_foreign && at != root_of(incident)) {
            incidents->sorted[affected->count++] = at;
        }
        at = member->next;
    }
    sort_indices(incidents->sorted, affected->count, is_told_before, incidents);
    affected->slots = incidents->sorted;
}

/* Into its place among the first, if it is one of them. */
static void place(struct affected *affected, uint32_t slot) {
    uint32_t *first = affected->first;
    bool is_full = affected->count == AFFECTED_CLOSING_MAX;
    affected->more += is_full ? 1 : 0;
    if (is_full && !is_told_before(affected->incidents, slot, first[AFFECTED_CLOSING_MAX - 1])) {
        return;
    }
    affected->count += is_full ? 0 : 1;
    uint32_t at = affected->count - 1;
    for (; at > 0 && is_told_before(affected->incidents, slot, first[at - 1]); at--) {
        first[at] = first[at - 1];
    }
    first[at] = slot;
}

static void list_first(struct affected *affected, const struct incident *incident) {
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(affected->incidents, at);
        if (!member->is_foreign && !member->is_bygone && at != root_of(incident)) {
            place(affected, at);
        }
        at = member->next;
    }
    affected->slots = affected->first;
}

void affected_list(struct affected *affected, struct incidents *incidents,
                   const struct incident_context *context, const struct incident *incident,
                   bool is_merged) {
    *affected = (struct affected){.incidents = incidents, .context = context, .id = incident->id};
    if (is_merged) {
        list_first(affected, incident);
    } else {
        list_all(affected, incident);
    }
}

bool affected_next(void *context, struct slice *key_out, struct slice *value_out) {
    struct affected *affected = context;
    if (affected->at == affected->count) {
        return false;
    }
    struct member *member = member_at(affected->incidents, affected->slots[affected->at++]);
    *key_out = slice_of(affected->key, member_key_row(affected->id, member->node, affected->key));
    *value_out = member_encode(affected->incidents, affected->context, member);
    return true;
}
