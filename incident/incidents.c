/*
 * incidents.c - the calls of the door: what a piece of news, a person, or the time does.
 *
 * Each call asks first whether pools and effects have room for the worst it may do and answers FULL
 * before it has changed anything.
 */
#include "incident/causes.h"
#include "incident/lifecycle.h"
#include "incident/reroot.h"
#include "incident/rows.h"
#include "incident/shelf.h"
#include "incident/stale.h"

static struct status init_slots(struct incidents *incidents, struct arena *arena) {
    incidents->incidents = ARENA_ARRAY(arena, struct incident, incidents->incidents_max);
    incidents->members = ARENA_ARRAY(arena, struct member, incidents->members_max);
    incidents->incidents_free = ARENA_ARRAY(arena, uint32_t, incidents->incidents_max);
    incidents->members_free = ARENA_ARRAY(arena, uint32_t, incidents->members_max);
    incidents->gathered = ARENA_ARRAY(arena, uint32_t, incidents->incidents_max);
    incidents->sorted = ARENA_ARRAY(arena, uint32_t, incidents->members_max + EDGE_ROOTS_MAX);
    incidents->row_capacity = INCIDENT_JSON_BYTES_MAX + ROW_BYTES_MAX;
    incidents->row = ARENA_ARRAY(arena, uint8_t, incidents->row_capacity);
    incidents->member_row = ARENA_ARRAY(arena, uint8_t, ROW_BYTES_MAX);
    incidents->json = ARENA_ARRAY(arena, char, INCIDENT_JSON_BYTES_MAX);
    if (incidents->incidents == NULL || incidents->members == NULL ||
        incidents->incidents_free == NULL || incidents->members_free == NULL ||
        incidents->gathered == NULL || incidents->sorted == NULL || incidents->row == NULL ||
        incidents->member_row == NULL || incidents->json == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = 0; i < incidents->incidents_max; i++) {
        incidents->incidents_free[i] = incidents->incidents_max - 1 - i;
    }
    for (uint32_t i = 0; i < incidents->members_max; i++) {
        incidents->members_free[i] = incidents->members_max - 1 - i;
    }
    incidents->incidents_free_count = incidents->incidents_max;
    incidents->members_free_count = incidents->members_max;
    return status_ok();
}

struct status incidents_init(struct incidents **incidents_out,
                             const struct incidents_options *options, struct arena *arena) {
    ASSERT(options->incidents_max > 0 && options->members_max > 1 && options->nodes_max > 0);
    struct incidents *incidents = ARENA_NEW(arena, struct incidents);
    if (incidents == NULL) {
        return status_of(STATUS_FULL);
    }
    *incidents = (struct incidents){
        .hash_seed = options->hash_seed,
        .incidents_max = options->incidents_max,
        .members_max = options->members_max,
        .nodes_max = options->nodes_max,
        .incidents_dirty = INDEX_NONE,
        .members_dirty = INDEX_NONE,
        .members_dirty_last = INDEX_NONE,
        .next_outbox_number = 1,
    };
    incidents->node_members = ARENA_ARRAY(arena, uint32_t, options->nodes_max);
    if (incidents->node_members == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(init_slots(incidents, arena));
    TRY(table_init(&incidents->by_id, options->incidents_max, arena));
    TRY(table_init(&incidents->by_member, options->members_max, arena));
    TRY(table_init(&incidents->by_foreign, options->members_max, arena));
    TRY(table_init(&incidents->placed, TENANTS_MAX, arena));
    TRY(timers_init(&incidents->incident_timers, options->incidents_max, arena));
    TRY(timers_init(&incidents->member_timers, options->members_max, arena));
    *incidents_out = incidents;
    return status_ok();
}

/* What is known of it has changed: who its cause is, and whose cause it is, is asked again. */
static void ask_again(struct incidents *incidents, const struct incident_context *context,
                      struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    if (incident->root == member_slot(incidents, member)) {
        correlate_explain(incidents, context, incident);
    }
    (void)correlate_absorb(incidents, context, member);
}

/* It is placed as if it had not been one: what its incident says of all is counted without it. */
static void leave(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident, struct member *member) {
    member_drop(incidents, member, FATE_DELETE);
    incident_touch(incidents, incident);
    if (incident_is_live(incident)) {
        incident->updated_ns = context->now_ns;
        incident_refresh_later(incidents, context, incident);
    }
}

/* A member that was bad before and is bad again: the incident it comes back to, or NULL when that
 * was too long ago, or another one has the cause now, and then it is not a member any more. */
static struct member *come_back(struct incidents *incidents, const struct incident_context *context,
                                struct member *member, const struct signal *signal,
                                const struct policy *policy) {
    struct incident *incident = incident_at(incidents, member->incident);
    if (member->is_complaining) {
        leave(incidents, context, incident, member);
        return NULL;
    }
    if (incident->is_shelved || incident_is_past(context, incident)) {
        incident_forget(incidents, context, incident);
        return NULL;
    }
    bool is_reopened = !incident_is_live(incident);
    bool is_anew =
        is_reopened && reroot_is_anew(incidents, context, incident, signal->event_time_ns);
    if (is_reopened) {
        uint64_t well_ns = cause_well_again_ns(context, incident, member);
        bool is_old = stale_is_old_news(incident, signal->heard_ns, well_ns);
        incident_reopen(incidents, context, member, signal->status);
        if (is_old) {
            telling_put_off(incidents, context, incident);
        }
        incident_begin_life(incidents, incident);
        severity_begin_life(incident);
    } else if (incident->root != member_slot(incidents, member) &&
               (context->now_ns - member->recovered_ns > policy->reopen_window_ns ||
                rehome_leads_away(incidents, context, member, signal, policy))) {
        leave(incidents, context, incident, member);
        return NULL;
    }
    bool is_first = member_begin_life(incidents, member);
    member_relapse(incidents, context, member, signal, is_reopened);
    member->first_ns = is_first ? 0 : member->first_ns;
    if (is_first && !is_reopened) { /* in this life it is newly affected, whoever acknowledged */
        telling_note(incidents, context, incident, CHANGE_AFFECTED);
        reroot_relapsed(incidents, context, member);
    }
    if (is_anew) {
        reroot_reopened(incidents, context, member);
    }
    ask_again(incidents, context, member);
    return member;
}

static bool has_room(const struct incidents *incidents, const struct incident_context *context) {
    return incidents->incidents_free_count >= 1 && incidents->members_free_count >= 2 &&
           effects_room(context->effects) >= INCIDENTS_EFFECT_BYTES_MIN;
}

struct status incidents_apply_bad(struct incidents *incidents,
                                  const struct incident_context *context, uint32_t node,
                                  const struct signal *signal, bool is_repeat,
                                  struct incident_change *change_out) {
    ASSERT(signal->news == SIGNAL_BAD);
    struct graph_node seen = graph_get_node(context->graph, node);
    const struct policy *policy = policy_set_find(context->policies, seen.owner);
    struct member *member = member_find(incidents, tenant_hash_of(incidents, seen.owner), node);
    bool is_known = member != NULL && !member->is_recovered;
    bool is_stale = stale_is(context, node, signal);
    if (is_stale && !stale_explains(incidents, context, node, signal)) {
        stale_count(incidents, context, node, is_repeat);
        shelf_keep(incidents, context, node, signal);
        *change_out = (struct incident_change){.is_stale = true, .counts = is_repeat};
        return status_ok();
    }
    if (effects_room(context->effects) < INCIDENTS_EFFECT_BYTES_MIN ||
        (!is_known && !has_room(incidents, context))) {
        return status_of(STATUS_FULL);
    }
    bool opened = false;
    uint64_t end_ns =
        is_stale ? stale_end_ns(context, node, signal, policy->correlate_window_ns) : 0;
    if (member != NULL && !is_known) {
        member = come_back(incidents, context, member, signal, policy);
    }
    if (member == NULL) {
        bool has_learned = mention_learn(incidents, context, node, signal, policy);
        member = correlate_place(incidents, context, node, signal, policy, &opened);
        if (has_learned && !is_stale) {
            correlate_ask_below(incidents, context, node);
        }
    }
    if (!is_known) {
        suspicions_ask_again(incidents, context, node);
    }
    bool was_vague = is_known && !status_is_explicit(member->status);
    bool counts = is_repeat && is_known;
    bool is_worse = member_count_signal(incidents, context, member, signal, counts);
    if (was_vague && status_is_explicit(member->status)) {
        ask_again(incidents, context, member);
    }
    if (is_known && member->signals_count <= RESOURCE_SIGNALS_MAX &&
        resources_note(&member->resources, signal->message, incidents->hash_seed)) {
        member_touch(incidents, member);
        correlate_kin(incidents, context, member);
    }
    if (is_worse || !is_known) {
        severity_raise(incidents, context, incident_at(incidents, member->incident),
                       severity_of_member(policy, seen.entity, member->status, member->severity));
    }
    if (!is_known && slice_equals(seen.owner, SLICE("platform"))) {
        platform_explain_tenants(incidents, context, member, end_ns);
    }
    if (is_stale) {
        member_recover(incidents, context, member, seen.state.status, end_ns);
        graph_set_state(context->graph, node, seen.state);
    } else { /* also of one that reopened it as old news */
        telling_note_news(incidents, context, incident_at(incidents, member->incident),
                          signal->heard_ns);
    }
    (void)telling_run(incidents, context, incident_at(incidents, member->incident));
    *change_out =
        (struct incident_change){.opened = opened, .is_stale = is_stale, .counts = counts};
    return status_ok();
}

bool incidents_have_member(const struct incidents *incidents, uint32_t node) {
    ASSERT(node < incidents->nodes_max);
    return incidents->node_members[node] > 0;
}

bool incidents_apply_good(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node, const struct signal *signal) {
    ASSERT(signal->news == SIGNAL_GOOD);
    if (!incidents_have_member(incidents, node)) {
        return !signal->is_own_word_only;
    }
    struct slice tenant = graph_get_node(context->graph, node).owner;
    struct member *member = member_find(incidents, tenant_hash_of(incidents, tenant), node);
    if (member == NULL || member->is_recovered || !member_heeds_good(member, signal)) {
        return !signal->is_own_word_only;
    }
    if (signal->is_own_word_only && member->is_told_by_many) { /* it is listed, then */
        if (!member_end_alert(incidents, context, member, signal)) {
            return false; /* others fire on */
        }
    } else if (signal->heard_ns < member->heard_ns) {
        return true; /* older than the trouble: a late report of a run before it */
    }
    member_recover(incidents, context, member, signal->status, signal->event_time_ns);
    return true;
}

void incidents_apply_edge(struct incidents *incidents, const struct incident_context *context,
                          uint32_t from, uint32_t to) {
    ASSERT(from != to);
    if (incidents->open_count > 0) {
        correlate_edge(incidents, context, from, to);
    }
}

static void add_person(struct text *detail, struct slice by, struct slice note) {
    text_add_text(detail, "by ");
    text_add(detail, slice_is_empty(by) ? SLICE(PERSON_UNNAMED) : slice_head(by, LABEL_BYTES_MAX));
    if (!slice_is_empty(note)) {
        text_add_text(detail, ": ");
        text_add(detail, slice_head(note, REASON_BYTES_MAX));
    }
}

static void keep_said(struct incident *incident, struct slice detail, struct slice by) {
    struct slice kept = slice_head(detail, ACKNOWLEDGED_BYTES_MAX);
    while (!text_is_utf8(kept) && kept.size > 0) {
        kept.size--; /* a character cut at the bound */
    }
    memcpy(incident->acknowledged, kept.data, kept.size);
    incident->acknowledged_size = (uint32_t)kept.size;
    incident->acknowledged_by_size = (uint32_t)slice_head(by, LABEL_BYTES_MAX).size;
}

struct status incidents_operate(struct incidents *incidents, const struct incident_context *context,
                                struct hash128 incident_id, struct slice tenant, bool resolve,
                                struct slice by, struct slice note) {
    struct incident *incident = incident_find(incidents, incident_id);
    if (incident == NULL || !incident_is_live(incident) ||
        !slice_equals(incident_tenant(incident), tenant)) {
        return status_of(STATUS_MISSING);
    }
    if (effects_room(context->effects) < INCIDENTS_EFFECT_BYTES_MIN) {
        return status_of(STATUS_FULL);
    }
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    add_person(&detail, by, note);
    if (resolve) {
        keep_said(incident, text_slice(&detail), by);
        incident->is_ended_by_person = true;
        incident_resolve(incidents, context, incident, text_slice(&detail));
        return status_ok();
    }
    timeline_add(incidents, context, incident, "acknowledged", text_slice(&detail));
    keep_said(incident, text_slice(&detail), by);
    if (incident->status == INCIDENT_OPEN) { /* a second one adds its name and note */
        incident->status = INCIDENT_ACKNOWLEDGED;
        telling_note(incidents, context, incident, CHANGE_ACKNOWLEDGED);
        (void)telling_run(incidents, context, incident);
    }
    return status_ok();
}

/* Maybe the pool has a place by now for the node of the platform that explains it. */
static void blame_again(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident) {
    if (incident->lacks_member) {
        incident->lacks_member = false;
        correlate_explain(incidents, context, incident);
    }
}

/* false: no room to go on. */
static bool advance_member(struct incidents *incidents, const struct incident_context *context,
                           const struct timer *timer) {
    struct member *member = member_at(incidents, timer->item);
    if (member->silence_due_ns > timer->due_ns) { /* a repeat has put it off */
        timers_remove(&incidents->member_timers, timer->item);
        member_schedule(incidents, member);
        return true;
    }
    if (effects_room(context->effects) < INCIDENTS_EFFECT_BYTES_MIN) {
        return false;
    }
    member_recover(incidents, context, member, EVENT_STATUS_NONE, member->last_signal_ns);
    return true;
}

static void look_again(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    bool is_foreign = root->is_foreign; /* then it may be gone afterwards */
    incident->looks_again = false;
    incident_schedule(incidents, incident);
    if (root->is_recovered) {
        incident_refresh_later(incidents, context, incident); /* asks who else may be it */
    }
    correlate_explain(incidents, context, incident);
    bool asks_kin = false;
    if (!is_foreign) {
        (void)correlate_absorb(incidents, context, root);
        asks_kin = incident->asks_kin && incident_is_live(incident) && !root->is_recovered;
        incident->asks_kin = false;
    }
    if (asks_kin) {
        correlate_kin(incidents, context, root);
    }
    rehome_again(incidents, context, incident);
}

static bool advance_incident(struct incidents *incidents, const struct incident_context *context,
                             struct incident *incident) {
    if (effects_room(context->effects) < INCIDENTS_EFFECT_BYTES_MIN) {
        return false;
    }
    if (incident->looks_again) {
        look_again(incidents, context, incident);
        return true;
    }
    if (incident->refresh_due_ns <= context->now_ns) {
        blame_again(incidents, context, incident);
        rehome_again(incidents, context, incident);
        if (incident->fate != FATE_KEEP || reroot_review(incidents, context, incident)) {
            return true; /* what is left of it is due by itself */
        }
        incident_refresh(incidents, context, incident);
    }
    if (!telling_run(incidents, context, incident)) {
        return false;
    }
    if (incident->forget_due_ns <= context->now_ns) {
        incident_forget(incidents, context, incident);
        return true;
    }
    incident_schedule(incidents, incident);
    return true;
}

static uint64_t first_due_ns(const struct timers *timers) {
    return timers->count > 0 ? timers->heap[0].due_ns : NEVER_NS;
}

/* In the order in which it was due, also when time stood still or leapt: who was to be told before
 * a silence ended it, is told. */
bool incidents_advance(struct incidents *incidents, const struct incident_context *context) {
    struct timers *members = &incidents->member_timers;
    struct timers *timers = &incidents->incident_timers;
    for (uint32_t i = 0; i < TIMERS_PER_ADVANCE_MAX; i++) {
        uint64_t due_ns = incidents_next_due_ns(incidents);
        if (due_ns > context->now_ns) {
            return true;
        }
        if (first_due_ns(members) == due_ns) {
            struct timer timer = members->heap[0];
            if (!advance_member(incidents, context, &timer)) {
                return false;
            }
        } else if (!advance_incident(incidents, context,
                                     incident_at(incidents, timers->heap[0].item))) {
            return false;
        }
    }
    return incidents_next_due_ns(incidents) > context->now_ns;
}

uint64_t incidents_next_due_ns(const struct incidents *incidents) {
    uint64_t incident_ns = first_due_ns(&incidents->incident_timers);
    uint64_t member_ns = first_due_ns(&incidents->member_timers);
    return member_ns < incident_ns ? member_ns : incident_ns;
}

uint32_t incidents_open_count(const struct incidents *incidents) {
    return incidents->open_count;
}

uint32_t incidents_held_count(const struct incidents *incidents) {
    return incidents->incidents_kept_count;
}

uint32_t incidents_held_max(const struct incidents *incidents) {
    return incidents->incidents_max;
}

uint64_t incidents_next_outbox_number(const struct incidents *incidents) {
    return incidents->next_outbox_number;
}

void incidents_set_next_outbox_number(struct incidents *incidents, uint64_t number) {
    ASSERT(number >= 1);
    incidents->next_outbox_number = number;
}
