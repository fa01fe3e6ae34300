/*
 * span_names.h - entities' names by number, for threads that wait for nobody: a cache of fixed size
 * in which a new name takes the place of the longest unused of its neighbours.
 *
 * 1. A number names what it was given for, or nothing any more: a place counts its names.
 * 2. Each place is a sequence lock: odd while it is written; who reads meanwhile reads nothing.
 * 3. Two threads may give one new name two numbers; both are right.
 *
 * Memory: 4.5 MiB of an arena. Any thread.
 */
#pragma once

#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/base/limits.h"

struct span_name_place;

struct span_names {
    struct span_name_place *places;
};

/* FULL when the arena is. */
MUST_CHECK struct status span_names_init(struct span_names *names, struct arena *arena);
/* The number of the name, whose hash the caller knows; at most ENTITY_BYTES_MAX bytes. `now_s` is
 * any clock's: what was used lately stays. False, seldom: other threads write where it belongs. */
bool span_names_intern(const struct span_names *names, struct slice name, uint64_t hash,
                       uint32_t now_s, uint32_t *number_out);
/* Copies the name. False: its place has another one now. */
bool span_names_read(const struct span_names *names, uint32_t number, char memory[ENTITY_BYTES_MAX],
                     struct slice *name_out);
