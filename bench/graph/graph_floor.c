/* graph_floor.c - part 2 of quell-bench-graph: a plain breadth-first search over a static CSR. */
#include "bench/graph/graph_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The same graph as two plain arrays a direction: the floor. */
struct plain {
    uint32_t nodes;
    uint32_t *offsets;
    uint32_t *targets;
    uint32_t *marks;
    uint32_t generation;
    uint32_t *queue;
    uint32_t *hops;
};

/* On the same large pages as ours, nodes tenant by tenant however they came. */
static uint32_t *plain_array(struct bench *bench, size_t count) {
    uint32_t *memory = ARENA_ARRAY(&bench->arena, uint32_t, count);
    if (memory == NULL) {
        must(status_of(STATUS_FULL), "memory");
    }
    arena_advise_dense(memory, count * sizeof(uint32_t));
    return memory;
}

static void plain_init(struct plain *plain, struct bench *bench) {
    uint64_t edges = bench->options.edges;
    uint32_t nodes = (uint32_t)bench->options.nodes;
    *plain = (struct plain){.nodes = nodes};
    plain->offsets = plain_array(bench, (size_t)nodes + 2);
    plain->targets = plain_array(bench, edges);
    plain->marks = plain_array(bench, nodes);
    plain->queue = plain_array(bench, (size_t)nodes + 1);
    plain->hops = plain_array(bench, (size_t)nodes + 1);
    for (uint64_t i = 0; i < edges; i++) {
        plain->offsets[bench->pairs[i].to + 2]++;
    }
    for (uint32_t i = 1; i <= nodes; i++) {
        plain->offsets[i + 1] += plain->offsets[i];
    }
    for (uint64_t i = 0; i < edges; i++) {
        plain->targets[plain->offsets[bench->pairs[i].to + 1]++] = bench->pairs[i].from;
    }
}

/* Everything downstream of `start`, bounded like ours; gives the nodes, counts the edges. */
static uint32_t plain_search(struct plain *plain, uint32_t start, uint32_t visits_max,
                             uint64_t *edges) {
    uint32_t count = 0;
    uint32_t current = start;
    uint32_t hops = 0;
    plain->generation++;
    plain->marks[start] = plain->generation;
    for (uint32_t next = 0;; next++) {
        uint32_t end = hops < GRAPH_HOPS_MAX ? plain->offsets[current + 1] : 0;
        for (uint32_t at = plain->offsets[current]; at < end; at++) {
            uint32_t target = plain->targets[at];
            (*edges)++;
            if (plain->marks[target] == plain->generation) {
                continue;
            }
            if (count == visits_max) {
                return count;
            }
            plain->marks[target] = plain->generation;
            plain->hops[count] = hops + 1;
            plain->queue[count++] = target;
        }
        if (next == count) {
            return count;
        }
        current = plain->queue[next];
        hops = plain->hops[next];
    }
}

void bench_compare(struct bench *bench) {
    struct plain plain;
    struct graph_search *search = NULL;
    uint32_t visits_max = (uint32_t)bench->options.visits;
    uint64_t plain_ns = 0;
    uint64_t our_ns = 0;
    uint64_t edges = 0;
    uint64_t reached = 0;
    plain_init(&plain, bench);
    must(graph_search_init(&search, &bench->graph_options, visits_max, &bench->arena), "search");
    uint32_t starts = 0;
    for (; starts < STARTS_MIN || edges < EDGES_MIN; starts++) {
        char memory[32];
        uint32_t start = random_start(&bench->options, &bench->random);
        struct slice viewer = viewer_of(&bench->options, start, memory);
        for (uint32_t turn = 0; turn < 2; turn++) { /* who comes first alternates */
            uint64_t from_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
            if ((turn ^ starts) % 2 == 0) {
                reached += plain_search(&plain, start, visits_max, &edges);
                plain_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - from_ns;
            } else {
                reached -= our_search(search, bench->graph, bench->numbers[start], viewer);
                our_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - from_ns;
            }
        }
    }
    bench->is_wrong = bench->is_wrong || reached != 0;
    printf("blast radius: ours %.2f ns/edge, plain %.2f ns/edge, ratio %.2f (%" PRIu64
           " edges a search%s)\n",
           (double)our_ns / (double)edges, (double)plain_ns / (double)edges,
           (double)our_ns / (double)plain_ns, edges / starts,
           reached == 0 ? "" : "; DIFFERENT RESULTS");
}
