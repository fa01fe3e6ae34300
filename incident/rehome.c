/*
 * rehome.c - a cause that is reported late takes over what failed by it.
 *
 * What fails joins the nearest bad node upstream that is known at that moment. When two causes
 * overlap, a nearer one may be reported only afterwards, and what it brought down would stay in the
 * other's incident for ever. So when a node turns bad, the members of other incidents downstream of
 * it are asked again, nearest first, who their cause is; those whose cause stands in its incident
 * now move there. A root is not asked: it is explained and merged, or it has a cause of its own.
 * But one that stands in a ring is, by whoever of the ring may be why it fails (cycle.c), or when
 * the cause that it had in its own incident has moved: else the order of arrival would tell.
 *
 * Who moved asks in its turn, a second later, those below it whom the cause does not reach: a chain
 * may be longer than max_hops, and a slow one than the window.
 *
 * Nor does the order matter where the cause is told first: a member that was well and fails again
 * in the same incident, but by what stands in another, goes there.
 *
 * Signals stay counted where they were received. Tenants that hang on a platform node which moved
 * look again at the next advance. Bounded: REHOMED_MAX members and REHOME_TURNS_MAX turns a call,
 * each incident that they left is asked for its tenants once; the rest is asked a second later, as
 * many of them as REHOME_VISITS_MAX lets ask, the farthest from the root first.
 * What has no room in the effects is asked at the next advance, which is that of the same record:
 * room depends on when rows were written, and a replay writes them at other moments.
 */
#include "incident/causes.h"
#include "incident/stale.h"

#define REHOMED_MAX 256u
/* A chain of causes that are as near, the last asked first, takes one a member. */
#define REHOME_TURNS_MAX 8u
/* Of the graph's nodes, by all that ask in one call: some ms. */
#define REHOME_VISITS_MAX 50000u

/* Members that may have joined for want of a nearer cause. */
static bool may_move(struct incidents *incidents, const struct outlook *outlook,
                     const struct member *member, uint32_t target) {
    if (member == NULL || member->is_foreign || member->is_recovered ||
        member->incident == target || !cause_is_in_time(outlook, member->since_ns) ||
        !cause_is_in_window(outlook, member->since_ns, member->last_signal_ns)) {
        return false;
    }
    const struct incident *incident = incident_at(incidents, member->incident);
    const struct member *root = member_at(incidents, incident->root);
    return incident_is_live(incident) && root != member && !root->is_foreign &&
           !root->is_recovered && incident->suspect_node == GRAPH_NODE_NONE;
}

static uint32_t gather_members(struct incidents *incidents, const struct incident_context *context,
                               const struct outlook *outlook, const struct member *cause) {
    uint32_t count = 0;
    uint32_t gathered = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, cause->node, GRAPH_DOWNSTREAM,
                         outlook->hops_max, outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count && gathered < REHOMED_MAX; i++) {
        struct member *member = member_find(incidents, outlook->tenant_hash, visits[i].node);
        if (may_move(incidents, outlook, member, cause->incident)) {
            incidents->sorted[gathered++] = member_slot(incidents, member);
        }
    }
    return gathered;
}

static void say_moved(struct incidents *incidents, const struct incident_context *context,
                      const struct member *member, const struct incident *target) {
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    text_add(&detail, graph_get_node(context->graph, member->node).entity);
    text_add_text(&detail, " to inc_");
    text_add_base32(&detail, target->id);
    timeline_add(incidents, context, incident_at(incidents, member->incident), "moved",
                 text_slice(&detail));
}

static void move(struct incidents *incidents, const struct incident_context *context,
                 struct member *member, struct incident *target) {
    struct incident *before = incident_at(incidents, member->incident);
    say_moved(incidents, context, member, target);
    member_move(incidents, member, target);
    target->rehomes = target->rehomes || member->rehomes_again;
    ASSERT(before->failing_count > 0);
    before->updated_ns = context->now_ns;
    telling_note(incidents, context, target, CHANGE_AFFECTED);
    telling_note_news(incidents, context, target, member->heard_ns);
    incident_refresh_later(incidents, context, before);
    incident_refresh_later(incidents, context, target);
}

/* First seen first, since it is in this order that they are asked; none, last. */
static bool precedes(const void *context, uint32_t a, uint32_t b) {
    bool are_both = a != INDEX_NONE && b != INDEX_NONE;
    return are_both ? incident_precedes((const struct incidents *)context, a, b) : a < b;
}

/* The roots of the first `count` incidents in `sorted`, each once; INDEX_NONE: none. */
static uint32_t list_roots(struct incidents *incidents, uint32_t count, uint32_t *roots_out) {
    uint32_t listed = 0;
    sort_indices(incidents->sorted, count, precedes, incidents);
    for (uint32_t i = 0; i < count && incidents->sorted[i] != INDEX_NONE; i++) {
        if (i == 0 || incidents->sorted[i - 1] != incidents->sorted[i]) {
            roots_out[listed++] = incident_at(incidents, incidents->sorted[i])->root;
        }
    }
    return listed;
}

/* Those that are roots still; what is merged meanwhile has its cause. */
static struct incident *find_rooted(struct incidents *incidents, uint32_t root) {
    const struct member *member = &incidents->members[root];
    struct incident *incident = member->is_used ? incident_at(incidents, member->incident) : NULL;
    bool is_root = incident != NULL && incident->root == root && incident_is_live(incident);
    return is_root ? incident : NULL;
}

/* The incidents of a ring whose root is too far from the cause, or failed too early, to be bound to
 * it, while another of the ring is: they are explained whole, as if it had been told first. */
static void explain_rings(struct incidents *incidents, const struct incident_context *context,
                          uint32_t count) {
    uint32_t roots[REHOMED_MAX];
    for (uint32_t i = 0; i < count; i++) {
        incidents->sorted[i] = member_at(incidents, incidents->sorted[i])->incident;
    }
    uint32_t listed = list_roots(incidents, count, roots);
    for (uint32_t i = 0; i < listed; i++) {
        struct incident *incident = find_rooted(incidents, roots[i]);
        if (incident != NULL) {
            correlate_explain_ring(incidents, context, incident);
        }
    }
}

/* `sorted` holds what incident each of the members left; INDEX_NONE: none. One of them may have
 * been why its root fails, in a ring. */
static void ask_those_left(struct incidents *incidents, const struct incident_context *context,
                           uint32_t count) {
    uint32_t roots[REHOMED_MAX];
    uint32_t listed = list_roots(incidents, count, roots);
    for (uint32_t i = 0; i < listed; i++) {
        struct incident *left = find_rooted(incidents, roots[i]);
        if (left != NULL) {
            reach_ask_again(incidents, left, left->root_node);
            correlate_explain(incidents, context, left);
        }
    }
}

/* It has not asked all; with the next refresh, a second later. */
static void note_rest(struct incidents *incidents, const struct incident_context *context,
                      struct member *cause) {
    struct incident *incident = incident_at(incidents, cause->incident);
    cause->rehomes_again = true;
    incident->rehomes = true;
    member_touch(incidents, cause);
    incident_touch(incidents, incident); /* it may be due sooner already */
    incident_refresh_later(incidents, context, incident);
}

/* Whether the member's cause stands in the incident of `cause` now; then it moves there. */
static bool follow(struct incidents *incidents, const struct incident_context *context,
                   struct member *member, const struct member *cause) {
    struct outlook theirs = outlook_of_member(incidents, context, member);
    cause_gather_explained(incidents, context, &theirs, member->node, NULL);
    struct cause found = cause_find(incidents, context, &theirs, member->node, NULL);
    if (!found.is_found || found.is_foreign || found.is_cycle) {
        return false;
    }
    const struct member *via = member_find(incidents, theirs.tenant_hash, found.node);
    if (via->incident != cause->incident) {
        return false;
    }
    member->hops = via->hops + found.hops;
    move(incidents, context, member, incident_at(incidents, cause->incident));
    return true;
}

/* Asks the first `count` in `sorted`, and once more all that stayed as long as any moves: the cause
 * of one may be another that is as near. false: there was no room. left_out: the incidents that
 * they left, or INDEX_NONE; moves_out: the last turn moved some, so that others may follow. */
static bool move_all(struct incidents *incidents, const struct incident_context *context,
                     const struct member *cause, uint32_t count, uint32_t *left_out,
                     bool *moves_out) {
    *moves_out = true;
    for (uint32_t turn = 0; turn < REHOME_TURNS_MAX && *moves_out; turn++) {
        *moves_out = false;
        for (uint32_t i = 0; i < count; i++) {
            struct member *member = member_at(incidents, incidents->sorted[i]);
            uint32_t before = member->incident;
            if (before == cause->incident) {
                continue;
            }
            if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
                return false;
            }
            if (follow(incidents, context, member, cause)) {
                left_out[i] = before;
                *moves_out = true;
            }
        }
    }
    return true;
}

static bool contains(const uint32_t *slots, uint32_t count, uint32_t slot) {
    for (uint32_t i = 0; i < count; i++) {
        if (slots[i] == slot) {
            return true;
        }
    }
    return false;
}

/* Whoever moved brings its own dependants along. Some may lie too many hops below the cause, or
 * have failed too long after it, to be among the `count` that were asked: it asks them itself. The
 * farthest first, as those above it often reach no others. */
static void note_beyond(struct incidents *incidents, const struct incident_context *context,
                        const uint32_t *asked, const uint32_t *left, uint32_t count) {
    uint32_t known[2 * REHOMED_MAX];
    uint32_t known_count = count;
    memcpy(known, asked, count * sizeof(known[0]));
    for (uint32_t i = count; i > 0; i--) {
        if (left[i - 1] == INDEX_NONE) {
            continue;
        }
        struct member *moved = member_at(incidents, asked[i - 1]);
        struct outlook outlook = outlook_of_member(incidents, context, moved);
        uint32_t below = gather_members(incidents, context, &outlook, moved);
        bool is_beyond = false;
        for (uint32_t k = 0; k < below; k++) {
            bool is_new = !contains(known, known_count, incidents->sorted[k]);
            is_beyond = is_beyond || is_new;
            if (is_new && known_count < 2 * REHOMED_MAX) {
                known[known_count++] = incidents->sorted[k];
            }
        }
        if (is_beyond) {
            note_rest(incidents, context, moved);
        }
    }
}

void correlate_rehome(struct incidents *incidents, const struct incident_context *context,
                      struct member *cause, uint64_t until_ns) {
    struct outlook outlook = outlook_of_member(incidents, context, cause);
    uint32_t asked[REHOMED_MAX];
    uint32_t left[REHOMED_MAX];
    outlook.until_ns = until_ns;
    explain_rings(incidents, context, gather_members(incidents, context, &outlook, cause));
    uint32_t count = gather_members(incidents, context, &outlook, cause);
    for (uint32_t i = 0; i < count; i++) {
        asked[i] = incidents->sorted[i];
    }
    memset(left, 0xFF, sizeof(left));
    bool moves = false;
    bool is_whole = move_all(incidents, context, cause, count, left, &moves);
    note_beyond(incidents, context, asked, left, count);
    uint32_t moved = 0;
    for (uint32_t i = 0; i < count; i++) {
        incidents->sorted[i] = left[i];
        moved += left[i] != INDEX_NONE ? 1 : 0;
    }
    /* Behind the first REHOMED_MAX only when some of these moved: else they are the same for ever.
     */
    if (!is_whole || moves || (count == REHOMED_MAX && moved > 0)) {
        note_rest(incidents, context, cause);
    }
    if (!is_whole) {
        incident_look_again(incidents, incident_at(incidents, cause->incident));
    }
    ask_those_left(incidents, context, count); /* may merge the target */
}

/* The farthest first, as those above it often find nothing left to ask; then by number, as no list
 * keeps its order. */
static bool asks_before(const void *context, uint32_t a, uint32_t b) {
    const struct incidents *incidents = context;
    const struct member *left = &incidents->members[a];
    const struct member *right = &incidents->members[b];
    return left->hops != right->hops ? left->hops > right->hops : left->node < right->node;
}

/* Up to REHOMED_MAX of those that have not asked all. */
static uint32_t take_waiting(struct incidents *incidents, struct incident *incident,
                             uint32_t *waiting_out) {
    uint32_t count = 0;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        if (member->rehomes_again) {
            incidents->sorted[count++] = at;
        }
        at = member->next;
    }
    sort_indices(incidents->sorted, count, asks_before, incidents);
    uint32_t taken = count < REHOMED_MAX ? count : REHOMED_MAX;
    memcpy(waiting_out, incidents->sorted, taken * sizeof(waiting_out[0]));
    incident->rehomes = count > taken;
    return taken;
}

/* Whether another may ask now: the first of a call may, whatever it costs. */
static bool may_go_on(struct incidents *incidents, const struct incident_context *context,
                      struct incident *home, uint64_t visited) {
    if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
        incident_look_again(incidents, home);
        return false;
    }
    return visited < REHOME_VISITS_MAX;
}

void rehome_again(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident) {
    if (!incident->rehomes || !incident_is_live(incident)) {
        return;
    }
    uint32_t waiting[REHOMED_MAX];
    uint32_t count = take_waiting(incidents, incident, waiting);
    uint64_t before = graph_search_visited(context->search);
    bool goes_on = true;
    for (uint32_t i = 0; i < count; i++) {
        struct member *cause = &incidents->members[waiting[i]];
        struct incident *home = cause->is_used ? incident_at(incidents, cause->incident) : NULL;
        if (home == NULL || !cause->rehomes_again || !incident_is_live(home)) {
            continue; /* what came before it has changed that */
        }
        uint64_t visited = graph_search_visited(context->search) - before;
        goes_on = goes_on && may_go_on(incidents, context, home, visited);
        if (!goes_on) {
            home->rehomes = true;
            continue;
        }
        cause->rehomes_again = false;
        member_touch(incidents, cause);
        if (!cause->is_recovered) {
            correlate_rehome(incidents, context, cause, 0);
        }
    }
}

bool rehome_leads_away(struct incidents *incidents, const struct incident_context *context,
                       const struct member *member, const struct signal *signal,
                       const struct policy *policy) {
    const struct incident *incident = incident_at(incidents, member->incident);
    if (incident->suspect_node != GRAPH_NODE_NONE ||
        member_at(incidents, incident->root)->is_foreign ||
        stale_is(context, member->node, signal)) {
        return false;
    }
    struct outlook outlook = outlook_of_signal(incidents, context, policy, member->node, signal);
    outlook.sees_resolved = false;
    cause_gather_explained(incidents, context, &outlook, member->node, NULL);
    struct cause cause = cause_find(incidents, context, &outlook, member->node, NULL);
    if (!cause.is_found || cause.is_foreign || cause.is_cycle || cause.is_over) {
        return false;
    }
    uint32_t home = member_find(incidents, outlook.tenant_hash, cause.node)->incident;
    if (home == member->incident) {
        return false;
    }
    say_moved(incidents, context, member, incident_at(incidents, home));
    return true;
}
