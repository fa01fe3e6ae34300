/*
 * sink_queue.h - the messages that wait for one sink: numbers of outbox rows, never payloads.
 *
 * Order: an incident's messages go out one after the other, oldest first; those of other incidents
 * need not wait while one of them backs off. A queue that lags (its sink is down, or more wait than
 * SINK_QUEUE_LAG; never one that keeps a history) keeps only the latest message of each incident,
 * in the place of the oldest; the numbers that fell out are handed over as superseded. The latest
 * is the one of the latest state: a dead letter that goes out again comes last, but tells what was.
 *
 * Memory: grows to SINK_QUEUE_MAX messages; beyond them the host reads the outbox again later. An
 * incident that is in a full queue has room for one more, as its latest would else wait behind what
 * others say, and every state of it would stay in the outbox.
 */
#pragma once

#include "core/base/hash.h"
#include "core/outbox.h"

enum { SINK_QUEUE_MAX = 4096, SINK_QUEUE_LAG = 256 };

struct queued_message {
    uint64_t number;
    struct hash128 incident;
    uint32_t version;       /* of the incident */
    uint64_t due_ns;        /* no attempt before */
    uint32_t attempts;      /* failed ones */
    uint32_t attempts_told; /* of them, to the shard, that counts them */
    uint32_t charged;       /* those of them that count towards max_attempts */
    uint32_t step;          /* sink.h, SINK_CONTINUE */
    enum outbox_type type;  /* as it is told: "opened" when no earlier message ever went out */
    uint64_t opened_number; /* of the row "opened" that it replaced and that is still there, or 0:
                               superseded before this one's outcome is reported */
    bool is_unheard;        /* also when it says "resolved" by now: it may be reopened */
    bool is_in_flight;
};

struct sink_queue {
    struct queued_message *messages; /* in order */
    uint32_t count;
    uint32_t capacity;
    uint64_t *superseded; /* numbers whose outcome is still to be reported */
    uint32_t superseded_count;
    uint32_t superseded_capacity;
};

/* Whether a message of the incident is in it, also one in flight. */
bool sink_queue_has(const struct sink_queue *queue, struct hash128 incident);
/* Whether the row is one of those that its messages stand for. */
bool sink_queue_has_row(const struct sink_queue *queue, uint64_t number);
/* FULL: nothing changed. `lags`: of it and the incident's waiting message one stays. */
MUST_CHECK struct status sink_queue_push(struct sink_queue *queue,
                                         const struct outbox_message *message, bool lags);
/* Keeps the latest message of each incident. */
void sink_queue_coalesce(struct sink_queue *queue);
/* The first message that is due and has no earlier one of its incident before it; NULL when none
 * is, and then due_ns_out says when to ask again (UINT64_MAX: never). Valid until the next push or
 * removal. */
struct queued_message *sink_queue_next(struct sink_queue *queue, uint64_t now_ns,
                                       uint64_t *due_ns_out);
struct queued_message *sink_queue_in_flight(struct sink_queue *queue);
void sink_queue_remove(struct sink_queue *queue, struct queued_message *message);
void sink_queue_deinit(struct sink_queue *queue);
