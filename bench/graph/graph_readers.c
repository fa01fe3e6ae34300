/* graph_readers.c - part 3 of quell-bench-graph: blast radius while one writer changes edges. */
#include "bench/graph/graph_bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the writer does while the readers read; they take turns, so that whatever else the machine
 * does falls upon all of them. */
enum kind { KIND_ALONE, KIND_ELSEWHERE, KIND_HERE, KIND_COUNT };

static const char *const kind_words[KIND_COUNT] = {
    [KIND_ALONE] = "no changes",
    [KIND_ELSEWHERE] = "changes of another graph",
    [KIND_HERE] = "changes",
};

#define TURN_NS NS_PER_S

struct latency {
    struct histogram cpu;
    struct histogram wall;
};

struct stage {
    struct bench *bench;
    _Atomic int kind; /* KIND_COUNT: over */
};

struct reading {
    struct stage *stage;
    pthread_t thread;
    struct arena arena;
    struct random random;
    struct latency latencies[KIND_COUNT];
};

static void read_once(struct reading *reading, struct graph_search *search, int kind) {
    const struct bench *bench = reading->stage->bench;
    char memory[32];
    uint32_t start = random_start(&bench->options, &reading->random);
    struct slice viewer = viewer_of(&bench->options, start, memory);
    uint32_t number = bench->numbers[start];
    uint64_t wall = wall_ns();
    uint64_t cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
    (void)our_search(search, kind == KIND_HERE ? bench->graph : bench->still, number, viewer);
    cpu = now_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wall = wall_ns() - wall;
    if (atomic_load(&reading->stage->kind) == kind) {
        histogram_add(&reading->latencies[kind].cpu, cpu);
        histogram_add(&reading->latencies[kind].wall, wall);
    }
}

static void *read_on(void *argument) {
    struct reading *reading = argument;
    struct graph_search *search = NULL;
    must(graph_search_init(&search, &reading->stage->bench->graph_options, 10000, &reading->arena),
         "search");
    graph_reader_register();
    for (int kind = atomic_load(&reading->stage->kind); kind != KIND_COUNT;
         kind = atomic_load(&reading->stage->kind)) {
        read_once(reading, search, kind);
    }
    graph_reader_unregister();
    return NULL;
}

struct changes {
    uint64_t count;
    uint64_t busy_ns;
    struct histogram batches; /* processor time of each, with its fold step */
};

/* A few changes: an edge goes and comes back, and now and then a new one comes. */
static void change_batch(struct bench *bench) {
    struct graph *graph = bench->graph;
    const uint32_t *numbers = bench->numbers;
    for (uint32_t i = 0; i < BATCH_CHANGES / 2; i++) {
        uint64_t at = random_below(&bench->random, bench->options.edges);
        struct pair pair = bench->pairs[at];
        graph_remove_edge(graph, numbers[pair.from], numbers[pair.to], GRAPH_ORIGIN_CONFIG);
        if (i % 2 == 0) {
            struct pair other = random_pair(bench);
            pair = other.from == other.to ? pair : other;
            bench->pairs[at] = pair;
        }
        struct status status = graph_add_edge(graph, numbers[pair.from], numbers[pair.to],
                                              GRAPH_ORIGIN_EVENT, 2, NULL);
        if (status.code == STATUS_FULL) {
            must(graph_add_edge(graph, numbers[bench->pairs[0].from], numbers[bench->pairs[0].to],
                                GRAPH_ORIGIN_EVENT, 2, NULL),
                 "an edge that was there before");
        }
    }
    drop_effects(bench, graph);
    graph_fold(graph);
}

static void change_on(struct bench *bench, uint64_t rate, uint64_t until_ns,
                      struct changes *changes) {
    uint64_t start_ns = wall_ns();
    uint64_t made = 0;
    for (uint64_t now = start_ns; now < until_ns; now = wall_ns()) {
        if (made >= (now - start_ns) * rate / NS_PER_S) {
            struct timespec pause = {.tv_nsec = 200000};
            nanosleep(&pause, NULL);
            continue;
        }
        uint64_t cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
        change_batch(bench);
        uint64_t took_ns = now_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
        histogram_add(&changes->batches, took_ns);
        changes->busy_ns += took_ns;
        made += BATCH_CHANGES;
    }
    changes->count += made;
}

static void merge_histogram(struct histogram *sum, const struct histogram *one) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum->counts[i] += one->counts[i];
    }
    sum->total += one->total;
    sum->sum += one->sum;
    sum->value_max = one->value_max > sum->value_max ? one->value_max : sum->value_max;
}

static void start_readers(struct stage *stage, struct reading *readings) {
    for (uint64_t i = 0; i < stage->bench->options.readers; i++) {
        readings[i].stage = stage;
        readings[i].random.state = 1000 + i;
        must(arena_init(&readings[i].arena, 4 * GIB), "arena");
        if (pthread_create(&readings[i].thread, NULL, read_on, &readings[i]) != 0) {
            must(status_of(STATUS_FULL), "thread");
        }
    }
}

static void end_readers(struct stage *stage, struct reading *readings, struct latency *latencies) {
    atomic_store(&stage->kind, KIND_COUNT);
    for (uint64_t i = 0; i < stage->bench->options.readers; i++) {
        pthread_join(readings[i].thread, NULL);
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            merge_histogram(&latencies[kind].cpu, &readings[i].latencies[kind].cpu);
            merge_histogram(&latencies[kind].wall, &readings[i].latencies[kind].wall);
        }
        arena_deinit(&readings[i].arena);
    }
}

static double quantile_us(const struct histogram *histogram, double quantile) {
    return (double)histogram_at(histogram, quantile) / 1e3;
}

static void print_kind(const struct latency *latencies, int kind) {
    const struct latency *latency = &latencies[kind];
    printf("readers, %s: %" PRIu64 " queries; cpu p50 %.1f p99 %.1f us; wall p50 %.1f p99 %.1f us",
           kind_words[kind], latency->cpu.total, quantile_us(&latency->cpu, 0.5),
           quantile_us(&latency->cpu, 0.99), quantile_us(&latency->wall, 0.5),
           quantile_us(&latency->wall, 0.99));
    for (int base = KIND_ALONE; base < kind; base++) {
        printf("; p99 against %s: cpu %.2f, wall %.2f", kind_words[base],
               quantile_us(&latency->cpu, 0.99) / quantile_us(&latencies[base].cpu, 0.99),
               quantile_us(&latency->wall, 0.99) / quantile_us(&latencies[base].wall, 0.99));
    }
    printf("\n");
}

void bench_read_while_changing(struct bench *bench) {
    struct latency *latencies = allocate(KIND_COUNT, sizeof(struct latency));
    struct reading *readings = allocate(READERS_MAX, sizeof(struct reading));
    struct stage stage = {.bench = bench};
    struct changes *changes = allocate(1, sizeof(struct changes));
    uint32_t folds = graph_folds_count(bench->graph);
    start_readers(&stage, readings);
    for (uint64_t turn = 0; turn < bench->options.seconds * KIND_COUNT; turn++) {
        int kind = (int)(turn % KIND_COUNT);
        atomic_store(&stage.kind, kind);
        change_on(bench, kind == KIND_ALONE ? 0 : bench->options.rate, wall_ns() + TURN_NS,
                  changes);
    }
    end_readers(&stage, readings, latencies);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        print_kind(latencies, kind);
    }
    double seconds = (double)bench->options.seconds * 2;
    printf("writer: %.0f changes/s (%" PRIu64
           " asked), busy %.1f %%, %.0f ns a change, batch of %d p50 %.0f p99 %.0f worst %.0f us; "
           "%u folds\n",
           (double)changes->count / seconds, bench->options.rate,
           (double)changes->busy_ns / seconds / 1e7,
           (double)changes->busy_ns / (double)(changes->count + 1), BATCH_CHANGES,
           quantile_us(&changes->batches, 0.5), quantile_us(&changes->batches, 0.99),
           (double)changes->batches.value_max / 1e3, graph_folds_count(bench->graph) - folds);
    free(changes);
    free(latencies);
    free(readings);
}
