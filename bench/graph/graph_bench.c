/*
 * graph_bench.c - the graph at scale, beside a plain breadth-first search over a static array CSR.
 *
 *   quell-bench-graph [--nodes n] [--edges n] [--tenants n] [--rate changes/s] [--seconds s]
 *                     [--readers n] [--restart-edges n] [--dir scratch]
 *
 * 1. build: nodes and edges a second, bytes a node and an edge (resident memory before and after);
 * 2. blast radius from random starts: ours and the plain one in turns, nanoseconds per edge;
 * 3. readers run blast radius while one writer changes edges at the rate and folds; p99 of the
 *    readers' processor time and of wall time, without and with changes;
 * 4. restart: rows out of the store into a new graph.
 *
 * Tenants do not see one another; each one's edges go between random nodes of its own, one in a
 * hundred to a node of "platform".
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "bench/random.h"
#include "core/base/assert.h"
#include "core/store.h"
#include "graph/graph.h"

enum { READERS_MAX = 16, STARTS = 400, PLATFORM_NODES = 256, BATCH_CHANGES = 100 };

struct options {
    uint64_t nodes;
    uint64_t edges;
    uint64_t tenants;
    uint64_t rate;
    uint64_t seconds;
    uint64_t readers;
    uint64_t restart_edges;
    uint64_t visits;
    const char *directory;
};

struct pair {
    uint32_t from;
    uint32_t to;
};

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

struct bench {
    struct options options;
    struct random random;
    struct arena arena;
    struct graph *graph;
    struct graph_options graph_options;
    struct pair *pairs;
    struct effects effects;
    bool is_wrong; /* ours and the floor did not agree */
    atomic_bool is_over;
};

static uint64_t now_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t wall_ns(void) {
    return now_of(CLOCK_MONOTONIC);
}

static uint64_t resident_bytes(void) {
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

static void must(struct status status, const char *what) {
    if (!status_is_ok(status)) {
        fprintf(stderr, "graph bench: %s: %s\n", what, status_name(status));
        exit(1);
    }
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        must(status_of(STATUS_FULL), "memory");
    }
    return memory;
}

/* --- 1. Build --- */

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static uint64_t tenant_share(const struct options *options) {
    return (options->nodes - PLATFORM_NODES) / options->tenants;
}

static uint32_t tenant_of(const struct options *options, uint32_t node) {
    uint64_t tenant = (node - PLATFORM_NODES) / tenant_share(options);
    return (uint32_t)(tenant < options->tenants ? tenant : options->tenants - 1);
}

static void intern_nodes(struct bench *bench, struct graph *graph, uint64_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char owner[32] = "platform";
        char entity[64];
        uint32_t node = 0;
        if (i >= PLATFORM_NODES) {
            snprintf(owner, sizeof(owner), "tenant-%u", tenant_of(&bench->options, i));
        }
        snprintf(entity, sizeof(entity), "job:team_%u/load_orders_%07u", i % 97, i);
        must(
            graph_intern_node(graph, slice_of_text(owner), slice_of_text(entity), key_of(i), &node),
            "intern");
        ASSERT(node == i);
    }
}

/* An edge between two random nodes of one tenant, or to platform. */
static struct pair random_pair(struct bench *bench) {
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

static void drop_effects(struct bench *bench) {
    while (!graph_emit(bench->graph, &bench->effects)) {
        effects_clear(&bench->effects);
    }
    effects_clear(&bench->effects);
}

static uint32_t add_edges(struct bench *bench, struct graph *graph, uint64_t wanted) {
    uint32_t count = 0;
    while (count < wanted) {
        struct pair pair = random_pair(bench);
        bool is_new = false;
        if (pair.from == pair.to) {
            continue;
        }
        must(graph_add_edge(graph, pair.from, pair.to, GRAPH_ORIGIN_EVENT, 1, &is_new), "edge");
        if (is_new) {
            bench->pairs[count++] = pair;
        }
    }
    return count;
}

static void build(struct bench *bench) {
    const struct options *options = &bench->options;
    bench->graph_options = (struct graph_options){
        .nodes_max = (uint32_t)options->nodes,
        .edges_max = (uint32_t)(options->edges + options->edges / 4),
    };
    must(arena_init(&bench->arena, 64 * GIB), "arena");
    must(effects_init(&bench->effects, 16 * MIB, &bench->arena), "effects");
    must(graph_init(&bench->graph, &bench->graph_options, &bench->arena), "graph");
    bench->pairs = allocate(options->edges, sizeof(struct pair));
    memset(bench->pairs, 1, options->edges * sizeof(struct pair)); /* resident before */
    uint64_t before = resident_bytes();
    uint64_t start_ns = wall_ns();
    intern_nodes(bench, bench->graph, options->nodes);
    uint64_t nodes_ns = wall_ns() - start_ns;
    uint64_t with_nodes = resident_bytes();
    start_ns = wall_ns();
    (void)add_edges(bench, bench->graph, options->edges);
    uint64_t edges_ns = wall_ns() - start_ns;
    drop_effects(bench);
    start_ns = wall_ns();
    graph_fold_now(bench->graph);
    uint64_t fold_ns = wall_ns() - start_ns;
    uint64_t with_edges = resident_bytes();
    printf("build: %" PRIu64 " nodes %.0f ns each, %.1f B; %" PRIu64
           " edges %.0f ns each, %.1f B; whole fold %.0f ms\n",
           options->nodes, (double)nodes_ns / (double)options->nodes,
           (double)(with_nodes - before) / (double)options->nodes, options->edges,
           (double)edges_ns / (double)options->edges,
           (double)(with_edges - with_nodes) / (double)options->edges, (double)fold_ns / 1e6);
}

/* --- 2. Beside the floor --- */

/* On the same large pages as ours. */
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

static uint32_t our_search(struct graph_search *search, const struct graph *graph, uint32_t start,
                           struct slice viewer) {
    uint32_t count = 0;
    bool is_truncated = false;
    graph_reader_begin();
    (void)graph_search_run(search, graph, start, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX, viewer, &count,
                           &is_truncated);
    graph_reader_end();
    return count;
}

static struct slice viewer_of(const struct options *options, uint32_t node, char memory[32]) {
    snprintf(memory, 32, "tenant-%u", tenant_of(options, node));
    return slice_of_text(memory);
}

static uint32_t random_start(struct bench *bench) {
    uint64_t own = bench->options.nodes - PLATFORM_NODES;
    return (uint32_t)(PLATFORM_NODES + random_below(&bench->random, own));
}

static void compare(struct bench *bench) {
    struct plain plain;
    struct graph_search *search = NULL;
    uint32_t visits_max = (uint32_t)bench->options.visits;
    uint64_t plain_ns = 0;
    uint64_t our_ns = 0;
    uint64_t edges = 0;
    uint64_t reached = 0;
    plain_init(&plain, bench);
    must(graph_search_init(&search, &bench->graph_options, visits_max, &bench->arena), "search");
    for (uint32_t i = 0; i < STARTS; i++) {
        char memory[32];
        uint32_t start = random_start(bench);
        struct slice viewer = viewer_of(&bench->options, start, memory);
        for (uint32_t turn = 0; turn < 2; turn++) { /* who comes first alternates */
            uint64_t from_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
            if ((turn ^ i) % 2 == 0) {
                reached += plain_search(&plain, start, visits_max, &edges);
                plain_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - from_ns;
            } else {
                reached -= our_search(search, bench->graph, start, viewer);
                our_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - from_ns;
            }
        }
    }
    bench->is_wrong = bench->is_wrong || reached != 0;
    printf("blast radius: ours %.2f ns/edge, plain %.2f ns/edge, ratio %.2f (%" PRIu64
           " edges a search%s)\n",
           (double)our_ns / (double)edges, (double)plain_ns / (double)edges,
           (double)our_ns / (double)plain_ns, edges / STARTS,
           reached == 0 ? "" : "; DIFFERENT RESULTS");
}

/* --- 3. Readers while it changes --- */

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

static void read_while_changing(struct bench *bench) {
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

/* --- 4. Restart --- */

static void write_rows(struct store *store, struct effects *effects) {
    struct fault fault;
    struct effects_cursor cursor = effects_begin(effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        must(store_put(store, effect.table, effect.key, effect.value, &fault), "put");
    }
    effects_clear(effects);
}

static void restore(struct graph *graph, struct store_snapshot *snapshot, enum store_table table) {
    struct store_cursor *cursor = NULL;
    struct slice none = slice_of(NULL, 0);
    struct slice key;
    struct slice value;
    must(store_cursor_open(snapshot, table, none, none, &cursor), "cursor");
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        must(table == STORE_TABLE_NODE ? graph_restore_node(graph, key, value)
                                       : graph_restore_edge(graph, key, value),
             "restore");
        status = store_cursor_next(cursor, &key, &value);
    }
    store_cursor_close(cursor);
}

static void restart(struct bench *bench) {
    struct fault fault = {0};
    struct store *store = NULL;
    struct arena arenas[2] = {0};
    struct graph *graphs[2];
    struct store_options options = {bench->options.directory, 16 * GIB, false};
    struct options saved = bench->options;
    bench->options.edges = saved.restart_edges;
    bench->options.nodes = saved.restart_edges / 10 + PLATFORM_NODES;
    struct graph_options graph_options = {.nodes_max = (uint32_t)bench->options.nodes,
                                          .edges_max = (uint32_t)saved.restart_edges};
    for (uint32_t i = 0; i < 2; i++) {
        must(arena_init(&arenas[i], 8 * GIB), "arena");
        must(graph_init(&graphs[i], &graph_options, &arenas[i]), "graph");
    }
    must(store_open(&options, &store, &fault), fault.words);
    intern_nodes(bench, graphs[0], bench->options.nodes);
    (void)add_edges(bench, graphs[0], saved.restart_edges);
    must(store_begin(store, &fault), fault.words);
    for (bool is_done = false; !is_done;) {
        is_done = graph_emit(graphs[0], &bench->effects);
        write_rows(store, &bench->effects);
    }
    must(store_commit(store, &fault), fault.words);
    struct store_snapshot *snapshot = NULL;
    uint64_t start_ns = wall_ns();
    uint64_t start_cpu_ns = now_of(CLOCK_THREAD_CPUTIME_ID);
    must(store_snapshot_acquire(store, &snapshot), "snapshot");
    restore(graphs[1], snapshot, STORE_TABLE_NODE);
    restore(graphs[1], snapshot, STORE_TABLE_EDGE);
    graph_fold_now(graphs[1]);
    uint64_t took_ns = wall_ns() - start_ns;
    uint64_t cpu_ns = now_of(CLOCK_THREAD_CPUTIME_ID) - start_cpu_ns;
    store_snapshot_release(snapshot);
    store_close(store);
    bool is_same = hash128_equals(graph_digest(graphs[0]), graph_digest(graphs[1]));
    bench->is_wrong = bench->is_wrong || !is_same;
    printf("restart: %u nodes, %u edges back in %.3f s (processor %.3f s)%s\n",
           graph_nodes_count(graphs[1]), graph_edges_count(graphs[1]), (double)took_ns / 1e9,
           (double)cpu_ns / 1e9, is_same ? "" : "; DIFFERENT GRAPH");
    arena_deinit(&arenas[0]);
    arena_deinit(&arenas[1]);
    bench->options = saved;
}

/* --- The command line --- */

static bool take_option(struct options *options, const char *name, const char *value) {
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {
        {"--nodes", &options->nodes},     {"--edges", &options->edges},
        {"--tenants", &options->tenants}, {"--rate", &options->rate},
        {"--seconds", &options->seconds}, {"--readers", &options->readers},
        {"--visits", &options->visits},   {"--restart-edges", &options->restart_edges},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].number = strtoull(value, NULL, 10);
            return true;
        }
    }
    options->directory = value;
    return strcmp(name, "--dir") == 0;
}

int main(int count, char **words) {
    static struct bench bench;
    char scratch[] = "/tmp/quell-bench-graph-XXXXXX";
    bench.options = (struct options){
        .nodes = 1000000,
        .edges = 10000000,
        .tenants = 20,
        .rate = 100000,
        .seconds = 5,
        .readers = 2,
        .restart_edges = 1000000,
        .visits = GRAPH_VISITS_MAX,
    };
    bench.random.state = 1;
    bool is_good = count % 2 == 1;
    for (int i = 1; i + 1 < count; i += 2) {
        is_good = take_option(&bench.options, words[i], words[i + 1]) && is_good;
    }
    if (!is_good || bench.options.readers > READERS_MAX || bench.options.tenants == 0 ||
        bench.options.nodes < 2ull * PLATFORM_NODES + bench.options.tenants) {
        fprintf(stderr, "usage: see the top of bench/graph/graph_bench.c\n");
        return 2;
    }
    bool is_own = bench.options.directory == NULL;
    bench.options.directory = is_own ? mkdtemp(scratch) : bench.options.directory;
    graph_reader_register();
    build(&bench);
    compare(&bench);
    read_while_changing(&bench);
    if (bench.options.restart_edges > 0) {
        restart(&bench);
    }
    graph_reader_unregister();
    arena_deinit(&bench.arena);
    free(bench.pairs);
    if (is_own) {
        char path[64];
        snprintf(path, sizeof(path), "%s/data.mdb", scratch);
        (void)unlink(path);
        snprintf(path, sizeof(path), "%s/lock.mdb", scratch);
        (void)unlink(path);
        (void)rmdir(scratch);
    }
    return bench.is_wrong ? 1 : 0;
}
