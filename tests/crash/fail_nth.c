/*
 * fail_nth.c - preloaded: the n-th call of one kind fails, once. QUELL_FAIL_CALL names the kind
 * (malloc, open, mmap, accept, ring), QUELL_FAIL_N the call; 0 fails none. Counting begins when the
 * process has come to main, and the count is told at the end.
 */
#undef _FILE_OFFSET_BITS /* open and open64 are two here */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct io_uring;
struct io_uring_params;
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params);

static atomic_bool is_counting;
static atomic_ulong calls;

static bool fails(const char *kind, int error) {
    const char *wanted = getenv("QUELL_FAIL_CALL");
    const char *n = getenv("QUELL_FAIL_N");
    if (!atomic_load(&is_counting) || wanted == NULL || n == NULL || strcmp(wanted, kind) != 0) {
        return false;
    }
    if (atomic_fetch_add(&calls, 1) + 1 != strtoul(n, NULL, 10)) {
        return false;
    }
    errno = error;
    return true;
}

/* The first thing that `quell run` does. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    int (*next)(int, const sigset_t *, sigset_t *) =
        (int (*)(int, const sigset_t *, sigset_t *))dlsym(RTLD_NEXT, "pthread_sigmask");
    atomic_store(&is_counting, true);
    return next(how, set, old);
}

__attribute__((destructor)) static void tell(void) {
    char words[64];
    int size = snprintf(words, sizeof(words), "calls %lu\n", atomic_load(&calls));
    ssize_t ignored = write(STDERR_FILENO, words, (size_t)size);
    (void)ignored;
}

/* The C library's, or the sanitizer's, which finds what leaks when one of them failed. */
void *malloc(size_t size) {
    void *(*next)(size_t) = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    return fails("malloc", ENOMEM) ? NULL : next(size);
}

void *calloc(size_t count, size_t size) {
    void *(*next)(size_t, size_t) = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    return fails("malloc", ENOMEM) ? NULL : next(count, size);
}

void *realloc(void *memory, size_t size) {
    void *(*next)(void *, size_t) = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    return fails("malloc", ENOMEM) ? NULL : next(memory, size);
}

int posix_memalign(void **memory_out, size_t align, size_t size) {
    int (*next)(void **, size_t, size_t) =
        (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    return fails("malloc", ENOMEM) ? ENOMEM : next(memory_out, align, size);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return fails("open", EMFILE) ? -1 : next(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*next)(const char *, int, ...) =
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    return fails("open", EMFILE) ? -1 : next(path, flags, mode);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    void *(*next)(void *, size_t, int, int, int, off_t) =
        (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return fails("mmap", ENOMEM) ? MAP_FAILED : next(address, size, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    return mmap(address, size, protection, flags, fd, offset);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    int (*next)(int, struct sockaddr *, socklen_t *, int) =
        (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    return fails("accept", EMFILE) ? -1 : next(fd, address, size, flags);
}

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params) {
    int (*next)(unsigned, struct io_uring *, struct io_uring_params *) =
        (int (*)(unsigned, struct io_uring *, struct io_uring_params *))dlsym(
            RTLD_NEXT, "io_uring_queue_init_params");
    return fails("ring", ENOMEM) ? -ENOMEM : next(entries, ring, params);
}
