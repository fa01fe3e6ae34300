/*
 * stale.h - failures that are told when it is known that all is well again. Private to the room.
 */
#pragma once

#include "incident/incident_state.h"

/* Whether the entity is known to have been well since. */
bool stale_is(const struct incident_context *context, uint32_t node, const struct signal *signal);
/* When a stale failure was over, at the latest: what turned bad later has another cause. */
uint64_t stale_end_ns(const struct incident_context *context, uint32_t node,
                      const struct signal *signal, uint64_t window_ns);
/* Whether it is the cause of something that failed before it was well again; it is no member yet
 * that people know of. */
bool stale_explains(struct incidents *incidents, const struct incident_context *context,
                    uint32_t node, const struct signal *signal);
/* Whether what failed then is no news to those who were told that the incident is over, and that a
 * member was well again at `well_ns`. */
bool stale_is_old_news(const struct incident *incident, uint64_t heard_ns, uint64_t well_ns);
/* Among the signals of the incident whose member it is, if any. */
void stale_count(struct incidents *incidents, const struct incident_context *context, uint32_t node,
                 bool is_repeat);
