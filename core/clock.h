/*
 * clock.h - the only place where time is read. Nanoseconds since 1970 (wall) or since some start
 * (monotonic). Any thread.
 */
#pragma once

#include <stdint.h>

/* May jump: for what people and journals read. */
uint64_t clock_wall_ns(void);
/* Never goes back: for spans and timers. */
uint64_t clock_monotonic_ns(void);
