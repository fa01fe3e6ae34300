/*
 * micro_main.c - quell-bench [--json] [--only PREFIX] [--time SPAN | --rounds N]: runs the benches
 * of micro.h. With --rounds each runs so often, once, and tells how much that was: for whoever
 * counts something else than time (bench/instructions.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/micro/micro.h"
#include "core/base/text.h"
#include "core/clock.h"
#include "core/datadir.h"

enum { RUNS = 5, RESULTS_MAX = 64 };
#define RUN_NS_DEFAULT (200ULL * 1000 * 1000)

struct result {
    const struct micro_bench *bench;
    double ns_per_operation; /* median */
    double bytes_per_operation;
    double spread; /* (largest - smallest) / median */
};

struct options {
    bool prints_json;
    const char *only;
    uint64_t run_ns;
    uint64_t rounds; /* 0: by time */
};

static int compare(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* CPU time where nothing waits: others on the machine then disturb less. */
static uint64_t time_now_ns(const struct micro_bench *bench) {
    struct timespec now;
    if (bench->waits) {
        return clock_monotonic_ns();
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct micro_work run_timed(const struct micro_bench *bench, void *state, uint64_t rounds,
                                   uint64_t *took_ns_out) {
    uint64_t start_ns = time_now_ns(bench);
    struct micro_work work = bench->run(state, rounds);
    *took_ns_out = time_now_ns(bench) - start_ns;
    return work;
}

/* How many rounds take about run_ns. */
static uint64_t find_rounds(const struct micro_bench *bench, void *state, uint64_t run_ns) {
    uint64_t rounds = 1;
    for (;;) {
        uint64_t took_ns = 0;
        (void)run_timed(bench, state, rounds, &took_ns);
        if (took_ns >= run_ns / 4) {
            uint64_t wanted = (uint64_t)((double)rounds * (double)run_ns / (double)took_ns);
            return wanted > 0 ? wanted : 1;
        }
        rounds *= 2;
    }
}

static struct result measure(const struct micro_bench *bench, void *state, uint64_t run_ns) {
    double times[RUNS];
    double bytes = 0;
    uint64_t rounds = find_rounds(bench, state, run_ns);
    for (int i = 0; i < RUNS; i++) {
        uint64_t took_ns = 0;
        struct micro_work work = run_timed(bench, state, rounds, &took_ns);
        times[i] = (double)took_ns / (double)work.operations;
        bytes = (double)work.bytes / (double)work.operations;
    }
    qsort(times, RUNS, sizeof(times[0]), compare);
    return (struct result){.bench = bench,
                           .ns_per_operation = times[RUNS / 2],
                           .bytes_per_operation = bytes,
                           .spread = (times[RUNS - 1] - times[0]) / times[RUNS / 2]};
}

static bool run_bench(const struct micro_bench *bench, const struct options *options,
                      struct result *result_out) {
    char directory[] = "/var/tmp/quell-bench-XXXXXX"; /* a disk, where /tmp may be memory */
    if (mkdtemp(directory) == NULL) {
        return false;
    }
    void *state = bench->init(directory);
    if (state != NULL && options->rounds > 0) {
        struct micro_work work = bench->run(state, options->rounds);
        (void)printf("%s %llu\n", bench->name, (unsigned long long)work.operations);
    } else if (state != NULL) {
        *result_out = measure(bench, state, options->run_ns);
    }
    if (state != NULL) {
        bench->deinit(state);
    }
    datadir_remove(directory);
    return state != NULL;
}

static const struct result *find_result(const struct result *results, uint32_t count,
                                        const char *name) {
    for (uint32_t i = 0; name != NULL && i < count; i++) {
        if (strcmp(results[i].bench->name, name) == 0) {
            return &results[i];
        }
    }
    return NULL;
}

/* Time as a multiple of the floor's; by the byte when the operations differ. */
static double ratio_to_floor(const struct result *result, const struct result *floor) {
    if (strcmp(result->bench->operation, floor->bench->operation) == 0) {
        return result->ns_per_operation / floor->ns_per_operation;
    }
    return result->ns_per_operation / result->bytes_per_operation /
           (floor->ns_per_operation / floor->bytes_per_operation);
}

static void print_row(const struct result *result, const struct result *floor) {
    char cost[64];
    (void)snprintf(cost, sizeof(cost), "%.1f ns/%s", result->ns_per_operation,
                   result->bench->operation);
    (void)printf("%-28s %22s %8.2f GB/s  +-%2.0f%%", result->bench->name, cost,
                 result->bytes_per_operation / result->ns_per_operation, result->spread * 50);
    if (floor != NULL) {
        (void)printf("  %.1fx %s", ratio_to_floor(result, floor), floor->bench->name);
    }
    (void)printf("\n");
    (void)fflush(stdout);
}

static void print_json(const struct result *results, uint32_t count) {
    (void)printf("[");
    for (uint32_t i = 0; i < count; i++) {
        const struct result *floor = find_result(results, count, results[i].bench->floor);
        (void)printf("%s{\"name\":\"%s\",\"operation\":\"%s\",\"ns_per_operation\":%.2f,"
                     "\"bytes_per_operation\":%.1f,\"spread\":%.3f",
                     i == 0 ? "" : ",\n", results[i].bench->name, results[i].bench->operation,
                     results[i].ns_per_operation, results[i].bytes_per_operation,
                     results[i].spread);
        if (floor != NULL) {
            (void)printf(",\"floor\":\"%s\",\"times_floor\":%.2f", floor->bench->name,
                         ratio_to_floor(&results[i], floor));
        }
        (void)printf("}");
    }
    (void)printf("]\n");
}

static bool take_value(const char *name, const char *value, struct options *options) {
    if (strcmp(name, "--only") == 0) {
        options->only = value;
        return true;
    }
    if (strcmp(name, "--time") == 0) {
        return status_is_ok(text_parse_duration(slice_of_text(value), &options->run_ns));
    }
    return strcmp(name, "--rounds") == 0 &&
           status_is_ok(text_parse_u64(slice_of_text(value), &options->rounds));
}

static bool parse_options(int count, char **words, struct options *options) {
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--json") == 0) {
            options->prints_json = true;
            continue;
        }
        if (i + 1 == count || !take_value(words[i], words[i + 1], options)) {
            return false;
        }
        i++;
    }
    return true;
}

int main(int count, char **words) {
    struct options options = {.only = "", .run_ns = RUN_NS_DEFAULT};
    static const struct micro_bench *const groups[] = {micro_memory_benches, micro_decode_benches,
                                                       micro_state_benches, micro_storage_benches};
    struct result results[RESULTS_MAX];
    uint32_t found = 0;
    if (!parse_options(count, words, &options)) {
        (void)fprintf(stderr,
                      "usage: quell-bench [--json] [--only PREFIX] [--time SPAN | --rounds N]\n");
        return 2;
    }
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        for (const struct micro_bench *bench = groups[group]; bench->name != NULL; bench++) {
            if (strncmp(bench->name, options.only, strlen(options.only)) != 0 ||
                found == RESULTS_MAX || !run_bench(bench, &options, &results[found]) ||
                options.rounds > 0) {
                continue;
            }
            found++;
            if (!options.prints_json) {
                print_row(&results[found - 1], find_result(results, found, bench->floor));
            }
        }
    }
    if (options.prints_json && options.rounds == 0) {
        print_json(results, found);
    }
    return 0;
}
