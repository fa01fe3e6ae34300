/* graph_readers.c - part 3 of quell-bench-graph: blast radius while one writer changes edges. */
#include "bench/graph/graph_bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct bench *bench;
    pthread_t thread;
    struct arena arena;
    struct random random;
    struct histogram cpu;
    struct histogram wall;
};

static void *read_on(void *argument) {
    struct reading *reading = argument;
    const struct bench *bench = reading->bench;
    struct graph_search *search = NULL;
    must(graph_search_init(&search, &bench->graph_options, 10000, &reading->arena), "search");
    graph_reader_register();
    while (!atomic_load_explicit(&reading->bench->is_over, memory_order_relaxed)) {
        char memory[32];
        uint64_t own = bench->options.nodes - PLATFORM_NODES;
        uint32_t start = (uint32_t)(PLATFORM_NODES + random_below(&reading->random, own));
        struct slice viewer = viewer_of(&bench->options, start, memory);
        uint64_t wall = wall_ns();
        uint64_t cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
        (void)our_search(search, bench->graph, start, viewer);
        histogram_add(&reading->cpu, now_of(CLOCK_THREAD_CPUTIME_ID) - cpu);
        histogram_add(&reading->wall, wall_ns() - wall);
    }
    graph_reader_unregister();
    return NULL;
}

struct changes {
    uint64_t count;
    uint64_t worst_ns; /* of one batch with its fold step */
    uint64_t busy_ns;
};

/* A few changes: an edge goes and comes back, and now and then a new one comes. */
static void change_batch(struct bench *bench) {
    for (uint32_t i = 0; i < BATCH_CHANGES / 2; i++) {
        uint64_t at = random_below(&bench->random, bench->options.edges);
        struct pair pair = bench->pairs[at];
        graph_remove_edge(bench->graph, pair.from, pair.to, GRAPH_ORIGIN_CONFIG);
        if (i % 2 == 0) {
            struct pair other = random_pair(bench);
            pair = other.from == other.to ? pair : other;
            bench->pairs[at] = pair;
        }
        struct status status =
            graph_add_edge(bench->graph, pair.from, pair.to, GRAPH_ORIGIN_EVENT, 2, NULL);
        if (status.code == STATUS_FULL) {
            must(graph_add_edge(bench->graph, bench->pairs[0].from, bench->pairs[0].to,
                                GRAPH_ORIGIN_EVENT, 2, NULL),
                 "an edge that was there before");
        }
    }
    drop_effects(bench);
    graph_fold(bench->graph);
}

static void change_on(struct bench *bench, uint64_t rate, uint64_t until_ns,
                      struct changes *changes) {
    uint64_t start_ns = wall_ns();
    for (uint64_t now = start_ns; now < until_ns; now = wall_ns()) {
        uint64_t due = (now - start_ns) * rate / NS_PER_S;
        if (rate == 0 || changes->count >= due) {
            struct timespec pause = {.tv_nsec = 200000};
            nanosleep(&pause, NULL);
            continue;
        }
        uint64_t cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
        change_batch(bench);
        uint64_t took_ns = now_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
        changes->worst_ns = took_ns > changes->worst_ns ? took_ns : changes->worst_ns;
        changes->busy_ns += took_ns;
        changes->count += BATCH_CHANGES;
    }
}

static void merge_histogram(struct histogram *sum, const struct histogram *one) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum->counts[i] += one->counts[i];
    }
    sum->total += one->total;
    sum->sum += one->sum;
    sum->value_max = one->value_max > sum->value_max ? one->value_max : sum->value_max;
}

struct latency {
    struct histogram cpu;
    struct histogram wall;
};

static void run_readers(struct bench *bench, uint64_t rate, struct latency *latency) {
    struct changes changes = {0};
    struct reading *readings = allocate(READERS_MAX, sizeof(struct reading));
    uint64_t readers = bench->options.readers;
    atomic_store(&bench->is_over, false);
    for (uint64_t i = 0; i < readers; i++) {
        readings[i].bench = bench;
        readings[i].random.state = 1000 + i;
        must(arena_init(&readings[i].arena, 4 * GIB), "arena");
        if (pthread_create(&readings[i].thread, NULL, read_on, &readings[i]) != 0) {
            must(status_of(STATUS_FULL), "thread");
        }
    }
    change_on(bench, rate, wall_ns() + bench->options.seconds * NS_PER_S, &changes);
    atomic_store(&bench->is_over, true);
    for (uint64_t i = 0; i < readers; i++) {
        pthread_join(readings[i].thread, NULL);
        merge_histogram(&latency->cpu, &readings[i].cpu);
        merge_histogram(&latency->wall, &readings[i].wall);
        arena_deinit(&readings[i].arena);
    }
    free(readings);
    printf("readers, %" PRIu64 " changes/s asked: %" PRIu64 " queries; cpu p50 %.1f p99 %.1f us; "
           "wall p50 %.1f p99 %.1f us; made %.0f changes/s, writer busy %.0f %%, worst batch of %d "
           "%.2f ms\n",
           rate, latency->cpu.total, (double)histogram_at(&latency->cpu, 0.5) / 1e3,
           (double)histogram_at(&latency->cpu, 0.99) / 1e3,
           (double)histogram_at(&latency->wall, 0.5) / 1e3,
           (double)histogram_at(&latency->wall, 0.99) / 1e3,
           (double)changes.count / (double)bench->options.seconds,
           (double)changes.busy_ns / (double)(bench->options.seconds * NS_PER_S) * 100.0,
           BATCH_CHANGES, (double)changes.worst_ns / 1e6);
}

void bench_read_while_changing(struct bench *bench) {
    struct latency *still = allocate(1, sizeof(struct latency));
    struct latency *changing = allocate(1, sizeof(struct latency));
    run_readers(bench, 0, still);
    run_readers(bench, bench->options.rate, changing);
    printf("reader p99 with changes / without: cpu %.2f, wall %.2f\n",
           (double)histogram_at(&changing->cpu, 0.99) / (double)histogram_at(&still->cpu, 0.99),
           (double)histogram_at(&changing->wall, 0.99) / (double)histogram_at(&still->wall, 0.99));
    free(still);
    free(changing);
}
