/* load_process.h - CPU time and memory of a process, by pid. Any thread. */
#pragma once

#include "core/base/slice.h"

struct load_usage {
    double cpu_seconds; /* user and system, all threads, since its start; in steps of 10 ms */
    uint64_t resident_bytes_max;
};

/* Zeros when there is no such process. */
struct load_usage load_process_read(uint32_t pid);
