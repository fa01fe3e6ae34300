/*
 * count_allocations.c - preloaded into quell by hot_path_test.py: counts calls of malloc and its
 * kin in a file that the test maps, so that it can read the numbers while quell runs: all of them,
 * and those that quell's own code made and not a library.
 */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static _Atomic unsigned long *calls; /* all; our own */
static uintptr_t own_begin, own_end;

/* The first object is the program. */
static int find_own(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) != 0) {
            own_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            own_end = own_begin + info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void open_counter(void) {
    const char *path = getenv("QUELL_ALLOCATIONS_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    dl_iterate_phdr(find_own, NULL);
    calls = page == MAP_FAILED ? NULL : page;
    if (fd >= 0) {
        close(fd);
    }
}

static void count(const void *caller) {
    if (calls != NULL) {
        bool is_own = (uintptr_t)caller >= own_begin && (uintptr_t)caller < own_end;
        atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(calls + 1, is_own ? 1 : 0, memory_order_relaxed);
    }
}

void *malloc(size_t size) {
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    count(__builtin_return_address(0));
    return __libc_realloc(memory, size);
}
