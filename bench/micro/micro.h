/*
 * micro.h - benchmarks of single stages: each is run until it has taken long enough, several times,
 * and the median is told beside the floor that it is compared with, from the same run.
 *
 * A bench does `rounds` rounds over memory that its init prepared and says how many operations and
 * bytes that was. Nothing may be left out: a result that nobody uses is handed to micro_use.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

struct micro_work {
    uint64_t operations;
    uint64_t bytes;
};

struct micro_bench {
    const char *name;
    const char *operation; /* what one operation is: "record", "batch" */
    const char *floor;     /* name of the bench that bounds this one; NULL: it is a floor */
    /* NULL when it cannot be had here. `directory` is empty and goes away afterwards. */
    void *(*init)(const char *directory);
    struct micro_work (*run)(void *state, uint64_t rounds);
    void (*deinit)(void *state);
    bool waits; /* for a disk: timed by the clock, else by the CPU time of this thread */
};

/* Keeps the compiler from dropping what made the value. */
static inline void micro_use(uint64_t value) {
    __asm__ volatile("" : : "r"(value) : "memory");
}

extern const struct micro_bench micro_memory_benches[];  /* micro_memory.c */
extern const struct micro_bench micro_decode_benches[];  /* micro_decode.c */
extern const struct micro_bench micro_state_benches[];   /* micro_state.c */
extern const struct micro_bench micro_storage_benches[]; /* micro_storage.c; all end with {0} */
