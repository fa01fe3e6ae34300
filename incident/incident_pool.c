/*
 * incident_pool.c - slots of incidents and members: made, found, moved, dropped, marked as changed.
 *
 * A slot lives: created -> (touched -> emitted)* -> dropped with a fate -> emitted once more ->
 * released. Dropping takes the slot out of every table and list but the dirty one at once, so that
 * its name is free for a successor while its last row is still on its way.
 */
#include "incident/incident_state.h"

struct incident *incident_at(struct incidents *incidents, uint32_t slot) {
    ASSERT(slot < incidents->incidents_max);
    ASSERT(incidents->incidents[slot].is_used);
    return &incidents->incidents[slot];
}

struct member *member_at(struct incidents *incidents, uint32_t slot) {
    ASSERT(slot < incidents->members_max);
    ASSERT(incidents->members[slot].is_used);
    return &incidents->members[slot];
}

uint32_t incident_slot(const struct incidents *incidents, const struct incident *incident) {
    return (uint32_t)(incident - incidents->incidents);
}

uint32_t member_slot(const struct incidents *incidents, const struct member *member) {
    return (uint32_t)(member - incidents->members);
}

struct slice incident_tenant(const struct incident *incident) {
    return slice_of(incident->tenant, incident->tenant_size);
}

bool incident_is_live(const struct incident *incident) {
    return incident->fate == FATE_KEEP && incident->status != INCIDENT_RESOLVED;
}

uint64_t tenant_hash_of(const struct incidents *incidents, struct slice tenant) {
    return hash64_of(tenant, incidents->hash_seed);
}

static uint64_t mix(uint64_t value) {
    value ^= value >> 30;
    value *= UINT64_C(0xbf58476d1ce4e5b9);
    value ^= value >> 27;
    value *= UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static struct hash128 member_key(uint64_t tenant_hash, uint32_t node) {
    return (struct hash128){.lo = mix(tenant_hash + node * UINT64_C(0x9e3779b97f4a7c15)),
                            .hi = tenant_hash ^ node};
}

static struct hash128 foreign_key(uint32_t node) {
    return (struct hash128){.lo = mix(node + 1u), .hi = node};
}

struct member *member_find(struct incidents *incidents, uint64_t tenant_hash, uint32_t node) {
    uint32_t slot = 0;
    if (!table_find(&incidents->by_member, member_key(tenant_hash, node), &slot)) {
        return NULL;
    }
    struct member *member = member_at(incidents, slot);
    ASSERT(member->node == node);
    return member;
}

struct incident *incident_find(struct incidents *incidents, struct hash128 id) {
    uint32_t slot = 0;
    return table_find(&incidents->by_id, id, &slot) ? incident_at(incidents, slot) : NULL;
}

struct incident *incident_create(struct incidents *incidents, struct hash128 id,
                                 struct slice tenant) {
    ASSERT(incidents->incidents_free_count > 0);
    ASSERT(tenant.size <= TENANT_BYTES_MAX);
    uint32_t slot = incidents->incidents_free[incidents->incidents_free_count - 1];
    if (!status_is_ok(table_put(&incidents->by_id, id, slot))) {
        return NULL;
    }
    incidents->incidents_free_count--;
    incidents->incidents_kept_count++;
    struct incident *incident = &incidents->incidents[slot];
    *incident = (struct incident){
        .is_used = true,
        .id = id,
        .status = INCIDENT_OPEN,
        .root = INDEX_NONE,
        .root_node = GRAPH_NODE_NONE,
        .suspect_node = GRAPH_NODE_NONE,
        .members_first = INDEX_NONE,
        .tell_due_ns = NEVER_NS,
        .refresh_due_ns = NEVER_NS,
        .forget_due_ns = NEVER_NS,
        .tenant_hash = tenant_hash_of(incidents, tenant),
        .tenant_size = (uint32_t)tenant.size,
    };
    memcpy(incident->tenant, tenant.data, tenant.size);
    return incident;
}

static void list_add(struct incidents *incidents, struct incident *incident,
                     struct member *member) {
    uint32_t slot = member_slot(incidents, member);
    member->incident = incident_slot(incidents, incident);
    member->previous = INDEX_NONE;
    member->next = incident->members_first;
    if (member->next != INDEX_NONE) {
        member_at(incidents, member->next)->previous = slot;
    }
    incident->members_first = slot;
    if (member->is_complaining) {
        incident->complaining_count++;
    } else if (!member->is_foreign) {
        incident->members_count++;
        incident->bygone_count += member->is_bygone ? 1 : 0;
        incident->failing_count += member->is_recovered ? 0 : 1;
    }
}

static void list_remove(struct incidents *incidents, struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    if (member->previous == INDEX_NONE) {
        ASSERT(incident->members_first == member_slot(incidents, member));
        incident->members_first = member->next;
    } else {
        member_at(incidents, member->previous)->next = member->next;
    }
    if (member->next != INDEX_NONE) {
        member_at(incidents, member->next)->previous = member->previous;
    }
    if (member->is_complaining) {
        ASSERT(incident->complaining_count > 0);
        incident->complaining_count--;
    } else if (!member->is_foreign) {
        ASSERT(incident->members_count > 0);
        incident->members_count--;
        incident->bygone_count -= member->is_bygone ? 1 : 0;
        incident->failing_count -= member->is_recovered ? 0 : 1;
    }
}

static void foreign_add(struct incidents *incidents, struct member *member) {
    uint32_t first = INDEX_NONE;
    (void)table_find(&incidents->by_foreign, foreign_key(member->node), &first);
    member->foreign_previous = INDEX_NONE;
    member->foreign_next = first;
    if (first != INDEX_NONE) {
        member_at(incidents, first)->foreign_previous = member_slot(incidents, member);
    }
    struct status added = table_put(&incidents->by_foreign, foreign_key(member->node),
                                    member_slot(incidents, member));
    ASSERT(status_is_ok(added)); /* as many keys as members */
}

static void foreign_remove(struct incidents *incidents, struct member *member) {
    if (member->foreign_next != INDEX_NONE) {
        member_at(incidents, member->foreign_next)->foreign_previous = member->foreign_previous;
    }
    if (member->foreign_previous != INDEX_NONE) {
        member_at(incidents, member->foreign_previous)->foreign_next = member->foreign_next;
    } else if (member->foreign_next != INDEX_NONE) {
        struct status moved =
            table_put(&incidents->by_foreign, foreign_key(member->node), member->foreign_next);
        ASSERT(status_is_ok(moved)); /* the key is there already */
    } else {
        (void)table_remove(&incidents->by_foreign, foreign_key(member->node));
    }
}

struct member *foreign_next(struct incidents *incidents, uint32_t node, struct member *previous) {
    uint32_t slot = INDEX_NONE;
    if (previous != NULL) {
        slot = previous->foreign_next;
    } else {
        (void)table_find(&incidents->by_foreign, foreign_key(node), &slot);
    }
    return slot == INDEX_NONE ? NULL : member_at(incidents, slot);
}

struct member *member_create(struct incidents *incidents, struct incident *incident, uint32_t node,
                             enum member_kind kind) {
    ASSERT(incidents->members_free_count > 0 && node < incidents->nodes_max);
    uint32_t slot = incidents->members_free[incidents->members_free_count - 1];
    if (!status_is_ok(
            table_put(&incidents->by_member, member_key(incident->tenant_hash, node), slot))) {
        return NULL;
    }
    incidents->members_free_count--;
    incidents->members_kept_count++;
    incidents->node_members[node]++;
    struct member *member = &incidents->members[slot];
    *member = (struct member){
        .is_used = true,
        .node = node,
        .is_foreign = kind == MEMBER_FOREIGN,
        .is_complaining = kind == MEMBER_COMPLAINING,
        .is_recovered = kind == MEMBER_COMPLAINING,
        .silence_due_ns = NEVER_NS,
    };
    list_add(incidents, incident, member);
    if (kind == MEMBER_FOREIGN) {
        foreign_add(incidents, member);
    } else if (kind == MEMBER_OWN) {
        placed_add(incidents, member);
    }
    member_touch(incidents, member);
    return member;
}

void member_move(struct incidents *incidents, struct member *member, struct incident *incident) {
    ASSERT(member->fate == FATE_KEEP);
    list_remove(incidents, member);
    list_add(incidents, incident, member);
    member_touch(incidents, member);
}

void member_drop(struct incidents *incidents, struct member *member, enum row_fate fate) {
    ASSERT(member->fate == FATE_KEEP && fate != FATE_KEEP);
    struct incident *incident = incident_at(incidents, member->incident);
    list_remove(incidents, member);
    (void)table_remove(&incidents->by_member, member_key(incident->tenant_hash, member->node));
    ASSERT(incidents->node_members[member->node] > 0 && incidents->members_kept_count > 0);
    incidents->node_members[member->node]--;
    incidents->members_kept_count--;
    if (member->is_foreign) {
        foreign_remove(incidents, member);
    } else if (!member->is_complaining) {
        placed_remove(incidents, member);
    }
    timers_remove(&incidents->member_timers, member_slot(incidents, member));
    member->fate = fate;
    member->final_id = incident->id;
    bool is_row_right = fate == FATE_FORGET ? member->has_row && !member->dirty.is_dirty
                                            : !member->has_row && !member->dirty.is_dirty;
    if (is_row_right) {
        member_release(incidents, member);
    } else {
        member_touch(incidents, member);
    }
}

void incident_drop(struct incidents *incidents, struct incident *incident, enum row_fate fate) {
    ASSERT(incident->fate == FATE_KEEP && fate != FATE_KEEP);
    if (incident_is_live(incident)) {
        ASSERT(incidents->open_count > 0);
        incidents->open_count--;
    }
    ASSERT(incidents->incidents_kept_count > 0);
    incidents->incidents_kept_count--;
    timers_remove(&incidents->incident_timers, incident_slot(incidents, incident));
    (void)table_remove(&incidents->by_id, incident->id);
    incident->fate = fate;
    if (fate == FATE_DELETE) {
        incident_touch(incidents, incident);
    }
}

void incident_touch(struct incidents *incidents, struct incident *incident) {
    if (incident->dirty.is_dirty) {
        return;
    }
    uint32_t slot = incident_slot(incidents, incident);
    incident->dirty = (struct dirty_link){
        .next = incidents->incidents_dirty, .previous = INDEX_NONE, .is_dirty = true};
    if (incidents->incidents_dirty != INDEX_NONE) {
        incidents->incidents[incidents->incidents_dirty].dirty.previous = slot;
    }
    incidents->incidents_dirty = slot;
}

void member_touch(struct incidents *incidents, struct member *member) {
    if (member->dirty.is_dirty) {
        return;
    }
    uint32_t slot = member_slot(incidents, member);
    member->dirty = (struct dirty_link){
        .next = INDEX_NONE, .previous = incidents->members_dirty_last, .is_dirty = true};
    if (incidents->members_dirty_last == INDEX_NONE) {
        incidents->members_dirty = slot;
    } else {
        incidents->members[incidents->members_dirty_last].dirty.next = slot;
    }
    incidents->members_dirty_last = slot;
}

void incident_unlink_dirty(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident->dirty.is_dirty);
    if (incident->dirty.previous == INDEX_NONE) {
        incidents->incidents_dirty = incident->dirty.next;
    } else {
        incidents->incidents[incident->dirty.previous].dirty.next = incident->dirty.next;
    }
    if (incident->dirty.next != INDEX_NONE) {
        incidents->incidents[incident->dirty.next].dirty.previous = incident->dirty.previous;
    }
    incident->dirty.is_dirty = false;
}

void member_unlink_dirty(struct incidents *incidents, struct member *member) {
    ASSERT(member->dirty.is_dirty);
    if (member->dirty.previous == INDEX_NONE) {
        incidents->members_dirty = member->dirty.next;
    } else {
        incidents->members[member->dirty.previous].dirty.next = member->dirty.next;
    }
    if (member->dirty.next == INDEX_NONE) {
        incidents->members_dirty_last = member->dirty.previous;
    } else {
        incidents->members[member->dirty.next].dirty.previous = member->dirty.previous;
    }
    member->dirty.is_dirty = false;
}

void incident_release(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident->fate != FATE_KEEP && !incident->dirty.is_dirty);
    ASSERT(incident->members_first == INDEX_NONE);
    incident->is_used = false;
    incidents->incidents_free[incidents->incidents_free_count++] =
        incident_slot(incidents, incident);
}

void member_release(struct incidents *incidents, struct member *member) {
    ASSERT(member->fate != FATE_KEEP && !member->dirty.is_dirty);
    member->is_used = false;
    incidents->members_free[incidents->members_free_count++] = member_slot(incidents, member);
}

/* More than one call takes as a rule: a member for each tenant. */
enum { INCIDENTS_WANTED = 16, MEMBERS_WANTED = TENANTS_MAX };

bool incidents_waits_for_rows(const struct incidents *incidents) {
    uint32_t incidents_left = incidents->incidents_max - incidents->incidents_kept_count;
    uint32_t members_left = incidents->members_max - incidents->members_kept_count;
    bool waits_for_incidents = incidents->incidents_free_count < INCIDENTS_WANTED &&
                               incidents->incidents_free_count < incidents_left;
    bool waits_for_members = incidents->members_free_count < MEMBERS_WANTED &&
                             incidents->members_free_count < members_left;
    return waits_for_incidents || waits_for_members;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void incident_schedule(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident->fate == FATE_KEEP);
    uint64_t due =
        earlier(incident->tell_due_ns, earlier(incident->refresh_due_ns, incident->forget_due_ns));
    if (incident->looks_again) {
        due = 0;
    }
    timers_set(&incidents->incident_timers, incident_slot(incidents, incident), due,
               incident->id.lo, incident->id.hi);
    incident_touch(incidents, incident);
}

void incident_look_again(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident_is_live(incident));
    incident->looks_again = true;
    incident_schedule(incidents, incident);
}

void member_schedule(struct incidents *incidents, struct member *member) {
    uint64_t due = member->is_recovered ? NEVER_NS : member->silence_due_ns;
    uint32_t slot = member_slot(incidents, member);
    uint32_t position = incidents->member_timers.positions[slot];
    /* A timer that is too early is moved when it fires, so repeats of a storm cost no heap work. */
    if (due != NEVER_NS && position != INDEX_NONE &&
        incidents->member_timers.heap[position].due_ns <= due) {
        return;
    }
    timers_set(&incidents->member_timers, slot, due,
               incident_at(incidents, member->incident)->tenant_hash, member->node);
}

const struct policy *incident_policy(const struct incident_context *context,
                                     const struct incident *incident) {
    return policy_set_find(context->policies, incident_tenant(incident));
}
