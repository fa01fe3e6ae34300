/*
 * mention.c - an error message that names another entity in trouble is a hint of an edge.
 *
 * When a node turns bad, its message is searched for the names of the tenant's other bad entities
 * in the window, and their messages for its name. A name counts as a whole word of at least
 * MENTION_BYTES_MIN bytes; in a message that says "upstream", so does the name of its system, the
 * part before the first dash. The one that names depends on the one named: a learned edge, unless a
 * path joins them already in either direction, so a mention never makes a cycle.
 *
 * An error that blames another may name an entity that is known and has reported nothing: what is
 * dead does not report. That is an edge as well, by which suspect.c may find it.
 *
 * Bounded: the MENTIONS_LOOKED_AT_MAX members placed last, MENTION_EDGES_MAX edges a call, the
 * first BLAMED_WORDS_MAX words that may be names.
 */
#include "incident/incident_state.h"
#include "incident/words.h"
#include "schemas/derive.h"

#define MENTION_EDGES_MAX 8u
#define MENTION_BYTES_MIN 5u
#define MENTIONS_LOOKED_AT_MAX 512u
#define MENTION_MESSAGE_BYTES_MAX 2048u
#define BLAMED_WORDS_MAX 32u

static bool is_word_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';
}

/* "load_orders" of "job:load_orders"; empty when it is too short to mean anything. */
static struct slice name_of(struct slice entity) {
    struct slice name = slice_tail(entity, slice_find_byte(entity, ':') + 1);
    return name.size >= MENTION_BYTES_MIN ? name : slice_of(NULL, 0);
}

static bool names_word(struct slice message, struct slice name) {
    if (slice_is_empty(name)) {
        return false;
    }
    size_t start = 0;
    while (message.size - start >= name.size) {
        const uint8_t *found =
            memmem(message.data + start, message.size - start, name.data, name.size);
        if (found == NULL) {
            return false;
        }
        size_t at = (size_t)(found - message.data);
        size_t end = at + name.size;
        if ((at == 0 || !is_word_byte(message.data[at - 1])) &&
            (end == message.size || !is_word_byte(message.data[end]))) {
            return true;
        }
        start = at + 1;
    }
    return false;
}

bool mention_names(struct slice message, struct slice entity) {
    return names_word(slice_head(message, MENTION_MESSAGE_BYTES_MAX), name_of(entity));
}

/* "olapdb" of "olapdb-server": what the parts of one system have in common. */
static struct slice system_of(struct slice name) {
    size_t size = 0;
    while (size < name.size && is_word_byte(name.data[size]) && name.data[size] != '-' &&
           name.data[size] != '_') {
        size++;
    }
    return size >= MENTION_BYTES_MIN && size < name.size ? slice_head(name, size)
                                                         : slice_of(NULL, 0);
}

/* A message that blames something upstream may name it by its system; its own does not count. */
static bool blames_system(struct slice message, struct slice own, struct slice other) {
    struct slice system = system_of(other);
    return names_word(message, SLICE("upstream")) && names_word(message, system) &&
           !slice_starts_with(own, system);
}

static bool is_reached(const struct incident_context *context, uint32_t from, uint32_t to,
                       enum graph_direction direction, struct slice tenant) {
    uint32_t count = 0;
    const struct graph_visit *visits = graph_search_run(
        context->search, context->graph, from, direction, GRAPH_HOPS_MAX, tenant, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (visits[i].node == to) {
            return true;
        }
    }
    return false;
}

/* Whether an edge was added. */
static bool learn(const struct incident_context *context, uint32_t from, uint32_t to,
                  struct slice tenant) {
    if (from == to || is_reached(context, from, to, GRAPH_UPSTREAM, tenant) ||
        is_reached(context, from, to, GRAPH_DOWNSTREAM, tenant)) {
        return false;
    }
    return status_is_ok(
        graph_add_edge(context->graph, from, to, GRAPH_ORIGIN_LEARNED, context->now_ns, NULL));
}

static bool is_near(const struct member *member, uint64_t event_ns, uint64_t window_ns) {
    if (member->since_ns > event_ns) {
        return member->since_ns - event_ns <= window_ns;
    }
    return member->last_signal_ns >= event_ns || event_ns - member->last_signal_ns <= window_ns;
}

/* The next word that may be a name, taken off *rest; empty at the end. */
static struct slice take_name(struct slice *rest) {
    while (rest->size > 0) {
        size_t size = 0;
        while (size < rest->size && (is_word_byte(rest->data[size]) || rest->data[size] == '.' ||
                                     rest->data[size] == '/')) {
            size++;
        }
        struct slice word = slice_head(*rest, size);
        *rest = slice_tail(*rest, size < rest->size ? size + 1 : size);
        while (word.size > 0 && !is_word_byte(word.data[word.size - 1])) {
            word.size--;
        }
        if (word.size >= MENTION_BYTES_MIN && word.size <= ENTITY_BYTES_MAX) {
            return word;
        }
    }
    return slice_of(NULL, 0);
}

/* The tenant's entity of that name, of whatever kind. */
static uint32_t find_named(const struct incidents *incidents,
                           const struct incident_context *context, struct slice tenant,
                           struct slice name) {
    static const char *const kinds[] = {"service:", "job:", "dataset:", "check:"};
    uint32_t node = GRAPH_NODE_NONE;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && node == GRAPH_NODE_NONE; i++) {
        char memory[ENTITY_BYTES_MAX + 16];
        struct text entity = text_over(memory, sizeof(memory));
        text_add_text(&entity, kinds[i]);
        text_add(&entity, name);
        struct hash128 key = derive_entity_key(tenant, text_slice(&entity), incidents->hash_seed);
        node = graph_find_node(context->graph, key);
    }
    return node;
}

/* Whether an edge was added. */
static bool learn_blamed(const struct incidents *incidents, const struct incident_context *context,
                         uint32_t node, struct slice message, struct slice tenant) {
    struct slice rest = slice_head(message, MENTION_MESSAGE_BYTES_MAX);
    bool has_learned = false;
    if (!words_blame_another(rest)) {
        return false;
    }
    for (uint32_t i = 0; i < BLAMED_WORDS_MAX; i++) {
        struct slice name = take_name(&rest);
        if (slice_is_empty(name)) {
            break;
        }
        uint32_t blamed = find_named(incidents, context, tenant, name);
        if (blamed != GRAPH_NODE_NONE) {
            has_learned = learn(context, node, blamed, tenant) || has_learned;
        }
    }
    return has_learned;
}

bool mention_learn(struct incidents *incidents, const struct incident_context *context,
                   uint32_t node, const struct signal *signal, const struct policy *policy) {
    struct graph_node seen = graph_get_node(context->graph, node);
    struct slice name = name_of(seen.entity);
    struct slice message = slice_head(signal->message, MENTION_MESSAGE_BYTES_MAX);
    uint64_t tenant_hash = tenant_hash_of(incidents, seen.owner);
    uint32_t at = placed_last(incidents, tenant_hash);
    uint32_t edges = 0;
    bool blames = learn_blamed(incidents, context, node, signal->message, seen.owner);
    for (uint32_t i = 0; i < MENTIONS_LOOKED_AT_MAX && at != INDEX_NONE; i++) {
        struct member *member = member_at(incidents, at);
        at = member->placed_previous;
        if (member->is_recovered || edges == MENTION_EDGES_MAX ||
            incident_at(incidents, member->incident)->tenant_hash != tenant_hash ||
            !is_near(member, signal->event_time_ns, policy->correlate_window_ns)) {
            continue;
        }
        struct slice other = name_of(graph_get_node(context->graph, member->node).entity);
        struct slice theirs = slice_of(member->message, member->message_size);
        if (names_word(message, other) || blames_system(message, name, other)) {
            edges += learn(context, node, member->node, seen.owner) ? 1 : 0;
        } else if (names_word(theirs, name) || blames_system(theirs, other, name)) {
            edges += learn(context, member->node, node, seen.owner) ? 1 : 0;
        }
    }
    return blames || edges > 0;
}

/* --- The members in the order in which they were placed --- */

static struct hash128 placed_key(uint64_t tenant_hash) {
    return (struct hash128){.lo = tenant_hash, .hi = tenant_hash};
}

static void set_placed_last(struct incidents *incidents, uint64_t tenant_hash, uint32_t slot) {
    if (slot == INDEX_NONE) {
        (void)table_remove(&incidents->placed, placed_key(tenant_hash));
    } else {
        struct status status = table_put(&incidents->placed, placed_key(tenant_hash), slot);
        ASSERT(status_is_ok(status)); /* it has room for all tenants */
    }
}

uint32_t placed_last(const struct incidents *incidents, uint64_t tenant_hash) {
    uint32_t slot = INDEX_NONE;
    (void)table_find(&incidents->placed, placed_key(tenant_hash), &slot);
    return slot;
}

void placed_add(struct incidents *incidents, struct member *member) {
    uint64_t tenant_hash = incident_at(incidents, member->incident)->tenant_hash;
    uint32_t last = placed_last(incidents, tenant_hash);
    member->placed_next = INDEX_NONE;
    member->placed_previous = last;
    if (last != INDEX_NONE) {
        incidents->members[last].placed_next = member_slot(incidents, member);
    }
    set_placed_last(incidents, tenant_hash, member_slot(incidents, member));
}

void placed_remove(struct incidents *incidents, struct member *member) {
    if (member->placed_next == INDEX_NONE) {
        uint64_t tenant_hash = incident_at(incidents, member->incident)->tenant_hash;
        ASSERT(placed_last(incidents, tenant_hash) == member_slot(incidents, member));
        set_placed_last(incidents, tenant_hash, member->placed_previous);
    } else {
        incidents->members[member->placed_next].placed_previous = member->placed_previous;
    }
    if (member->placed_previous != INDEX_NONE) {
        incidents->members[member->placed_previous].placed_next = member->placed_next;
    }
}

static bool is_placed_before(const void *context, uint32_t a, uint32_t b) {
    const struct incidents *incidents = context;
    const struct member *left = &incidents->members[a];
    const struct member *right = &incidents->members[b];
    if (left->placed_seq != right->placed_seq) {
        return left->placed_seq < right->placed_seq;
    }
    if (left->placed_index != right->placed_index) {
        return left->placed_index < right->placed_index;
    }
    return left->node < right->node;
}

void placed_sort(struct incidents *incidents) {
    uint32_t count = 0;
    uint32_t left = incidents->members_max - incidents->members_free_count;
    for (uint32_t slot = 0; left > 0; slot++) {
        const struct member *member = &incidents->members[slot];
        left -= member->is_used ? 1 : 0;
        bool is_kept = member->is_used && member->fate == FATE_KEEP;
        if (is_kept && !member->is_foreign && !member->is_complaining) {
            incidents->sorted[count++] = slot;
        }
    }
    sort_indices(incidents->sorted, count, is_placed_before, incidents);
    table_clear(&incidents->placed);
    for (uint32_t i = 0; i < count; i++) {
        placed_add(incidents, member_at(incidents, incidents->sorted[i]));
    }
}
