/* graph_made.c - part 1 of quell-bench-graph: a graph of random edges, and what its parts share. */
#include "bench/graph/graph_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t now_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t wall_ns(void) {
    return now_of(CLOCK_MONOTONIC);
}

uint64_t resident_bytes(void) {
    unsigned long long pages = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%llu %llu", &pages, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return resident * 4096;
}

void must(struct status status, const char *what) {
    if (!status_is_ok(status)) {
        fprintf(stderr, "graph bench: %s: %s\n", what, status_name(status));
        exit(1);
    }
}

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        must(status_of(STATUS_FULL), "memory");
    }
    return memory;
}

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static uint64_t tenant_share(const struct options *options) {
    return (options->nodes - PLATFORM_NODES) / options->tenants;
}

uint32_t tenant_of(const struct options *options, uint32_t entity) {
    uint64_t tenant = (entity - PLATFORM_NODES) / tenant_share(options);
    return (uint32_t)(tenant < options->tenants ? tenant : options->tenants - 1);
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    return b == 0 ? a : common_divisor(b, a % b);
}

/* Entities come in strides through all tenants, or in their order. */
static uint64_t stride_of(const struct options *options, uint64_t count) {
    uint64_t stride = options->mixed == 0 ? 1 : count * 618 / 1000;
    while (common_divisor(stride, count) != 1) {
        stride++;
    }
    return stride;
}

void intern_nodes(struct bench *bench, struct graph *graph, uint64_t count) {
    uint64_t stride = stride_of(&bench->options, count);
    for (uint64_t i = 0; i < count; i++) {
        char owner[32] = "platform";
        char name[64];
        uint32_t entity = (uint32_t)(i * stride % count);
        if (entity >= PLATFORM_NODES) {
            snprintf(owner, sizeof(owner), "tenant-%u", tenant_of(&bench->options, entity));
        }
        snprintf(name, sizeof(name), "job:team_%u/load_orders_%07u", entity % 97, entity);
        must(graph_intern_node(graph, slice_of_text(owner), slice_of_text(name), key_of(entity),
                               &bench->numbers[entity]),
             "intern");
    }
}

struct pair random_pair(struct bench *bench) {
    const struct options *options = &bench->options;
    uint64_t own = options->nodes - PLATFORM_NODES;
    uint64_t share = tenant_share(options);
    uint32_t from = (uint32_t)(PLATFORM_NODES + random_below(&bench->random, own));
    uint64_t first = PLATFORM_NODES + tenant_of(options, from) * share;
    uint32_t to = (uint32_t)(first + random_below(&bench->random, share));
    if (random_chance(&bench->random, 0.01)) {
        to = (uint32_t)random_below(&bench->random, PLATFORM_NODES);
    }
    return (struct pair){from, to};
}

void drop_effects(struct bench *bench, struct graph *graph) {
    while (!graph_emit(graph, &bench->effects)) {
        effects_clear(&bench->effects);
    }
    effects_clear(&bench->effects);
}

uint32_t add_edges(struct bench *bench, struct graph *graph, uint64_t wanted) {
    uint32_t count = 0;
    while (count < wanted) {
        struct pair pair = random_pair(bench);
        bool is_new = false;
        if (pair.from == pair.to) {
            continue;
        }
        must(graph_add_edge(graph, bench->numbers[pair.from], bench->numbers[pair.to],
                            GRAPH_ORIGIN_EVENT, 1, &is_new),
             "edge");
        if (is_new) {
            bench->pairs[count++] = pair;
        }
    }
    return count;
}

uint32_t random_start(const struct options *options, struct random *random) {
    return (uint32_t)(PLATFORM_NODES + random_below(random, options->nodes - PLATFORM_NODES));
}

struct slice viewer_of(const struct options *options, uint32_t entity, char memory[32]) {
    snprintf(memory, 32, "tenant-%u", tenant_of(options, entity));
    return slice_of_text(memory);
}

uint32_t our_search(struct graph_search *search, const struct graph *graph, uint32_t start,
                    struct slice viewer) {
    uint32_t count = 0;
    bool is_truncated = false;
    graph_reader_begin();
    (void)graph_search_run(search, graph, start, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX, viewer, &count,
                           &is_truncated);
    graph_reader_end();
    return count;
}

/* The same again. */
static void build_still(struct bench *bench) {
    must(graph_init(&bench->still, &bench->graph_options, &bench->arena), "graph");
    intern_nodes(bench, bench->still, bench->options.nodes);
    for (uint64_t i = 0; i < bench->options.edges; i++) {
        must(graph_add_edge(bench->still, bench->numbers[bench->pairs[i].from],
                            bench->numbers[bench->pairs[i].to], GRAPH_ORIGIN_EVENT, 1, NULL),
             "edge");
    }
    drop_effects(bench, bench->still);
    graph_fold_now(bench->still);
}

void bench_build(struct bench *bench) {
    const struct options *options = &bench->options;
    bench->graph_options = (struct graph_options){
        .nodes_max = (uint32_t)options->nodes,
        .edges_max = (uint32_t)(options->edges + options->edges / 4 + CHANGES_ROOM),
    };
    must(arena_init(&bench->arena, 64 * GIB), "arena");
    must(effects_init(&bench->effects, 16 * MIB, &bench->arena), "effects");
    must(graph_init(&bench->graph, &bench->graph_options, &bench->arena), "graph");
    uint64_t pairs =
        options->edges > options->restart_edges ? options->edges : options->restart_edges;
    bench->pairs = allocate(pairs, sizeof(struct pair));
    uint64_t numbers =
        options->nodes > restart_nodes(options) ? options->nodes : restart_nodes(options);
    bench->numbers = allocate(numbers, sizeof(uint32_t));
    memset(bench->numbers, 1, numbers * sizeof(uint32_t));
    memset(bench->pairs, 1, pairs * sizeof(struct pair)); /* resident before */
    uint64_t before = resident_bytes();
    uint64_t start_ns = now_of(CLOCK_PROCESS_CPUTIME_ID);
    intern_nodes(bench, bench->graph, options->nodes);
    uint64_t nodes_ns = now_of(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
    uint64_t with_nodes = resident_bytes();
    start_ns = now_of(CLOCK_PROCESS_CPUTIME_ID);
    (void)add_edges(bench, bench->graph, options->edges);
    uint64_t edges_ns = now_of(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
    drop_effects(bench, bench->graph);
    start_ns = now_of(CLOCK_PROCESS_CPUTIME_ID);
    graph_fold_now(bench->graph);
    uint64_t fold_ns = now_of(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
    uint64_t with_edges = resident_bytes();
    printf("build: %" PRIu64 " nodes %.0f ns each, %.1f B; %" PRIu64
           " edges %.0f ns each, %.1f B; whole fold %.0f ms\n",
           options->nodes, (double)nodes_ns / (double)options->nodes,
           (double)(with_nodes - before) / (double)options->nodes, options->edges,
           (double)edges_ns / (double)options->edges,
           (double)(with_edges - with_nodes) / (double)options->edges, (double)fold_ns / 1e6);
    build_still(bench);
}
