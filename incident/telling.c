/*
 * telling.c - what people are told, and when.
 *
 *   OPENED    opened + group_wait; when no sink took it then, or a silence put it off: also a
 *             change + group_wait; and when the hour comes that a route or a silence asks for
 *
 *   UPDATED   a change worth telling: at the earliest last message + group_interval; made by a
 *             person: at once; reopened: group_wait after it, by what failed before people
 *             were told the end: as any other
 *
 *   UPDATED   last message + repeat_interval, while open and not acknowledged
 *
 *   RESOLVED  at once, when anything was told before
 *
 * A silence (of the tenant's configuration, or an operator's) puts a message off until it ends, or
 * until a change that makes it none of the silence's, and says so once in the timeline; the end of
 * an incident that was told is told all the same: it wakes nobody, and nobody goes on looking.
 *
 * An acknowledged incident is not repeated; changes are told as of any other. A message becomes one
 * outbox row a sink that the tenant's routes name; none: nothing was told. For a sink that has
 * not heard of the incident an update is OPENED; the end goes to all that have, whatever routes say
 * by then. Message id = hash of (incident id, version, sink): the same after a replay.
 */
#include "incident/affected.h"
#include "incident/lifecycle.h"
#include "incident/rows.h"

/* Formats of core/outbox.h, written here because this room may not look into core. */
enum outbox_row_type { ROW_OPENED = 1, ROW_UPDATED = 2, ROW_RESOLVED = 3 };
#define CLOSING_BYTES_MAX (UINT64_C(16) << 10)
/* Header, names and keys around a payload. */
#define OUTBOX_OVERHEAD_BYTES_MAX 1024u

static const char *const row_type_words[] = {
    [ROW_OPENED] = "opened", [ROW_UPDATED] = "updated", [ROW_RESOLVED] = "resolved"};

static uint64_t due_of(const struct incident_context *context, const struct incident *incident,
                       uint32_t changes) {
    const struct policy *policy = incident_policy(context, incident);
    if ((changes & CHANGE_ACKNOWLEDGED) != 0) {
        return context->now_ns;
    }
    uint64_t waited_ns =
        context->now_ns + policy->group_wait_ns; /* what comes with it comes along */
    if (!incident->is_told) { /* no sink took it so far: there is no message to keep away from */
        return waited_ns;
    }
    uint64_t due_ns = incident->told_ns + policy->group_interval_ns;
    return due_ns > waited_ns ? due_ns : waited_ns;
}

void telling_note(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident, uint32_t changes) {
    ASSERT(incident_is_live(incident));
    incident->changes |= changes;
    incident->updated_ns = context->now_ns;
    if (incident->is_announced || (changes & CHANGE_ACKNOWLEDGED) != 0) {
        uint64_t due_ns = due_of(context, incident, changes);
        if (due_ns < incident->tell_due_ns) {
            incident->tell_due_ns = due_ns;
        }
    }
    incident_schedule(incidents, incident);
}

void telling_put_off(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident) {
    ASSERT(incident_is_live(incident) && incident->is_told);
    uint64_t due_ns = due_of(context, incident, 0);
    if (due_ns > incident->tell_due_ns) {
        incident->tell_due_ns = due_ns;
        incident_schedule(incidents, incident);
    }
}

void telling_note_news(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, uint64_t heard_ns) {
    uint64_t due_ns = incident_reopened_due_ns(context, incident);
    if (incident_is_live(incident) && (incident->changes & CHANGE_REOPENED) != 0 &&
        heard_ns > incident->told_ns && due_ns < incident->tell_due_ns) {
        incident->tell_due_ns = due_ns;
        incident_schedule(incidents, incident);
    }
}

static struct slice render(struct incidents *incidents, const struct incident_context *context,
                           const struct incident *incident, size_t bytes_max,
                           struct render_options options) {
    struct incident_row row;
    struct status status =
        incident_row_decode(incident_encode(incidents, context, incident, false), &row);
    ASSERT(status_is_ok(status));
    struct affected affected;
    affected_list(&affected, incidents, context, incident, !slice_is_empty(options.merged_into));
    options.affected_more = affected.more;
    struct incident_members_source source = {.next = affected_next, .context = &affected};
    struct text json = text_over(incidents->json, bytes_max);
    incident_render(&row, &source, &options, &json, &status);
    ASSERT(status_is_ok(status) && !json.truncated);
    return text_slice(&json);
}

/* What is told now was told before: that it waited for a silence's end is no news. */
static bool is_repeat(const struct incident *incident) {
    return (incident->changes & ~(uint32_t)CHANGE_SILENCED) == 0;
}

static void emit_outbox(struct incidents *incidents, const struct incident_context *context,
                        const struct incident *incident, enum outbox_row_type type,
                        struct slice sink, struct slice payload) {
    uint8_t version[4];
    struct writer version_writer = writer_over(version, sizeof(version));
    writer_u32(&version_writer, incident->version);
    struct slice id = slice_of(&incident->id, sizeof(incident->id));
    struct slice parts[3] = {id, writer_slice(&version_writer), sink};
    uint64_t number = incidents->next_outbox_number++;
    struct writer writer = writer_over(incidents->row, incidents->row_capacity);
    writer_u64(&writer, number);
    writer_u64(&writer, context->now_ns);
    writer_hash128(&writer, incident->id);
    writer_hash128(&writer, hash128_of_parts(parts, 3, incidents->hash_seed));
    writer_u32(&writer, incident->version);
    writer_u8(&writer, (uint8_t)type);
    writer_u8(&writer, 0);
    writer_u8(&writer, type == ROW_UPDATED && is_repeat(incident) ? 1 : 0);
    writer_u8(&writer, 0);
    writer_text(&writer, incident_tenant(incident));
    writer_text(&writer, sink);
    writer_text(&writer, payload);
    ASSERT(!writer.failed);
    uint8_t key[8];
    struct writer key_writer = writer_over(key, sizeof(key));
    writer_u64_big_endian(&key_writer, number);
    effect_put(context->effects, STORE_TABLE_OUTBOX, writer_slice(&key_writer),
               writer_slice(&writer));
}

/* What routes and silences see of an incident; its memory. */
struct subject {
    char root[ENTITY_BYTES_MAX + 16];
    struct policy_label labels[2 * POLICY_LABELS_MAX];
    struct policy_subject of;
};

static void describe(struct incidents *incidents, const struct incident_context *context,
                     const struct incident *incident, struct subject *subject) {
    const struct policy *policy = incident_policy(context, incident);
    struct text root = text_over(subject->root, sizeof(subject->root));
    incident_add_root(&root, context, incident, member_at(incidents, incident->root)->is_foreign);
    subject->of = (struct policy_subject){
        .severity = incident->severity,
        .root_entity = text_slice(&root),
        .owner = severity_owner(policy, text_slice(&root)),
        .labels = subject->labels,
        .labels_count = policy_labels(policy, text_slice(&root), subject->labels),
        .now_ns = context->now_ns,
    };
}

static uint32_t route(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident, struct slice *sinks) {
    struct subject subject;
    describe(incidents, context, incident, &subject);
    return policy_route_incident(incident_policy(context, incident), &subject.of, sinks);
}

static uint32_t sink_mark(struct slice sink) {
    return (uint32_t)hash64_of(sink, 0);
}

static bool knows(const struct incident *incident, struct slice sink) {
    for (uint32_t i = 0; i < incident->told_sinks_count; i++) {
        if (incident->told_sinks[i] == sink_mark(sink)) {
            return true;
        }
    }
    return false;
}

static void note_told(struct incident *incident, struct slice sink) {
    if (!knows(incident, sink) && incident->told_sinks_count < SINKS_PER_TENANT_MAX) {
        incident->told_sinks[incident->told_sinks_count++] = sink_mark(sink);
    }
}

/* Of a reopened incident: who is not told that it is back is not told its next end either. */
static void keep_told(struct incident *incident, const struct slice *sinks, uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < incident->told_sinks_count; i++) {
        bool goes_on = false;
        for (uint32_t k = 0; k < count; k++) {
            goes_on = goes_on || sink_mark(sinks[k]) == incident->told_sinks[i];
        }
        if (goes_on) {
            incident->told_sinks[kept++] = incident->told_sinks[i];
        }
    }
    incident->told_sinks_count = kept;
}

/* The end is for whoever was told before, whatever routes say of it by now: its severity and root
 * may have changed, and the hour has. When none of them is there any more, it is for whom routes
 * name: somebody else may be the same by another name. */
static uint32_t route_end(struct incidents *incidents, const struct incident_context *context,
                          const struct incident *incident, struct slice *sinks) {
    const struct policy *policy = incident_policy(context, incident);
    uint32_t count = 0;
    if (incident->told_sinks_unknown) {
        return route(incidents, context, incident, sinks);
    }
    for (uint32_t i = 0; i < policy->sinks_count && count < SINKS_PER_TENANT_MAX; i++) {
        if (knows(incident, policy->sinks[i])) {
            sinks[count++] = policy->sinks[i];
        }
    }
    bool are_gone = count == 0 && incident->told_sinks_count > 0;
    return are_gone ? route(incidents, context, incident, sinks) : count;
}

/* "updated to a, b": those that are told so. */
static void add_told(struct text *detail, enum outbox_row_type type, const struct slice *sinks,
                     const enum outbox_row_type *types, uint32_t count) {
    bool is_first = true;
    for (uint32_t i = 0; i < count; i++) {
        if (types[i] != type) {
            continue;
        }
        text_add_text(detail, !is_first ? ", " : detail->size > 0 ? "; " : "");
        if (is_first) {
            text_add_format(detail, "%s to ", row_type_words[type]);
        }
        text_add(detail, sinks[i]);
        is_first = false;
    }
}

/* Whether a sink took it. */
static bool send(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident, enum outbox_row_type type,
                 const struct render_options *options, uint64_t bytes_max) {
    struct slice sinks[SINKS_PER_TENANT_MAX];
    uint32_t count = type == ROW_RESOLVED ? route_end(incidents, context, incident, sinks)
                                          : route(incidents, context, incident, sinks);
    if ((incident->changes & CHANGE_REOPENED) != 0 && type != ROW_RESOLVED) {
        keep_told(incident, sinks, count);
        incident->told_sinks_unknown = incident->told_sinks_unknown && count > 0;
    }
    if (count == 0) {
        return false;
    }
    bool is_unknown = incident->told_sinks_unknown;
    incident->told_sinks_unknown = false;
    uint64_t share = bytes_max / count - OUTBOX_OVERHEAD_BYTES_MAX;
    incident->version++;
    struct slice payload =
        render(incidents, context, incident,
               share < INCIDENT_JSON_BYTES_MAX ? share : INCIDENT_JSON_BYTES_MAX, *options);
    enum outbox_row_type types[SINKS_PER_TENANT_MAX];
    for (uint32_t i = 0; i < count; i++) {
        bool is_first = type == ROW_UPDATED && !is_unknown && !knows(incident, sinks[i]);
        types[i] = is_first ? ROW_OPENED : type;
        emit_outbox(incidents, context, incident, types[i], sinks[i], payload);
        note_told(incident, sinks[i]);
    }
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    add_told(&detail, type, sinks, types, count);
    if (type == ROW_UPDATED) {
        add_told(&detail, ROW_OPENED, sinks, types, count);
    }
    timeline_add(incidents, context, incident, "told", text_slice(&detail));
    return true;
}

static void put_off(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, uint64_t until_ns, struct slice who,
                    struct slice reason) {
    incident->tell_due_ns = until_ns;
    if ((incident->changes & CHANGE_SILENCED) == 0) {
        char words[DETAIL_BYTES_MAX];
        struct text detail = text_over(words, sizeof(words));
        text_add_text(&detail, "until ");
        text_add_time(&detail, until_ns, 0);
        text_add_text(&detail, " by ");
        text_add(&detail, who);
        text_add_text(&detail, ": ");
        text_add(&detail, reason);
        incident->changes |= CHANGE_SILENCED;
        timeline_add(incidents, context, incident, "silenced", text_slice(&detail));
    }
    incident_schedule(incidents, incident);
}

/* Whether a silence puts the message off. */
static bool is_silenced(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident) {
    const struct policy *policy = incident_policy(context, incident);
    struct subject subject;
    if (policy->silences_count == 0 && context->silences_count == 0) {
        return false;
    }
    describe(incidents, context, incident, &subject);
    const struct policy_silence *declared = policy_find_silence(
        policy->silences, policy->silences_count, slice_of(NULL, 0), &subject.of);
    const struct policy_silence *made = policy_find_silence(
        context->silences, context->silences_count, incident_tenant(incident), &subject.of);
    bool is_made = declared == NULL || (made != NULL && made->end_ns > declared->end_ns);
    const struct policy_silence *silence = is_made ? made : declared;
    if (silence == NULL) {
        return false;
    }
    uint64_t rest_ns = policy_match_changes_ns(&silence->match, context->now_ns);
    put_off(incidents, context, incident, silence->end_ns < rest_ns ? silence->end_ns : rest_ns,
            silence->who, silence->reason);
    incident->is_announced = true; /* what changes may be no matter of the silence any more */
    return true;
}

/* Whether the tenant opened as many incidents within an hour as its limit lets people be told of:
 * the next is told when the first of them is an hour old. */
static bool is_over_limit(struct incidents *incidents, const struct incident_context *context,
                          struct incident *incident) {
    uint32_t limit = incident_policy(context, incident)->limit_incidents_per_h;
    uint32_t used = incidents->incidents_max - incidents->incidents_free_count;
    uint32_t told = 0;
    uint64_t oldest_ns = context->now_ns;
    for (uint32_t i = 0;
         limit > 0 && !incident->is_told && used > 0 && i < incidents->incidents_max; i++) {
        const struct incident *other = &incidents->incidents[i];
        used -= other->is_used ? 1 : 0;
        bool counts = other->is_used && other->fate == FATE_KEEP && other->is_told &&
                      other->tenant_hash == incident->tenant_hash &&
                      other->opened_ns + NS_PER_HOUR > context->now_ns;
        told += counts ? 1 : 0;
        oldest_ns = counts && other->opened_ns < oldest_ns ? other->opened_ns : oldest_ns;
    }
    if (limit == 0 || told < limit) {
        return false;
    }
    put_off(incidents, context, incident, oldest_ns + NS_PER_HOUR, SLICE("the tenant's limits"),
            SLICE("limits.incidents_per_hour"));
    return true;
}

static void hasten(struct incidents *incidents, struct incident *incident, uint64_t due_ns) {
    if (incident->tell_due_ns != NEVER_NS && due_ns < incident->tell_due_ns) {
        incident->tell_due_ns = due_ns;
        incident_schedule(incidents, incident);
        incident_touch(incidents, incident);
    }
}

void incidents_revisit_silenced(struct incidents *incidents,
                                const struct incident_context *context) {
    uint32_t used = incidents->incidents_max - incidents->incidents_free_count;
    for (uint32_t i = 0; used > 0 && i < incidents->incidents_max; i++) {
        struct incident *incident = &incidents->incidents[i];
        used -= incident->is_used ? 1 : 0;
        if (incident->is_used && incident->fate == FATE_KEEP &&
            (incident->changes & CHANGE_SILENCED) != 0) {
            hasten(incidents, incident, context->now_ns);
        }
    }
}

/* Never now: the shard advances until nothing is due, so one record would tell for ever. */
static uint64_t repeat_due_ns(const struct incident_context *context,
                              const struct incident *incident) {
    uint64_t interval_ns = incident_policy(context, incident)->repeat_interval_ns;
    if (incident->status != INCIDENT_OPEN || interval_ns >= NEVER_NS - context->now_ns) {
        return NEVER_NS;
    }
    return context->now_ns + (interval_ns < NS_PER_S ? NS_PER_S : interval_ns);
}

/* No sink took it: when the hour leads elsewhere, too. */
static uint64_t next_due_ns(const struct incident_context *context, const struct incident *incident,
                            bool is_sent) {
    uint64_t repeat_ns = repeat_due_ns(context, incident);
    if (is_sent || incident->status != INCIDENT_OPEN) {
        return repeat_ns;
    }
    uint64_t route_ns =
        policy_routes_change_ns(incident_policy(context, incident), context->now_ns);
    return route_ns < repeat_ns ? route_ns : repeat_ns;
}

/* When it is told at the latest, by the policy of now. Whom no route named may be told at last. */
static uint64_t latest_due_ns(const struct incident_context *context,
                              const struct incident *incident) {
    const struct policy *policy = incident_policy(context, incident);
    if (!incident->is_told) {
        return context->now_ns + policy->group_wait_ns;
    }
    if (incident->changes != 0) {
        return due_of(context, incident, 0);
    }
    if (policy->repeat_interval_ns >= NEVER_NS - incident->told_ns) {
        return NEVER_NS;
    }
    uint64_t repeat_ns = incident->told_ns + policy->repeat_interval_ns;
    uint64_t soonest_ns = context->now_ns + NS_PER_S;
    return repeat_ns > soonest_ns ? repeat_ns : soonest_ns;
}

void incidents_revisit_waits(struct incidents *incidents, const struct incident_context *context) {
    uint32_t used = incidents->incidents_max - incidents->incidents_free_count;
    for (uint32_t i = 0; used > 0 && i < incidents->incidents_max; i++) {
        struct incident *incident = &incidents->incidents[i];
        used -= incident->is_used ? 1 : 0;
        if (incident->is_used && incident->fate == FATE_KEEP && incident_is_live(incident) &&
            (incident->changes & CHANGE_SILENCED) == 0) {
            hasten(incidents, incident, latest_due_ns(context, incident));
        }
    }
}

bool telling_run(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident) {
    if (incident->fate != FATE_KEEP || incident->tell_due_ns > context->now_ns) {
        return true;
    }
    if (effects_room(context->effects) < TELLING_BYTES_MAX + (64 * KIB)) {
        return false;
    }
    bool is_end = incident->status == INCIDENT_RESOLVED;
    ASSERT(!is_end || (incident->is_told && !incident->is_end_told));
    if (!is_end && (is_silenced(incidents, context, incident) ||
                    is_over_limit(incidents, context, incident))) {
        return true;
    }
    if (!is_end) {
        timeline_add_suppressed(incidents, context, incident);
    }
    incident_refresh(incidents, context, incident);
    incident->updated_ns = context->now_ns;
    struct render_options options = {.affected_max = INCIDENT_AFFECTED_TOLD_MAX};
    enum outbox_row_type type = is_end              ? ROW_RESOLVED
                                : incident->is_told ? ROW_UPDATED
                                                    : ROW_OPENED;
    bool is_sent = send(incidents, context, incident, type, &options, TELLING_BYTES_MAX);
    incident->is_told = incident->is_told || is_sent;
    incident->is_end_told = is_end;
    incident->is_announced = true;
    incident->flaps = incident->flaps || (!is_end && (incident->changes & CHANGE_REOPENED) != 0);
    incident->changes = 0;
    incident->told_ns = context->now_ns;
    incident->tell_due_ns = next_due_ns(context, incident, is_sent);
    incident_schedule(incidents, incident);
    return true;
}

size_t telling_closing_bytes(const struct incident_context *context,
                             const struct incident *incident) {
    const struct policy *policy = incident_policy(context, incident);
    size_t rows = incident->is_told ? policy->sinks_count : 0;
    return 4096 + rows * (CLOSING_BYTES_MAX + OUTBOX_OVERHEAD_BYTES_MAX);
}

void telling_close_merged(struct incidents *incidents, const struct incident_context *context,
                          struct incident *loser, struct hash128 survivor_id) {
    ASSERT(loser->is_told && loser->status == INCIDENT_RESOLVED);
    char words[64];
    struct text survivor = text_over(words, sizeof(words));
    text_add_text(&survivor, "inc_");
    text_add_base32(&survivor, survivor_id);
    struct render_options options = {.affected_max = AFFECTED_CLOSING_MAX,
                                     .merged_into = text_slice(&survivor)};
    loser->updated_ns = context->now_ns;
    struct slice sinks[SINKS_PER_TENANT_MAX];
    uint32_t count = route_end(incidents, context, loser, sinks);
    if ((loser->changes & CHANGE_REOPENED) != 0 || count == 0) {
        return; /* its end was told, its reopening was not */
    }
    incident_agree_counts(incidents, context, loser);
    (void)send(incidents, context, loser, ROW_RESOLVED, &options,
               count * (CLOSING_BYTES_MAX + OUTBOX_OVERHEAD_BYTES_MAX));
}
