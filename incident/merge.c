/*
 * merge.c - two incidents become one, and an incident gets another root.
 *
 * The id that people saw first survives: one that was told before one that was not, then the one
 * opened first. What the loser leaves: an alias row to the survivor, its timeline, which ends with
 * "merged", and, when it was told, one closing message under its own id. Its other rows go. The
 * survivor's timeline says what it was and what the person said who had acknowledged it; whether
 * the survivor is acknowledged stays as it was: its cause is another.
 */
#include "incident/causes.h"
#include "incident/rows.h"

bool incident_precedes(const struct incidents *incidents, uint32_t a, uint32_t b) {
    const struct incident *left = &incidents->incidents[a];
    const struct incident *right = &incidents->incidents[b];
    if (left->is_told != right->is_told) {
        return left->is_told;
    }
    if (left->opened_ns != right->opened_ns) {
        return left->opened_ns < right->opened_ns;
    }
    if (left->opened_seq != right->opened_seq) {
        return left->opened_seq < right->opened_seq;
    }
    if (left->opened_index != right->opened_index) {
        return left->opened_index < right->opened_index;
    }
    return left->id.hi != right->id.hi ? left->id.hi < right->id.hi : left->id.lo < right->id.lo;
}

static void emit_alias(const struct incident_context *context, struct hash128 from,
                       struct hash128 to) {
    uint8_t key[16];
    uint8_t value[16];
    struct writer key_writer = writer_over(key, sizeof(key));
    struct writer value_writer = writer_over(value, sizeof(value));
    writer_hash128(&key_writer, from);
    writer_hash128(&value_writer, to);
    effect_put(context->effects, STORE_TABLE_ALIAS, writer_slice(&key_writer),
               writer_slice(&value_writer));
}

static void merge_traces(struct incident *survivor, const struct incident *loser) {
    for (uint32_t i = 0; i < loser->traces_count; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < survivor->traces_count; k++) {
            is_known = is_known || hash128_equals(survivor->traces[k], loser->traces[i]);
        }
        if (!is_known && survivor->traces_count < INCIDENT_TRACE_IDS_MAX) {
            survivor->traces[survivor->traces_count++] = loser->traces[i];
        }
    }
}

static void add_id(struct text *detail, struct hash128 id) {
    text_add_text(detail, "inc_");
    text_add_base32(detail, id);
}

/* Into both timelines; the loser's rows stay. */
static void tell_timelines(struct incidents *incidents, const struct incident_context *context,
                           struct incident *survivor, struct incident *loser) {
    char words[DETAIL_BYTES_MAX];
    struct text into = text_over(words, sizeof(words));
    text_add_text(&into, "into ");
    add_id(&into, survivor->id);
    timeline_add(incidents, context, loser, "merged", text_slice(&into));
    loser->timeline_deleted = loser->timeline_next;

    char entity_words[ENTITY_BYTES_MAX + 16];
    struct text entity = text_over(entity_words, sizeof(entity_words));
    const struct member *root = member_at(incidents, loser->root);
    bool is_suspected = loser->suspect_node != GRAPH_NODE_NONE;
    incident_add_root(&entity, context, loser, root->is_foreign);
    struct text detail = text_over(words, sizeof(words));
    add_id(&detail, loser->id);
    text_add_text(&detail, ": ");
    title_add(&detail, text_slice(&entity), is_suspected ? NULL : root, (struct title_counts){0});
    if (loser->acknowledged_size > 0) {
        text_add_text(&detail, "; acknowledged ");
        text_add(&detail, slice_of(loser->acknowledged, loser->acknowledged_size));
    }
    timeline_add(incidents, context, survivor, "merged", text_slice(&detail));
}

void incident_merge(struct incidents *incidents, const struct incident_context *context,
                    struct incident *survivor, struct incident *loser) {
    ASSERT(survivor != loser);
    ASSERT(survivor->tenant_hash == loser->tenant_hash);
    ASSERT(incident_is_live(survivor) && incident_is_live(loser));
    loser->status = INCIDENT_RESOLVED;
    loser->resolved_ns = context->now_ns;
    incidents->open_count--;
    if (loser->is_told) {
        telling_close_merged(incidents, context, loser, survivor->id);
    }
    tell_timelines(incidents, context, survivor, loser);
    while (loser->members_first != INDEX_NONE) {
        struct member *member = member_at(incidents, loser->members_first);
        reach_ask_again(incidents, loser, member->node);
        member_move(incidents, member, survivor);
    }
    survivor->signals_total += loser->signals_total;
    survivor->signals_unique += loser->signals_unique;
    survivor->suppressed_shown += loser->suppressed_shown;
    merge_traces(survivor, loser);
    survivor->updated_ns = context->now_ns;
    survivor->rehomes = survivor->rehomes || loser->rehomes; /* its members do */
    emit_alias(context, loser->id, survivor->id);
    incidents->merged_seq = loser->version > 0 ? context->cause_seq : incidents->merged_seq;
    enum event_severity severity = loser->severity;
    bool is_news =
        (loser->changes & CHANGE_REOPENED) == 0 || loser->tell_due_ns < survivor->tell_due_ns;
    incident_drop(incidents, loser, FATE_DELETE);
    severity_raise(incidents, context, survivor, severity);
    telling_note(incidents, context, survivor, CHANGE_AFFECTED);
    if (is_news) { /* what the loser has told or would have is news to who was told the end */
        telling_note_news(incidents, context, survivor, NEVER_NS);
    }
    incident_refresh_later(incidents, context, survivor);
    incident_touch(incidents, survivor);
}

void incident_set_root(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, struct member *root) {
    ASSERT(member_slot(incidents, root) != INDEX_NONE);
    ASSERT(root->incident == incident_slot(incidents, incident));
    uint32_t slot = member_slot(incidents, root);
    if (incident->root == slot) {
        return;
    }
    uint32_t before = incident->root_node;
    incident->root = slot;
    incident->root_node = root->node;
    incident->suspect_node = GRAPH_NODE_NONE; /* whoever still suspects it says so again */
    incident->asks_kin = false;               /* that was the one before */
    root->hops = 0;
    member_touch(incidents, root);
    incident_touch(incidents, incident);
    if (before == GRAPH_NODE_NONE || before == root->node) {
        return;
    }
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    struct member *old = member_find(incidents, incident->tenant_hash, before);
    entity_add(&detail, graph_get_node(context->graph, before).entity,
               old != NULL && old->is_foreign);
    text_add_text(&detail, " to ");
    entity_add(&detail, graph_get_node(context->graph, root->node).entity, root->is_foreign);
    timeline_add(incidents, context, incident, "re-rooted", text_slice(&detail));
    reach_ask_again(incidents, incident, before);
    telling_note(incidents, context, incident, CHANGE_ROOT);
    incident_refresh_later(incidents, context, incident);
}
