/* arena.c - see arena.h. */
#include "core/base/arena.h"

#include <sys/mman.h>

#include "core/base/assert.h"

enum { PAGE_BYTES = 4096 };

struct status arena_init(struct arena *arena, size_t capacity_bytes) {
    ASSERT(capacity_bytes > 0 && capacity_bytes <= SIZE_MAX - PAGE_BYTES);
    size_t size = (capacity_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        *arena = (struct arena){0};
        return status_of(STATUS_IO);
    }
    *arena = (struct arena){.base = base, .capacity_bytes = size};
    return status_ok();
}

void arena_deinit(struct arena *arena) {
    if (arena->base != NULL) {
        munmap(arena->base, arena->capacity_bytes);
    }
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena) {
    arena_rewind(arena, 0);
}

void arena_rewind(struct arena *arena, size_t mark) {
    ASSERT(mark <= arena->used_bytes);
    if (arena->used_bytes > arena->touched_bytes) {
        arena->touched_bytes = arena->used_bytes;
    }
    arena->used_bytes = mark;
}

void *arena_allocate_unset(struct arena *arena, size_t size, size_t align) {
    ASSERT(align > 0 && (align & (align - 1)) == 0 && align <= PAGE_BYTES);
    size_t start = (arena->used_bytes + align - 1) & ~(align - 1);
    if (arena->base == NULL || start > arena->capacity_bytes ||
        size > arena->capacity_bytes - start) {
        return NULL;
    }
    arena->used_bytes = start + size;
    return arena->base + start;
}

void *arena_allocate(struct arena *arena, size_t size, size_t align) {
    uint8_t *memory = arena_allocate_unset(arena, size, align);
    size_t start = memory == NULL ? arena->touched_bytes : (size_t)(memory - arena->base);
    if (start < arena->touched_bytes) {
        size_t end = start + size < arena->touched_bytes ? start + size : arena->touched_bytes;
        memset(arena->base + start, 0, end - start);
    }
    return memory;
}

void *arena_allocate_array(struct arena *arena, size_t count, size_t size, size_t align) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return arena_allocate(arena, bytes, align);
}

void arena_advise_dense(void *memory, size_t size) {
    uintptr_t start =
        ((uintptr_t)memory + LARGE_PAGE_BYTES - 1) & ~(uintptr_t)(LARGE_PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(uintptr_t)(LARGE_PAGE_BYTES - 1);
    if (start < end) {
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
    }
}

void arena_populate(void *memory, size_t size) {
#ifdef MADV_POPULATE_WRITE
    uintptr_t start = (uintptr_t)memory & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)memory + size + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    (void)madvise((void *)start, end - start, MADV_POPULATE_WRITE);
#else
    (void)memory;
    (void)size;
#endif
}

void arena_give_back(void *memory, size_t size) {
    uintptr_t start = ((uintptr_t)memory + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(uintptr_t)(PAGE_BYTES - 1);
    if (start < end) {
        (void)madvise((void *)start, end - start, MADV_DONTNEED); /* else they stay, and no harm */
    }
}

struct status arena_copy(struct arena *arena, struct slice bytes, struct slice *copy_out) {
    uint8_t *copy = arena_allocate(arena, bytes.size + 1, 1);
    if (copy == NULL) {
        return status_of(STATUS_FULL);
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    copy[bytes.size] = 0;
    *copy_out = slice_of(copy, bytes.size);
    return status_ok();
}
