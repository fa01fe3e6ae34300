/*
 * bond.c - whether a bad node failed because of a bad node upstream of it, or by chance in the same
 * quarter of an hour.
 *
 * A path in the graph makes the upstream node the likely cause, so what speaks against it must
 * weigh more than the path: no single piece of evidence is enough. The pieces, as points (about one
 * a factor of e in the odds):
 *
 *   path      a direct dependant speaks for the bond; each node between them that reported nothing
 *             speaks against it, as far as three
 *   order     what fails because of something fails soon after it; clocks differ a little, slow
 *             detection makes a cause look later than its effect. As shares of the correlation
 *             window, since whoever widens that has slow work
 *   words     an error that names the one above; that speaks of something it calls; or that speaks
 *             of a fault of its own
 *   weight    the one above is only late or degraded, or far weaker (details.score) than the one
 *             below
 *
 * All of it is known when the two are compared and none depends on who else has reported, so that
 * the answer is the same whichever came first. Measured on labelled storms: docs/root-cause.md.
 */
#include "incident/bond.h"

#include "core/base/assert.h"
#include "incident/incident_state.h"

#define POINTS_PATH 4
#define POINTS_NAMED 6
#define POINTS_BLAME 1
#define POINTS_OWN (-3)
#define POINTS_VAGUE (-2)
#define POINTS_WEAK (-2)
/* So many times weaker than its effect is a weak cause. */
#define WEAKER_TIMES 4.0F

/* Up to this lag, in parts of the window, so many points. */
struct lag_step {
    uint64_t parts; /* of WINDOW_PARTS */
    int32_t points;
};

#define WINDOW_PARTS 90u /* 10 s of the shipped 15 minutes */

static const struct lag_step later_steps[] = {
    {.parts = 12, .points = 1}, {.parts = 18, .points = 0}, {.parts = 30, .points = -1}};
static const struct lag_step earlier_steps[] = {{.parts = 1, .points = 0},
                                                {.parts = 3, .points = -1},
                                                {.parts = 6, .points = -2},
                                                {.parts = 30, .points = -3}};
#define POINTS_MUCH_LATER (-2)
#define POINTS_MUCH_EARLIER (-5)
#define POINTS_ORDER_MAX 1
/* Clocks differ: what seems to fail so much before its cause follows it all the same. */
#define FOLLOWS_PARTS 3u

static int32_t step_points(uint64_t lag_ns, uint64_t window_ns, const struct lag_step *steps,
                           size_t count, int32_t beyond) {
    for (size_t i = 0; i < count; i++) {
        if (lag_ns <= window_ns / WINDOW_PARTS * steps[i].parts) {
            return steps[i].points;
        }
    }
    return beyond;
}

static int32_t order_points(uint64_t above_ns, uint64_t below_ns, uint64_t window_ns) {
    return below_ns >= above_ns
               ? step_points(below_ns - above_ns, window_ns, later_steps,
                             sizeof(later_steps) / sizeof(later_steps[0]), POINTS_MUCH_LATER)
               : step_points(above_ns - below_ns, window_ns, earlier_steps,
                             sizeof(earlier_steps) / sizeof(earlier_steps[0]), POINTS_MUCH_EARLIER);
}

static int32_t path_points(uint32_t hops) {
    static const int32_t by_hops[] = {0, 1, -1, -2};
    return hops < sizeof(by_hops) / sizeof(by_hops[0]) ? by_hops[hops] : -4;
}

static int32_t word_points(const struct trouble *above, const struct trouble *below) {
    if (mention_names(below->message, above->entity)) {
        return POINTS_NAMED;
    }
    return below->tone == TONE_BLAME ? POINTS_BLAME : below->tone == TONE_OWN ? POINTS_OWN : 0;
}

static int32_t weight_points(const struct trouble *above, const struct trouble *below) {
    bool is_weak = above->strength > 0 && above->strength * WEAKER_TIMES <= below->strength;
    return (status_is_explicit(above->status) ? 0 : POINTS_VAGUE) + (is_weak ? POINTS_WEAK : 0);
}

uint64_t bond_clock_slack_ns(uint64_t window_ns) {
    return window_ns / WINDOW_PARTS * FOLLOWS_PARTS;
}

/* How far above, and how long before. What follows its cause, however far and late within the
 * window, is never kept out for that alone: whoever stands between may have been silent. */
static int32_t way_points(uint64_t above_ns, uint64_t below_ns, uint32_t hops, uint64_t window_ns) {
    int32_t points = path_points(hops) + order_points(above_ns, below_ns, window_ns);
    bool follows = below_ns + bond_clock_slack_ns(window_ns) >= above_ns;
    return follows && points < -POINTS_PATH ? -POINTS_PATH : points;
}

int32_t bond_weigh(const struct trouble *above, const struct trouble *below, uint32_t hops,
                   uint64_t window_ns) {
    ASSERT(hops > 0);
    return POINTS_PATH + way_points(above->since_ns, below->since_ns, hops, window_ns) +
           word_points(above, below) + weight_points(above, below);
}

bool bond_holds(int32_t points) {
    return points >= 0;
}

int32_t bond_points_max(const struct trouble *below, uint32_t hops) {
    int32_t words = below->tone == TONE_BLAME ? POINTS_NAMED : 0;
    return POINTS_PATH + path_points(hops) + POINTS_ORDER_MAX + words;
}
