/* restore.c - emitting rows that changed, and taking rows back at recovery. */
#include "incident/lifecycle.h"
#include "incident/rows.h"

/* --- Emitting --- */

struct slice incident_emit_row(struct incidents *incidents, const struct incident_context *context,
                               struct incident *incident, bool is_forgotten) {
    uint8_t key[TENANT_BYTES_MAX + 32];
    if (!incident->is_listed && !incident->is_shelved) {
        incident->is_listed = true;
        size_t size = recent_key(incident, key);
        effect_put(context->effects, STORE_TABLE_RECENT, slice_of(key, size), slice_of(NULL, 0));
    }
    incident->has_row = true;
    size_t size = incident_key(incident, key);
    struct slice row = incident_encode(incidents, context, incident, is_forgotten);
    effect_put(context->effects, STORE_TABLE_INCIDENT, slice_of(key, size), row);
    return row;
}

/* All that stands under the id of a merged incident goes but its timeline (merge.c); false: no room
 * to go on. */
static bool emit_deletes(const struct incident_context *context, struct incident *incident) {
    while (incident->timeline_deleted < incident->timeline_next) {
        if (effects_room(context->effects) < ROW_BYTES_MAX) {
            return false;
        }
        uint8_t key[20];
        size_t size = member_key_row(incident->id, incident->timeline_deleted++, key);
        effect_delete(context->effects, STORE_TABLE_TIMELINE, slice_of(key, size));
    }
    uint8_t key[TENANT_BYTES_MAX + 32];
    if (incident->is_listed) {
        size_t size = recent_key(incident, key);
        effect_delete(context->effects, STORE_TABLE_RECENT, slice_of(key, size));
    }
    if (incident->has_row) {
        size_t size = incident_key(incident, key);
        effect_delete(context->effects, STORE_TABLE_INCIDENT, slice_of(key, size));
    }
    return true;
}

static void emit_member(struct incidents *incidents, const struct incident_context *context,
                        struct member *member) {
    struct hash128 id =
        member->fate == FATE_KEEP ? incident_at(incidents, member->incident)->id : member->final_id;
    uint8_t key[20];
    bool is_elsewhere = member->has_row && !hash128_equals(member->row_id, id);
    if (is_elsewhere || (member->has_row && member->fate == FATE_DELETE)) {
        size_t size = member_key_row(member->row_id, member->node, key);
        effect_delete(context->effects, STORE_TABLE_MEMBER, slice_of(key, size));
        member->has_row = false;
    }
    if (member->fate != FATE_DELETE) {
        size_t size = member_key_row(id, member->node, key);
        effect_put(context->effects, STORE_TABLE_MEMBER, slice_of(key, size),
                   member_encode(incidents, context, member));
        member->has_row = true;
        member->row_id = id;
    }
    member_unlink_dirty(incidents, member);
    if (member->fate != FATE_KEEP) {
        member_release(incidents, member);
    }
}

bool incidents_emit(struct incidents *incidents, const struct incident_context *context) {
    while (incidents->members_dirty != INDEX_NONE) {
        if (effects_room(context->effects) < ROW_BYTES_MAX) {
            return false;
        }
        emit_member(incidents, context, &incidents->members[incidents->members_dirty]);
    }
    while (incidents->incidents_dirty != INDEX_NONE) {
        struct incident *incident = &incidents->incidents[incidents->incidents_dirty];
        if (effects_room(context->effects) < (size_t)2 * ROW_BYTES_MAX) {
            return false;
        }
        if (incident->fate == FATE_KEEP) {
            (void)incident_emit_row(incidents, context, incident, false);
        } else if (!emit_deletes(context, incident)) {
            return false;
        }
        incident_unlink_dirty(incidents, incident);
        if (incident->fate != FATE_KEEP) {
            incident_release(incidents, incident);
        }
    }
    return true;
}

/* --- Recovery --- */

static void take_row(struct incident *incident, const struct incident_row *row) {
    incident->status = row->status;
    incident->severity = row->severity;
    incident->root_node = row->root_node;
    incident->version = row->version;
    incident->at_risk_count = row->at_risk_count;
    incident->signals_total = row->signals_total;
    incident->signals_unique = row->signals_unique;
    incident->opened_ns = row->opened_ns;
    incident->updated_ns = row->updated_ns;
    incident->resolved_ns = row->resolved_ns;
    incident->traces_count = row->traces_count;
    memcpy(incident->traces, row->traces, sizeof(incident->traces));
    incident->kinds_count = row->kinds_count;
    for (uint32_t i = 0; i < row->kinds_count; i++) {
        struct kind_count *kind = &incident->kinds[i];
        struct slice word = slice_head(row->kinds[i].word, KIND_BYTES_MAX);
        *kind = (struct kind_count){.word_size = (uint32_t)word.size, .count = row->kinds[i].count};
        memcpy(kind->word, word.data, word.size);
    }
    incident->has_row = true;
    incident->is_listed = !incident->is_shelved;
}

struct status incidents_restore_incident(struct incidents *incidents, struct slice key,
                                         struct slice value) {
    struct incident_row row;
    TRY(incident_row_decode(value, &row));
    if (key.size != row.tenant.size + 17 || !slice_starts_with(key, row.tenant)) {
        return status_of(STATUS_CORRUPT);
    }
    if (row.is_forgotten) {
        return status_ok(); /* kept for the API only */
    }
    struct incident state = {0};
    TRY(incident_decode_state(row.state, &state));
    if (incidents->incidents_free_count == 0) {
        return status_of(STATUS_FULL);
    }
    if (incident_find(incidents, row.id) != NULL) {
        return status_of(STATUS_CORRUPT);
    }
    struct incident *incident = incident_create(incidents, row.id, row.tenant);
    if (incident == NULL) {
        return status_of(STATUS_FULL);
    }
    struct status status = incident_decode_state(row.state, incident);
    take_row(incident, &row);
    incidents->open_count += incident_is_live(incident) ? 1 : 0;
    incidents->shelved_count += incident->is_shelved ? 1 : 0;
    return status;
}

static void take_member(struct member *member, const struct member_row *row) {
    member->status = row->status;
    member->recovered_status = row->recovered_status;
    member->since_ns = row->since_ns;
    member->hops = row->hops;
    member->has_row = true;
}

struct status incidents_restore_member(struct incidents *incidents, struct slice key,
                                       struct slice value) {
    struct member_row row;
    TRY(member_row_decode(key, value, &row));
    struct reader reader = reader_over(key);
    struct incident *incident = incident_find(incidents, reader_hash128(&reader));
    if (incident == NULL) {
        return status_ok(); /* of a forgotten one */
    }
    struct member state = {0};
    TRY(member_decode_state(row.state, &state));
    if (incidents->members_free_count == 0) {
        return status_of(STATUS_FULL);
    }
    if (row.node >= incidents->nodes_max ||
        member_find(incidents, incident->tenant_hash, row.node) != NULL) {
        return status_of(STATUS_CORRUPT);
    }
    struct member *member = member_create(incidents, incident, row.node,
                                          row.is_foreign       ? MEMBER_FOREIGN
                                          : row.is_complaining ? MEMBER_COMPLAINING
                                                               : MEMBER_OWN);
    if (member == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(member_decode_state(row.state, member));
    take_member(member, &row);
    member->row_id = incident->id;
    if (row.is_recovered && !row.is_complaining) {
        member->is_recovered = true;
        incident->failing_count -= row.is_foreign ? 0 : 1;
    }
    member->is_bygone = row.is_bygone;
    member->rehomes_again = row.rehomes_again;
    incident->bygone_count += row.is_bygone ? 1 : 0;
    if (row.node == incident->root_node) {
        incident->root = member_slot(incidents, member);
    }
    member_unlink_dirty(incidents, member);
    member_schedule(incidents, member);
    return status_ok();
}

/* Whoever wrote the row may not have asked who else is the root when that is well: it is asked at
 * the next record. That goes by rows and journal alone: until the answer is written with that
 * record, the row stays as old as it is. */
static void ask_of_older(struct incidents *incidents, struct incident *incident) {
    if (incident->is_older && incident_is_live(incident) &&
        member_at(incidents, incident->root)->is_recovered) {
        incident->refresh_due_ns = 0;
    }
}

struct status incidents_restore_end(struct incidents *incidents, const struct graph *graph) {
    /* No further than the last one in use: memory that was never touched stays so. */
    uint32_t left = incidents->incidents_max - incidents->incidents_free_count;
    for (uint32_t slot = 0; left > 0; slot++) {
        struct incident *incident = &incidents->incidents[slot];
        if (!incident->is_used) {
            continue;
        }
        left--;
        if (incident->root == INDEX_NONE || (incident->suspect_node != GRAPH_NODE_NONE &&
                                             !graph_has_node(graph, incident->suspect_node))) {
            return status_of(STATUS_CORRUPT);
        }
        for (uint32_t at = incident->members_first; at != INDEX_NONE;
             at = member_at(incidents, at)->next) {
            if (!graph_has_node(graph, member_at(incidents, at)->node)) {
                return status_of(STATUS_CORRUPT);
            }
        }
        ask_of_older(incidents, incident);
        incident_schedule(incidents, incident);
        incident_unlink_dirty(incidents, incident);
    }
    placed_sort(incidents);
    return status_ok();
}
