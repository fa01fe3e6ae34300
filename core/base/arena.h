/*
 * arena.h - memory that is given back all at once.
 *
 * An arena reserves its whole capacity of address space at init (mmap, not yet backed by memory),
 * so a pointer into it stays valid until reset or deinit, resident memory grows only with use, and
 * a full arena is an answer (NULL), not growth. Memory is zeroed the first time; after a reset it
 * is zeroed again by the allocation calls. Name the variable for its life: batch_arena, init_arena.
 *
 * Thread: one at a time.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

struct arena {
    uint8_t *base;
    size_t capacity_bytes;
    size_t used_bytes;
    size_t touched_bytes; /* high-water mark: above it the memory is still zero */
};

/* Reserves `capacity_bytes` (rounded up to pages). IO when the address space is refused. */
MUST_CHECK struct status arena_init(struct arena *arena, size_t capacity_bytes);

/* Accepts a zeroed arena. */
void arena_deinit(struct arena *arena);

/* Forgets everything, keeps the memory. */
void arena_reset(struct arena *arena);

/* Forgets what was allocated since used_bytes was `mark`. */
void arena_rewind(struct arena *arena, size_t mark);

/* Zeroed bytes, aligned to `align` (a power of two); NULL when full. */
void *arena_allocate(struct arena *arena, size_t size, size_t align);

/* The same, not cleared: for what is written before it is read. */
void *arena_allocate_unset(struct arena *arena, size_t size, size_t align);

/* count * size with the overflow checked; NULL when full. */
void *arena_allocate_array(struct arena *arena, size_t count, size_t size, size_t align);

enum { LARGE_PAGE_BYTES = 2 << 20 };
/* Says that memory will be touched all over, in no order: large pages, where the system has them,
 * spare it address lookups. A hint: nothing fails. */
void arena_advise_dense(void *memory, size_t size);

/* Has the pages made that lie in there, wholly or in part, so that nobody waits for them later. Any
 * thread, also while others use the memory. Where the system cannot, nothing happens. */
void arena_populate(void *memory, size_t size);

/* Gives the pages back that lie wholly in there; read again they are zero. */
void arena_give_back(void *memory, size_t size);

#define ARENA_NEW(arena, type) ((type *)arena_allocate((arena), sizeof(type), _Alignof(type)))
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)arena_allocate_array((arena), (count), sizeof(type), _Alignof(type)))

/* A copy of the bytes in the arena, with a 0 byte behind it that is not counted. FULL when full. */
MUST_CHECK struct status arena_copy(struct arena *arena, struct slice bytes,
                                    struct slice *copy_out);
