/*
 * reroot.h - incidents whose root is well while they live on. Private to the room.
 */
#pragma once

#include "incident/causes.h"

/* Whether what fails then, and opens a resolved incident again, is none of its root's doing. */
bool reroot_is_anew(struct incidents *incidents, const struct incident_context *context,
                    const struct incident *incident, uint64_t event_ns);
/* That one has opened its incident again: it is the root. */
void reroot_reopened(struct incidents *incidents, const struct incident_context *context,
                     struct member *member);
/* For the first time in this life of its incident the member fails: whether it is why others do. */
void reroot_relapsed(struct incidents *incidents, const struct incident_context *context,
                     struct member *member);
/* When to ask who else may be the root; NEVER_NS when not, or at any time from now on. */
uint64_t reroot_due_ns(struct incidents *incidents, const struct incident_context *context,
                       const struct incident *incident);
/* Asks, when it is time; true when the incident has another root, and may be merged: then the
 * caller forgets it. */
bool reroot_review(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident);
