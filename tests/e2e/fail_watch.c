/*
 * fail_watch.c - preloaded into quell by delivery_test.py: while the file that QUELL_FAIL_WATCH
 * names is there, the kernel watches no further descriptor for a sink (fs.epoll.max_user_watches).
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef int control_call(int, int, int, struct epoll_event *);

/* Of core/loop_epoll.c: what lies in the lowest bits for a foreign descriptor. */
enum { TAG_BITS = 3, TAG_WATCH = 3 };

__attribute__((visibility("default"))) int epoll_ctl(int epoll_fd, int operation, int fd,
                                                     struct epoll_event *event) {
    control_call *real = (control_call *)dlsym(RTLD_NEXT, "epoll_ctl");
    const char *path = getenv("QUELL_FAIL_WATCH");
    if (operation != EPOLL_CTL_DEL && (event->data.u64 & TAG_BITS) == TAG_WATCH && path != NULL &&
        access(path, F_OK) == 0) {
        errno = ENOSPC;
        return -1;
    }
    return real(epoll_fd, operation, fd, event);
}
