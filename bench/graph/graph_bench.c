/*
 * graph_bench.c - the graph at scale, beside a plain breadth-first search over a static array CSR.
 *
 *   quell-bench-graph [--nodes n] [--edges n] [--tenants n] [--rate changes/s] [--seconds s]
 *                     [--readers n] [--restart-edges n] [--mixed 0|1] [--dir scratch]
 *
 * 1. build: processor time a node and an edge, bytes a node and an edge (resident memory before and
 * after);
 * 2. blast radius from random starts: ours and the plain one in turns, nanoseconds per edge;
 * 3. readers run blast radius in three kinds of turns of a second, each kind for --seconds: the
 *    writer sleeps; it changes edges at the rate and folds, but of a second graph like theirs, so
 *    that it takes as much of the processors and caches; it changes their graph. p99 of the
 * readers' processor time and of wall time. Give 30 seconds or more: with ten million edges the
 * rows are folded anew every 10 to 25 s, and before the first time there are few newer edges to
 * pass;
 * 4. restart: rows out of the store into a new graph.
 *
 * Tenants do not see one another; each one's edges go between random nodes of its own, one in a
 * hundred to a node of "platform". Nodes of all tenants come in turns unless --mixed is 0.
 */
#include "bench/graph/graph_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool take_option(struct options *options, const char *name, const char *value) {
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {
        {"--nodes", &options->nodes},     {"--edges", &options->edges},
        {"--tenants", &options->tenants}, {"--rate", &options->rate},
        {"--seconds", &options->seconds}, {"--readers", &options->readers},
        {"--visits", &options->visits},   {"--restart-edges", &options->restart_edges},
        {"--mixed", &options->mixed},
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
        .mixed = 1,
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
    bench_build(&bench);
    bench_compare(&bench);
    bench_read_while_changing(&bench);
    if (bench.options.restart_edges > 0) {
        bench_restart(&bench);
    }
    graph_reader_unregister();
    arena_deinit(&bench.arena);
    free(bench.pairs);
    free(bench.numbers);
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
