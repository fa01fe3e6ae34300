/*
 * lifecycle.c - how an incident and its members live: signal, recover, relapse, resolve, reopen,
 * forget. What is opened again because a member fails again, or gets another root because its own
 * is well, has another life: who was hit before and is well stays a member, but is not told of any
 * more.
 *
 *   open --incidents_operate--> acknowledged --incident_resolve--> resolved --incident_forget-->
 * (row) resolved --incident_reopen--> open, within reopen_window
 *
 * Invariants: 1. the graph's state word of an own member is bad exactly while the member is. 2. a
 * live incident has a failing member, else it resolves in the same call. 3. a resolve is told when
 * something was told before, once.
 */
#include "incident/lifecycle.h"
#include "incident/reroot.h"
#include "incident/rows.h"
#include "incident/shelf.h"

static void keep_text(uint8_t *kept, uint32_t *size_out, uint32_t max, struct slice words) {
    struct slice head = slice_head(words, max);
    while (head.size < words.size && head.size > 0 && (head.data[head.size] & 0xc0) == 0x80) {
        head.size--; /* never half a character */
    }
    memcpy(kept, head.data, head.size);
    *size_out = (uint32_t)head.size;
}

enum tone member_tone(const struct member *member) {
    return words_tone(slice_of(member->error_class, member->error_class_size),
                      slice_of(member->message, member->message_size));
}

static void keep_words(struct member *member, const struct signal *signal) {
    keep_text(member->error_class, &member->error_class_size, ERROR_CLASS_BYTES_MAX,
              signal->error_class);
    keep_text(member->message, &member->message_size, MESSAGE_KEPT_BYTES_MAX,
              words_kept(signal->message, MESSAGE_KEPT_BYTES_MAX));
    member->tone = member_tone(member);
}

float signal_strength(const struct signal *signal) {
    return signal->has_score ? (float)(signal->score < 0 ? -signal->score : signal->score) : 0;
}

static void keep_strength(struct member *member, const struct signal *signal) {
    float strength = signal_strength(signal);
    if (strength > member->strength) {
        member->strength = strength;
    }
}

static void mark_bad(const struct incident_context *context, const struct member *member) {
    graph_set_state(context->graph, member->node,
                    (struct graph_state){.status = member->status, .since_ns = member->since_ns});
}

void incident_note_trace(struct incident *incident, struct hash128 trace) {
    if (hash128_is_zero(trace) || incident->traces_count == INCIDENT_TRACE_IDS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < incident->traces_count; i++) {
        if (hash128_equals(incident->traces[i], trace)) {
            return;
        }
    }
    incident->traces[incident->traces_count++] = trace;
}

static void wait_for_silence(struct incidents *incidents, const struct incident_context *context,
                             struct member *member, bool recovers) {
    const struct policy *policy =
        incident_policy(context, incident_at(incidents, member->incident));
    member->recovers_by_silence = recovers;
    uint64_t due_ns = context->now_ns + policy->resolve_after_ns;
    uint64_t until_ns = firing_until_ns(member);
    due_ns = until_ns > due_ns ? until_ns : due_ns;
    member->silence_due_ns = recovers ? due_ns : NEVER_NS;
    member_schedule(incidents, member);
}

void member_fill(struct incidents *incidents, const struct incident_context *context,
                 struct member *member, const struct signal *signal) {
    member->told_by = signal->kind;
    member->told_by_key = signal->source_key;
    member->is_told_by_many = false;
    member->status = signal->status;
    member->severity = signal->severity;
    member->since_ns = signal->event_time_ns;
    member->last_signal_ns = signal->event_time_ns;
    member->heard_ns = signal->heard_ns;
    keep_words(member, signal);
    keep_strength(member, signal);
    mark_bad(context, member);
    firing_clear(member);
    firing_note(member, signal, context->now_ns);
    wait_for_silence(incidents, context, member, signal->recovers_by_silence);
    member_touch(incidents, member);
}

void member_fill_complaint(struct incidents *incidents, const struct incident_context *context,
                           struct member *member, const struct signal *signal) {
    ASSERT(member->is_complaining && member->is_recovered);
    member->status = EVENT_STATUS_DEGRADED;
    member->recovered_status = EVENT_STATUS_DEGRADED;
    member->severity = signal->severity;
    member->since_ns = signal->event_time_ns;
    member->last_signal_ns = signal->event_time_ns;
    member->recovered_event_ns = signal->event_time_ns;
    member->recovered_ns = context->now_ns;
    keep_words(member, signal);
    member_touch(incidents, member);
}

static bool is_told_by(const struct member *member, enum event_kind kind, uint64_t key) {
    return member->told_by == kind && member->told_by_key == key;
}

/* Only alerts have but their own word. Of one alone its name is enough: who sends the end may leave
 * out a label. */
bool member_heeds_good(const struct member *member, const struct signal *signal) {
    ASSERT(signal->news == SIGNAL_GOOD);
    struct slice known = slice_of(member->error_class, member->error_class_size);
    bool is_its_own = !member->is_told_by_many && member->told_by == signal->kind &&
                      slice_equals(known, slice_head(signal->error_class, ERROR_CLASS_BYTES_MAX));
    bool is_one_of_them = member->is_told_by_many && firing_has(member, signal->source_key);
    return !signal->is_own_word_only || is_its_own || is_one_of_them;
}

bool member_end_alert(struct incidents *incidents, const struct incident_context *context,
                      struct member *member, const struct signal *signal) {
    ASSERT(signal->is_own_word_only && member->is_told_by_many && !member->is_recovered);
    if (firing_end(member, signal, context->now_ns)) {
        return true;
    }
    wait_for_silence(incidents, context, member, member->recovers_by_silence);
    member_touch(incidents, member);
    return false;
}

/* Explicit failure is worse news than lateness; a member keeps the worst it was told. */
static bool worsen(const struct incident_context *context, struct member *member,
                   const struct signal *signal) {
    bool is_worse = false;
    if (status_is_explicit(signal->status) && !status_is_explicit(member->status)) {
        member->status = signal->status;
        keep_words(member, signal);
        mark_bad(context, member);
        is_worse = true;
    }
    if (signal->severity > member->severity) {
        member->severity = signal->severity;
        is_worse = true;
    }
    return is_worse;
}

bool member_count_signal(struct incidents *incidents, const struct incident_context *context,
                         struct member *member, const struct signal *signal, bool is_repeat) {
    struct incident *incident = incident_at(incidents, member->incident);
    ASSERT(!member->is_recovered);
    member->signals_count++;
    if (signal->event_time_ns > member->last_signal_ns) {
        member->last_signal_ns = signal->event_time_ns;
    }
    if (signal->heard_ns > member->heard_ns) {
        member->heard_ns = signal->heard_ns;
    }
    enum event_status known_status = member->status;
    uint64_t known_ns = member->since_ns;
    if (signal->event_time_ns < member->since_ns) {
        member->since_ns = signal->event_time_ns;
        mark_bad(context, member);
    }
    bool is_worse = worsen(context, member, signal);
    if (member->status != known_status || member->since_ns != known_ns) {
        incident_refresh_later(incidents, context, incident); /* the evidence counts both */
    }
    keep_strength(member, signal);
    member->is_told_by_many =
        member->is_told_by_many || !is_told_by(member, signal->kind, signal->source_key);
    firing_note(member, signal, context->now_ns);
    /* What said of itself that it failed is well when it says so, whatever alerts fall silent. */
    wait_for_silence(incidents, context, member,
                     member->recovers_by_silence && signal->recovers_by_silence);
    incident->signals_total++;
    incident->signals_unique += is_repeat ? 0 : 1;
    incident->updated_ns = context->now_ns;
    incident_note_trace(incident, signal->trace_id);
    member_touch(incidents, member);
    incident_touch(incidents, incident);
    return is_worse;
}

void member_relapse(struct incidents *incidents, const struct incident_context *context,
                    struct member *member, const struct signal *signal, bool is_reopened) {
    ASSERT(member->is_recovered && !member->is_foreign);
    struct incident *incident = incident_at(incidents, member->incident);
    ASSERT(incident_is_live(incident));
    member->is_recovered = false;
    incident->failing_count++;
    member->first_ns = member_first_ns(member);
    member_fill(incidents, context, member, signal);
    if (!is_reopened) { /* else the timeline has it: each recovery is followed by one entry */
        timeline_add_going(incidents, context, incident, member, "failed again", member->status);
    }
    incident->updated_ns = context->now_ns;
    if (incident->status != INCIDENT_ACKNOWLEDGED) { /* else they know of it: no new affected */
        telling_note(incidents, context, incident, CHANGE_AFFECTED);
    }
    incident_refresh_later(incidents, context, incident);
}

/* The platform node is well: so it is where other tenants' incidents show it. */
static void recover_foreign(struct incidents *incidents, const struct incident_context *context,
                            const struct member *own) {
    uint32_t node = own->node;
    for (struct member *member = foreign_next(incidents, node, NULL); member != NULL;
         member = foreign_next(incidents, node, member)) {
        if (member->is_recovered) { /* bad again meanwhile, which nobody here has met */
            member->first_ns = member_first_ns(member);
            member->since_ns = own->since_ns;
        }
        member->is_recovered = true;
        member->recovered_status = EVENT_STATUS_OK;
        member->last_signal_ns = own->last_signal_ns;
        member->recovers_by_silence = own->recovers_by_silence && own->firing_count == 0;
        member->recovered_event_ns = own->recovered_event_ns;
        member->recovered_ns = context->now_ns;
        member_touch(incidents, member);
        struct incident *theirs = incident_at(incidents, member->incident);
        uint64_t due_ns = reroot_due_ns(incidents, context, theirs);
        if (due_ns < theirs->refresh_due_ns) {
            theirs->refresh_due_ns = due_ns;
            incident_schedule(incidents, theirs);
        }
        incident_touch(incidents, theirs);
    }
}

static void recover_quietly(struct incidents *incidents, const struct incident_context *context,
                            struct member *member, enum event_status status, uint64_t event_ns) {
    struct incident *incident = incident_at(incidents, member->incident);
    ASSERT(!member->is_recovered && !member->is_foreign);
    ASSERT(incident->failing_count > 0);
    member->is_recovered = true;
    member->recovered_status = status;
    member->recovered_event_ns =
        event_ns > member->last_signal_ns ? event_ns : member->last_signal_ns;
    member->recovered_ns = context->now_ns;
    member->silence_due_ns = NEVER_NS;
    timers_remove(&incidents->member_timers, member_slot(incidents, member));
    incident->failing_count--;
    incident->updated_ns = context->now_ns;
    graph_set_state(context->graph, member->node,
                    (struct graph_state){.status = EVENT_STATUS_NONE});
    recover_foreign(incidents, context, member);
    member_touch(incidents, member);
    incident_touch(incidents, incident);
}

void member_recover(struct incidents *incidents, const struct incident_context *context,
                    struct member *member, enum event_status status, uint64_t event_ns) {
    struct incident *incident = incident_at(incidents, member->incident);
    bool is_silent = status == EVENT_STATUS_NONE;
    recover_quietly(incidents, context, member, is_silent ? EVENT_STATUS_OK : status, event_ns);
    timeline_add_going(incidents, context, incident, member, "recovered", status);
    if (incident->failing_count == 0) {
        incident_resolve(incidents, context, incident, SLICE("all members have recovered"));
    } else {
        incident_refresh_later(incidents, context, incident);
    }
}

/* One that was told counts for limits.incidents_per_hour until it is an hour old. */
static uint64_t forget_due_of(const struct incident_context *context,
                              const struct incident *incident) {
    const struct policy *policy = incident_policy(context, incident);
    uint64_t due_ns = context->now_ns + policy->reopen_window_ns;
    uint64_t hour_ns = incident->opened_ns + NS_PER_HOUR;
    bool counts = policy->limit_incidents_per_h > 0 && incident->is_told;
    return counts && hour_ns > due_ns ? hour_ns : due_ns;
}

bool incident_is_past(const struct incident_context *context, const struct incident *incident) {
    return incident->status == INCIDENT_RESOLVED && incident->is_end_told &&
           context->now_ns - incident->resolved_ns >
               incident_policy(context, incident)->reopen_window_ns;
}

void incident_resolve(struct incidents *incidents, const struct incident_context *context,
                      struct incident *incident, struct slice detail) {
    ASSERT(incident_is_live(incident));
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(incidents, at);
        at = member->next;
        if (!member->is_recovered && !member->is_foreign) { /* a person says so */
            recover_quietly(incidents, context, member, EVENT_STATUS_OK, member->last_signal_ns);
        }
    }
    ASSERT(incident->failing_count == 0);
    /* People who were not told of the reopening have been told the end already. */
    bool end_is_known = (incident->changes & CHANGE_REOPENED) != 0;
    incident->status = INCIDENT_RESOLVED;
    incidents->open_count--;
    incident->resolved_ns = context->now_ns;
    incident->updated_ns = context->now_ns;
    incident->looks_again = false;
    incident->changes = 0;
    incident->refresh_due_ns = NEVER_NS;
    incident->forget_due_ns = forget_due_of(context, incident);
    incident->is_end_told = !incident->is_told || end_is_known;
    incident->tell_due_ns = incident->is_end_told ? NEVER_NS : context->now_ns;
    timeline_add_suppressed(incidents, context, incident);
    if (!timeline_is_long(incident)) {
        timeline_add(incidents, context, incident, "resolved", detail);
    }
    incident_refresh(incidents, context, incident);
    (void)telling_run(incidents, context, incident);
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

uint64_t incident_reopened_due_ns(const struct incident_context *context,
                                  const struct incident *incident) {
    const struct policy *policy = incident_policy(context, incident);
    uint64_t wait_ns = policy->group_wait_ns;
    if (!incident->is_told && context->now_ns - incident->resolved_ns <= wait_ns) {
        return later(incident->opened_ns + wait_ns, context->now_ns);
    }
    uint64_t due_ns = context->now_ns + wait_ns;
    return incident->flaps ? later(incident->told_ns + policy->group_interval_ns, due_ns) : due_ns;
}

void incident_reopen(struct incidents *incidents, const struct incident_context *context,
                     const struct member *member, enum event_status status) {
    struct incident *incident = incident_at(incidents, member->incident);
    ASSERT(incident->fate == FATE_KEEP && incident->status == INCIDENT_RESOLVED);
    bool end_was_told = incident->is_end_told;
    uint64_t calm_ns = incident->told_ns + incident_policy(context, incident)->group_interval_ns;
    incident->flaps = incident->flaps && context->now_ns < calm_ns &&
                      incident->root == member_slot(incidents, member); /* another is news */
    incident->tell_due_ns = incident_reopened_due_ns(context, incident);
    incident->status = INCIDENT_OPEN;
    incidents->open_count++;
    incident->resolved_ns = 0;
    incident->acknowledged_size = 0;
    incident->acknowledged_by_size = 0;
    incident->is_ended_by_person = false;
    incident->is_end_told = false;
    incident->forget_due_ns = NEVER_NS;
    incident->updated_ns = context->now_ns;
    timeline_add_going(incidents, context, incident, member, "reopened", status);
    if (incident->is_told && end_was_told) {
        incident->changes |= CHANGE_REOPENED;
        incident->reopened_ns = context->now_ns;
    }
    incident_schedule(incidents, incident);
}

void incident_begin_life(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident_is_live(incident));
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(incidents, at);
        at = member->next;
        if (member->is_complaining) {
            member_drop(incidents, member, FATE_DELETE); /* it may complain again */
        } else if (member->is_recovered && !member->is_foreign && !member->is_bygone) {
            member->is_bygone = true;
            incident->bygone_count++;
            member_touch(incidents, member);
        }
    }
}

bool member_begin_life(struct incidents *incidents, struct member *member) {
    if (!member->is_bygone) {
        return false;
    }
    struct incident *incident = incident_at(incidents, member->incident);
    ASSERT(member->is_recovered && incident->bygone_count > 0);
    member->is_bygone = false;
    incident->bygone_count--;
    member_touch(incidents, member);
    return true;
}

static void tell_forgotten(const struct incident_context *context, struct slice row,
                           uint64_t members_bytes) {
    struct incident_remains remains;
    struct status status = incident_remains_read(row, &remains);
    ASSERT(status_is_ok(status)); /* it was written just now */
    remains.bytes += members_bytes;
    if (context->on_forgotten != NULL) {
        context->on_forgotten(context->listener, &remains);
    }
}

void incident_forget(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident) {
    ASSERT(incident->status == INCIDENT_RESOLVED && incident->is_end_told);
    if (incident->is_shelved) {
        shelf_drop(incidents, incident);
        return;
    }
    struct slice row = incident_emit_row(incidents, context, incident, true);
    if (incident->dirty.is_dirty) {
        incident_unlink_dirty(incidents, incident);
    }
    uint64_t members_bytes = 0;
    while (incident->members_first != INDEX_NONE) {
        struct member *member = member_at(incidents, incident->members_first);
        size_t bytes = member_encode(incidents, context, member).size;
        members_bytes += incident_remains_member_bytes(bytes);
        member_drop(incidents, member, FATE_FORGET);
    }
    tell_forgotten(context, row, members_bytes);
    incident_drop(incidents, incident, FATE_FORGET);
    incident_release(incidents, incident);
}
