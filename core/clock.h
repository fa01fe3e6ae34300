/*
 * clock.h - the only place where time is read. Nanoseconds since 1970 (wall) or since some start
 * (monotonic). Any thread.
 */
#pragma once

#include <stdint.h>

uint64_t clock_wall_ns(void);
uint64_t clock_monotonic_ns(void);
