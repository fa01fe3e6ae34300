/* watching.c - see watching.h. */
#include "sinks/watching.h"

static void on_watch_ready(void *context, int fd, unsigned events) {
    (void)fd;
    (void)events;
    struct sink_watch *watch = context;
    if (watch->on_ready != NULL) {
        watch->on_ready(watch->state);
    }
}

static struct status watch_descriptor(struct sink_watcher *watcher, int fd, unsigned events,
                                      void (*on_ready)(void *state), void *state) {
    struct sink_watch *watch = (struct sink_watch *)watcher;
    watch->on_ready = events == 0 ? NULL : on_ready;
    watch->state = state;
    return loop_watch(watch->loop, fd, events, on_watch_ready, watch);
}

void sink_watch_init(struct sink_watch *watch, struct loop *loop, enum sink_addresses addresses,
                     void (*finish)(struct sink_watcher *watcher, enum sink_verdict verdict,
                                    struct slice words)) {
    watch->loop = loop;
    watch->watcher.addresses = addresses;
    watch->watcher.watch = watch_descriptor;
    watch->watcher.finish = finish;
}
