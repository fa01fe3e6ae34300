/* sink_queue.c - see sink_queue.h. */
#include "sinks/sink_queue.h"

#include <stdlib.h>

#include "core/base/assert.h"

static bool is_same(struct hash128 a, struct hash128 b) {
    return a.lo == b.lo && a.hi == b.hi;
}

/* Room for one more; false without memory. */
static bool grow(void **items, uint32_t count, uint32_t *capacity, size_t item_bytes) {
    if (count < *capacity) {
        return true;
    }
    uint32_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = realloc(*items, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *capacity = wanted;
    return true;
}

static bool supersede(struct sink_queue *queue, uint64_t number) {
    void *numbers = queue->superseded;
    if (!grow(&numbers, queue->superseded_count, &queue->superseded_capacity, sizeof(uint64_t))) {
        return false;
    }
    queue->superseded = numbers;
    queue->superseded[queue->superseded_count++] = number;
    return true;
}

/* Rows of `earlier` that are not needed once `later` takes its place. A row "opened" is, until its
 * incident is over: when the queue is made anew, by a restart or a new configuration, it says that
 * nobody heard of the incident yet. */
static bool leave_rows(struct sink_queue *queue, struct queued_message *earlier,
                       const struct queued_message *later) {
    if (later->type == OUTBOX_UPDATED && earlier->type == OUTBOX_OPENED &&
        earlier->opened_number == 0) {
        earlier->opened_number = earlier->number;
        return true;
    }
    if (later->type == OUTBOX_RESOLVED && earlier->opened_number != 0) {
        if (!supersede(queue, earlier->opened_number)) {
            return false;
        }
        earlier->opened_number = 0;
    }
    return supersede(queue, earlier->number);
}

static void take_place(struct queued_message *earlier, const struct queued_message *later) {
    earlier->is_unheard = earlier->is_unheard || earlier->type == OUTBOX_OPENED;
    earlier->number = later->number;
    earlier->version = later->version;
    earlier->type =
        earlier->is_unheard && later->type == OUTBOX_UPDATED ? OUTBOX_OPENED : later->type;
    earlier->attempts = 0;
    earlier->attempts_told = 0;
    earlier->charged = 0;
    earlier->step = 0;
}

/* The later state takes the earlier message's place, so a changing incident keeps its turn. A
 * message of an older state than the one that waits says nothing any more. */
static bool replace(struct sink_queue *queue, struct queued_message *earlier,
                    const struct queued_message *later) {
    if (later->opened_number != 0 && !supersede(queue, later->opened_number)) {
        return false;
    }
    if (later->version >= earlier->version) {
        if (!leave_rows(queue, earlier, later)) {
            return false;
        }
        take_place(earlier, later);
        return true;
    }
    if (!supersede(queue, later->number)) {
        return false;
    }
    if (later->type == OUTBOX_OPENED && earlier->type == OUTBOX_UPDATED) {
        earlier->type = OUTBOX_OPENED; /* it was undelivered, so nobody heard of it */
    }
    return true;
}

static struct queued_message *find_waiting(struct sink_queue *queue, struct hash128 incident) {
    for (uint32_t i = queue->count; i > 0; i--) {
        struct queued_message *message = &queue->messages[i - 1];
        if (!message->is_in_flight && is_same(message->incident, incident)) {
            return message;
        }
    }
    return NULL;
}

struct status sink_queue_push(struct sink_queue *queue, const struct outbox_message *message,
                              bool lags) {
    struct queued_message pushed = {.number = message->number,
                                    .incident = message->incident_id,
                                    .version = message->incident_version,
                                    .type = message->type};
    struct queued_message *waiting = lags ? find_waiting(queue, pushed.incident) : NULL;
    if (waiting != NULL && replace(queue, waiting, &pushed)) {
        return status_ok();
    }
    void *messages = queue->messages;
    if (queue->count == SINK_QUEUE_MAX ||
        !grow(&messages, queue->count, &queue->capacity, sizeof(struct queued_message))) {
        return status_of(STATUS_FULL);
    }
    queue->messages = messages;
    queue->messages[queue->count++] = pushed;
    return status_ok();
}

void sink_queue_remove(struct sink_queue *queue, struct queued_message *message) {
    size_t index = (size_t)(message - queue->messages);
    ASSERT(index < queue->count);
    queue->count--;
    memmove(message, message + 1, (queue->count - index) * sizeof(*message));
}

void sink_queue_coalesce(struct sink_queue *queue) {
    for (uint32_t i = 0; i < queue->count; i++) {
        struct queued_message *earlier = &queue->messages[i];
        for (uint32_t k = i + 1; k < queue->count && !earlier->is_in_flight;) {
            struct queued_message *later = &queue->messages[k];
            if (is_same(earlier->incident, later->incident) && replace(queue, earlier, later)) {
                sink_queue_remove(queue, later);
            } else {
                k++;
            }
        }
    }
}

static bool has_earlier(const struct sink_queue *queue, uint32_t index) {
    for (uint32_t i = 0; i < index; i++) {
        if (is_same(queue->messages[i].incident, queue->messages[index].incident)) {
            return true;
        }
    }
    return false;
}

struct queued_message *sink_queue_next(struct sink_queue *queue, uint64_t now_ns,
                                       uint64_t *due_ns_out) {
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < queue->count; i++) {
        struct queued_message *message = &queue->messages[i];
        if (message->due_ns > now_ns) {
            due_ns = message->due_ns < due_ns ? message->due_ns : due_ns;
        } else if (!has_earlier(queue, i)) {
            return message;
        }
    }
    *due_ns_out = due_ns;
    return NULL;
}

struct queued_message *sink_queue_in_flight(struct sink_queue *queue) {
    for (uint32_t i = 0; i < queue->count; i++) {
        if (queue->messages[i].is_in_flight) {
            return &queue->messages[i];
        }
    }
    return NULL;
}

void sink_queue_deinit(struct sink_queue *queue) {
    free(queue->messages);
    free(queue->superseded);
    *queue = (struct sink_queue){0};
}
