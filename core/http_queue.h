/*
 * http_queue.h - requests that were put back: the handler took enough of their owner's for now, and
 * gets them again, oldest first. Memory: in the connection or stream. Thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_queued {
    void (*hand_over)(void *owner); /* NULL: not in the queue */
    void *owner;
    struct http_queued *next;
    struct http_queued *previous;
};

struct http_queue {
    struct http_queued *first;
    struct http_queued *last;
};

static inline bool http_queued_is_in(const struct http_queued *one) {
    return one->hand_over != NULL;
}

/* Behind all others. It must not be in the queue. */
static inline void http_queue_push(struct http_queue *queue, struct http_queued *one,
                                   void (*hand_over)(void *owner), void *owner) {
    *one = (struct http_queued){hand_over, owner, NULL, queue->last};
    *(queue->last == NULL ? &queue->first : &queue->last->next) = one;
    queue->last = one;
}

/* Nothing happens when it is not in the queue. */
static inline void http_queue_remove(struct http_queue *queue, struct http_queued *one) {
    if (!http_queued_is_in(one)) {
        return;
    }
    *(one->previous == NULL ? &queue->first : &one->previous->next) = one->next;
    *(one->next == NULL ? &queue->last : &one->next->previous) = one->previous;
    *one = (struct http_queued){0};
}
