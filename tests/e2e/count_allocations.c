/*
 * count_allocations.c - preloaded into quell by hot_path_test.py: counts calls of malloc and its
 * kin in a file that the test maps, so that it can read the number while quell runs.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static _Atomic unsigned long *calls;

__attribute__((constructor)) static void open_counter(void) {
    const char *path = getenv("QUELL_ALLOCATIONS_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    calls = page == MAP_FAILED ? NULL : page;
    if (fd >= 0) {
        close(fd);
    }
}

static void count(void) {
    if (calls != NULL) {
        atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    }
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    count();
    return __libc_realloc(memory, size);
}
