/*
 * clock.h - the only place where time is read. Nanoseconds since 1970 (wall) or since some start
 * (monotonic, thread). Any thread.
 */
#pragma once

#include <stdint.h>

/* May jump: for what people and journals read. */
uint64_t clock_wall_ns(void);
/* Never goes back: for spans and timers. */
uint64_t clock_monotonic_ns(void);
/* What the calling thread has had of a processor: for what work costs. A system call. */
uint64_t clock_thread_ns(void);
