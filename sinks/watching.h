/*
 * watching.h - what the host gives to a watching sink: its descriptors watched by our loop. Thread:
 * the sinks'.
 */
#pragma once

#include "core/loop.h"
#include "sinks/sink.h"

struct sink_watch {
    struct sink_watcher watcher; /* first: a watcher is its watch */
    struct loop *loop;
    void (*on_ready)(void *state);
    void *state;
};

/* `finish` is told the end of what the sink does. */
void sink_watch_init(struct sink_watch *watch, struct loop *loop, enum sink_addresses addresses,
                     void (*finish)(struct sink_watcher *watcher, enum sink_verdict verdict,
                                    struct slice words));
