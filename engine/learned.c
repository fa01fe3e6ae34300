/* learned.c - learned edges go when they were not seen for long. */
#include "engine/engine_state.h"

/* A look walks all edges of the shard, 17 ms for two million: one tenant's short graph.learned_ttl
 * does not make all others pay for that each second. Edges go late by at most a step. */
#define EXPIRY_STEP_NS_MIN (10 * NS_PER_S)
#define EXPIRY_STEP_NS_MAX (10 * NS_PER_MINUTE)

/* Looks happen when this many nanoseconds of the records' time begin anew: a function of the
 * journal alone. */
static uint64_t expiry_step_ns(const struct engine *engine) {
    uint64_t step_ns = engine->spans.learned_ttl_ns_min / 8;
    return step_ns < EXPIRY_STEP_NS_MIN   ? EXPIRY_STEP_NS_MIN
           : step_ns > EXPIRY_STEP_NS_MAX ? EXPIRY_STEP_NS_MAX
                                          : step_ns;
}

static uint64_t learned_ttl_ns_of(void *context, struct slice tenant) {
    const struct engine *engine = context;
    return policy_set_find(&engine->policies, tenant)->learned_ttl_ns;
}

void engine_expire_learned(struct engine *engine, uint64_t before_ns) {
    uint64_t step_ns = expiry_step_ns(engine);
    if (before_ns / step_ns != engine->now_ns / step_ns) {
        graph_expire_learned(engine->graph, learned_ttl_ns_of, engine, engine->now_ns);
    }
}

uint64_t engine_next_expiry_ns(const struct engine *engine) {
    uint64_t step_ns = expiry_step_ns(engine);
    return graph_learned_count(engine->graph) == 0 ? UINT64_MAX
                                                   : (engine->now_ns / step_ns + 1) * step_ns;
}
