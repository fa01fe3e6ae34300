/*
 * fail_loop.c - preloaded into quell by life_test.py: once the file that QUELL_FAIL_LOOP names is
 * there, the loop of the thread that listened second (the console is first, then comes ingest)
 * waits for nothing any more, as if its descriptor were gone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef int listen_call(int, int);
typedef int wait_call(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);

static atomic_int listens;
static _Thread_local bool is_chosen;

__attribute__((visibility("default"))) int listen(int fd, int backlog) {
    listen_call *real = (listen_call *)dlsym(RTLD_NEXT, "listen");
    is_chosen = is_chosen || atomic_fetch_add(&listens, 1) == 1;
    return real(fd, backlog);
}

__attribute__((visibility("default"))) int epoll_pwait2(int fd, struct epoll_event *events,
                                                        int events_max,
                                                        const struct timespec *limit,
                                                        const sigset_t *mask) {
    wait_call *real = (wait_call *)dlsym(RTLD_NEXT, "epoll_pwait2");
    const char *path = getenv("QUELL_FAIL_LOOP");
    if (is_chosen && path != NULL && access(path, F_OK) == 0) {
        errno = EBADF;
        return -1;
    }
    return real(fd, events, events_max, limit, mask);
}
