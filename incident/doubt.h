/*
 * doubt.h - what speaks against the root that the graph gives, and who else may be. Private to the
 * room: rank.c asks.
 */
#pragma once

#include "incident/incident_state.h"

#define DOUBT_STORMS_MAX 3u

struct doubt {
    bool blames;
    bool is_beside; /* the first storm began no earlier */
    bool is_joined; /* known edges lead to it */
    uint32_t storms_count;
    uint32_t storms[DOUBT_STORMS_MAX]; /* their roots, as members; the largest first */
};
/* Of a live incident with a root. */
struct doubt doubt_of(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident);
/* How much of the confidence is left, 0..1. */
double doubt_share(const struct doubt *doubt, bool is_suspected);

/* --- rivals.c --- */
#define RIVALS_MEMBERS_MAX 32u
#define RIVALS_MAX 256u

struct rival {
    uint32_t node;
    uint32_t affected; /* failing, that depend on it directly */
};

struct rivals {
    uint32_t count;
    struct rival items[RIVALS_MAX];
};
/* Bad entities of other incidents that may be why affected of this one fail. */
void rivals_of(struct incidents *incidents, const struct incident_context *context,
               const struct incident *incident, struct rivals *rivals_out);
