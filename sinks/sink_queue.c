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

/* The row "opened" that stays once `later` takes the place of `earlier`: when the queue is made
 * anew, by a restart or a new configuration, it says that nobody heard of the incident yet. It
 * stays beside its end, too, since it may be reopened. 0: none. */
static uint64_t opened_row(const struct queued_message *earlier,
                           const struct queued_message *later) {
    if (earlier->opened_number != 0) {
        return earlier->opened_number;
    }
    bool is_it = earlier->type == OUTBOX_OPENED && later->type != OUTBOX_OPENED;
    return is_it ? earlier->number : later->opened_number;
}

/* Rows of the two that are not needed any more, when that of `goes` is not. */
static bool leave_rows(struct sink_queue *queue, const struct queued_message *goes,
                       const struct queued_message *stays, uint64_t opened_number) {
    const uint64_t numbers[] = {goes->number, goes->opened_number, stays->opened_number};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bool is_left = numbers[i] != 0 && numbers[i] != opened_number;
        if (is_left && !supersede(queue, numbers[i])) {
            return false;
        }
    }
    return true;
}

/* Nobody heard of the incident by either: then what is told of it first is that it is open. */
static void note_unheard(struct queued_message *earlier, const struct queued_message *later) {
    earlier->is_unheard = earlier->is_unheard || later->is_unheard ||
                          earlier->type == OUTBOX_OPENED || later->type == OUTBOX_OPENED;
}

static void take_place(struct queued_message *earlier, const struct queued_message *later,
                       uint64_t opened_number) {
    earlier->number = later->number;
    earlier->version = later->version;
    earlier->type = later->type;
    earlier->opened_number = opened_number;
    earlier->attempts = 0;
    earlier->attempts_told = 0;
    earlier->charged = 0;
    earlier->step = 0;
}

/* The later state takes the earlier message's place, so a changing incident keeps its turn. A
 * message of an older state than the one that waits says nothing any more, but that nobody heard of
 * the incident: it was undelivered. */
static bool replace(struct sink_queue *queue, struct queued_message *earlier,
                    const struct queued_message *later) {
    bool is_newer = later->version >= earlier->version;
    uint64_t opened_number = is_newer ? opened_row(earlier, later) : earlier->opened_number;
    if (!leave_rows(queue, is_newer ? earlier : later, is_newer ? later : earlier, opened_number)) {
        return false;
    }
    note_unheard(earlier, later);
    if (is_newer) {
        take_place(earlier, later, opened_number);
    }
    if (earlier->is_unheard && earlier->type == OUTBOX_UPDATED) {
        earlier->type = OUTBOX_OPENED;
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

bool sink_queue_has(const struct sink_queue *queue, struct hash128 incident) {
    for (uint32_t i = 0; i < queue->count; i++) {
        if (is_same(queue->messages[i].incident, incident)) {
            return true;
        }
    }
    return false;
}

bool sink_queue_has_row(const struct sink_queue *queue, uint64_t number) {
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct queued_message *message = &queue->messages[i];
        if (message->number == number || message->opened_number == number) {
            return true;
        }
    }
    return false;
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
    bool is_full =
        queue->count >= SINK_QUEUE_MAX && (!lags || !sink_queue_has(queue, pushed.incident));
    if (is_full ||
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
