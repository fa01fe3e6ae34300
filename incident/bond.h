/*
 * bond.h - how much speaks for one bad node having failed because of another. Private to the room.
 */
#pragma once

#include "incident/words.h"
#include "schemas/event.h"

/* What is known of a bad node. */
struct trouble {
    struct slice entity;
    struct slice message;
    enum tone tone;
    enum event_status status;
    float strength; /* 0: none is known */
    uint64_t since_ns;
};

/* The points for `below` having failed because of `above`, `hops` upstream of it; bond_holds says
 * what they mean. */
int32_t bond_weigh(const struct trouble *above, const struct trouble *below, uint32_t hops,
                   uint64_t window_ns);
/* What seems to fail so much before its cause follows it all the same: clocks differ. */
uint64_t bond_clock_slack_ns(uint64_t window_ns);
/* Whether the cause is likelier than chance. */
bool bond_holds(int32_t points);
/* The most that anything so many hops upstream of `below` may have. */
int32_t bond_points_max(const struct trouble *below, uint32_t hops);
