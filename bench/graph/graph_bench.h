/*
 * graph_bench.h - inside quell-bench-graph: the graph that is made up, and its four parts.
 */
#pragma once

#include <stdatomic.h>
#include <time.h>

#include "bench/histogram.h"
#include "bench/random.h"
#include "core/base/assert.h"
#include "core/store.h"
#include "graph/graph.h"

enum {
    READERS_MAX = 16,
    STARTS_MIN = 400,
    EDGES_MIN = 20000000, /* or so many edges: searches of a small graph take no time */
    PLATFORM_NODES = 256,
    BATCH_CHANGES = 100,
    CHANGES_ROOM = 100000, /* what was taken away keeps its room until the next fold */
};

struct options {
    uint64_t nodes;
    uint64_t edges;
    uint64_t tenants;
    uint64_t rate;
    uint64_t seconds;
    uint64_t readers;
    uint64_t restart_edges;
    uint64_t visits;
    uint64_t mixed; /* 1: nodes of all tenants come in turns; 0: tenant by tenant */
    const char *directory;
};

/* Both ends by their place among the entities, which lie tenant by tenant. */
struct pair {
    uint32_t from;
    uint32_t to;
};

struct bench {
    struct options options;
    struct random random;
    struct arena arena;
    struct graph *graph;
    struct graph_options graph_options;
    struct graph *still; /* the same graph again, which nobody changes */
    uint32_t *numbers;   /* the graph's number of each entity */
    struct pair *pairs;
    struct effects effects;
    bool is_wrong; /* ours and the floor did not agree */
};

uint64_t now_of(clockid_t clock);
uint64_t wall_ns(void);
uint64_t resident_bytes(void);
/* Ends the bench with the words unless the status is OK. */
void must(struct status status, const char *what);
/* Zeroed; ends the bench when there is no memory. The caller frees. */
void *allocate(size_t count, size_t size);
/* Whose entity it is. */
uint32_t tenant_of(const struct options *options, uint32_t entity);
/* How many nodes the graph of the restart has. */
static inline uint64_t restart_nodes(const struct options *options) {
    return options->restart_edges / 10 + PLATFORM_NODES;
}

/* Entities 0 .. count - 1, the first PLATFORM_NODES of them of "platform". */
void intern_nodes(struct bench *bench, struct graph *graph, uint64_t count);
/* An edge between two random entities of one tenant, or to platform. */
struct pair random_pair(struct bench *bench);
/* What the graph has to store is not stored. */
void drop_effects(struct bench *bench, struct graph *graph);
/* Random edges, each new; kept in bench->pairs. How many. */
uint32_t add_edges(struct bench *bench, struct graph *graph, uint64_t wanted);
/* An entity of a tenant. */
uint32_t random_start(const struct options *options, struct random *random);
struct slice viewer_of(const struct options *options, uint32_t entity, char memory[32]);
/* Nodes downstream of the start, a number of the graph's. */
uint32_t our_search(struct graph_search *search, const struct graph *graph, uint32_t start,
                    struct slice viewer);
/* 1. Makes bench->graph and bench->still. */
void bench_build(struct bench *bench);
/* 2. Ours beside the floor. */
void bench_compare(struct bench *bench);
/* 3. Readers without changes, beside changes of another graph, and of theirs. */
void bench_read_while_changing(struct bench *bench);
/* 4. Rows back into a new graph. */
void bench_restart(struct bench *bench);
