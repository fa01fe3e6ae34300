/* graph_restart.c - part 4 of quell-bench-graph: from the rows of a store into a new graph. */
#include "bench/graph/graph_bench.h"

#include <stdio.h>

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

void bench_restart(struct bench *bench) {
    struct fault fault = {0};
    struct store *store = NULL;
    struct arena arenas[2] = {0};
    struct graph *graphs[2];
    struct store_options options = {bench->options.directory, 16 * GIB, false};
    struct options saved = bench->options;
    bench->options.edges = saved.restart_edges;
    bench->options.nodes = restart_nodes(&saved);
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
