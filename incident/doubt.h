/*
 * doubt.h - what speaks against the root that the graph gives. Private to the room: rank.c asks.
 */
#pragma once

#include "incident/incident_state.h"

#define DOUBT_STORMS_MAX 3u

struct doubt {
    bool blames;
    uint32_t storms_count;
    uint32_t storms[DOUBT_STORMS_MAX]; /* their roots, as members; the largest first */
};
/* Of a live incident with a root. */
struct doubt doubt_of(const struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident);
/* How much of the confidence is left, 0..1. */
double doubt_share(const struct doubt *doubt, bool is_suspected);
