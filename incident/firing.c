/*
 * firing.c - which alerts fire about a member, each until its own end.
 *
 * An alert is one of a set of labels (signal.source_key). While one of a member fires, the member
 * is bad; when the last says that it is over, so is the member, unless others told of it, too: what
 * is no alert, or alerts beyond FIRING_MAX (is_told_unlisted). Those are over by silence.
 */
#include "incident/incident_state.h"

/* Its place; firing_count when it is not listed. */
static uint32_t find(const struct member *member, uint64_t key) {
    uint32_t at = 0;
    while (at < member->firing_count && member->firing[at].key != key) {
        at++;
    }
    return at;
}

static void remove_at(struct member *member, uint32_t at) {
    ASSERT(at < member->firing_count);
    member->firing[at] = member->firing[--member->firing_count];
}

/* Those whose end has passed unsaid: their sender is gone. */
static void remove_past(struct member *member, uint64_t now_ns) {
    for (uint32_t i = member->firing_count; i-- > 0;) {
        if (member->firing[i].until_ns != 0 && member->firing[i].until_ns <= now_ns) {
            remove_at(member, i);
        }
    }
}

void firing_clear(struct member *member) {
    member->firing_count = 0;
    member->is_told_unlisted = false;
}

void firing_note(struct member *member, const struct signal *signal, uint64_t now_ns) {
    uint32_t at = find(member, signal->source_key);
    if (at == FIRING_MAX) {
        remove_past(member, now_ns);
        at = member->firing_count;
    }
    if (signal->kind != EVENT_KIND_ALERT || at == FIRING_MAX) {
        member->is_told_unlisted = true;
        return;
    }
    struct firing *firing = &member->firing[at];
    if (at == member->firing_count) {
        member->firing_count++;
        *firing = (struct firing){.key = signal->source_key};
    }
    firing->heard_ns = signal->heard_ns > firing->heard_ns ? signal->heard_ns : firing->heard_ns;
    firing->until_ns = signal->fires_until_ns;
}

uint64_t firing_until_ns(const struct member *member) {
    uint64_t until_ns = 0;
    for (uint32_t i = 0; i < member->firing_count; i++) {
        until_ns = member->firing[i].until_ns > until_ns ? member->firing[i].until_ns : until_ns;
    }
    return until_ns;
}

uint32_t firing_count_now(const struct member *member, uint64_t now_ns) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < member->firing_count && !member->is_recovered; i++) {
        uint64_t until_ns = member->firing[i].until_ns;
        count += until_ns == 0 || until_ns > now_ns ? 1 : 0;
    }
    return count;
}

bool firing_has(const struct member *member, uint64_t key) {
    return find(member, key) < member->firing_count;
}

bool firing_end(struct member *member, const struct signal *signal, uint64_t now_ns) {
    uint32_t at = find(member, signal->source_key);
    ASSERT(at < member->firing_count);
    if (signal->heard_ns < member->firing[at].heard_ns) {
        return false; /* older than what it told last */
    }
    remove_at(member, at);
    remove_past(member, now_ns);
    return member->firing_count == 0 && !member->is_told_unlisted;
}
