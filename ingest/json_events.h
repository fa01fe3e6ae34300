/*
 * json_events.h - a body that is one JSON object, or an array of them, each of them an event.
 *
 * What native events, CloudEvents, OpenLineage and alerts share: an element that is no object is
 * refused alone, JSON that cannot be read ends the body, and what an event took of the arena is
 * given back behind it. Thread: one at a time.
 */
#pragma once

#include "ingest/draft.h"

struct json_event_format {
    const char *complaint; /* of an element that is no object */
    size_t size;           /* of the format's event, which begins with its struct draft */
    /* One member of the event's object: its value is due. */
    void (*take_member)(struct json_walk *walk, struct draft *draft, struct slice key);
    /* All members are read: adds the event or refuses it. FULL: throttle. */
    struct status (*add_event)(struct decode *decode, struct draft *draft, struct slice raw);
};

/* An empty event, NULL when there is no room: the draft clears itself, what the format keeps behind
 * it is zeroed. */
static inline struct draft *json_event_make(struct arena *arena, size_t size) {
    struct draft *draft = arena_allocate_unset(arena, size, _Alignof(max_align_t));
    if (draft != NULL) {
        draft_init(draft);
        memset((uint8_t *)draft + sizeof(*draft), 0, size - sizeof(*draft));
    }
    return draft;
}

/* One event. is_whole: nothing may follow it. INVALID: the walk has failed and nothing was added.
 * FULL: throttle. Inline, so that a constant format's readers are called by name, or inlined. */
MUST_CHECK static inline struct status json_event_take(struct decode *decode,
                                                       struct json_walk *walk,
                                                       const struct json_event_format *format,
                                                       bool is_whole) {
    struct slice raw;
    struct slice key;
    if (json_peek(walk) != JSON_OBJECT) {
        return json_skip(walk, &raw) ? decode_refuse(decode, raw, format->complaint)
                                     : decode_fail(decode, walk);
    }
    size_t start = json_next_at(walk);
    size_t mark = decode->arena->used_bytes;
    struct draft *draft = json_event_make(decode->arena, format->size);
    if (draft == NULL) {
        return status_of(STATUS_FULL);
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        format->take_member(walk, draft, key);
    }
    raw = slice_of(walk->bytes.data + start, walk->at - start);
    bool is_sound = walk->error == NULL && (!is_whole || json_finish(walk));
    struct status status =
        is_sound ? format->add_event(decode, draft, raw) : decode_fail(decode, walk);
    arena_rewind(decode->arena, mark);
    return status;
}

/* json_event_take with a format. */
typedef struct status json_take_event(struct decode *decode, struct json_walk *walk, bool is_whole);

/* The events of an array, which ends the body. */
MUST_CHECK struct status json_events_take_array(struct decode *decode, struct json_walk *walk,
                                                json_take_event *take_event);
/* A whole body: one event, or an array of them. */
MUST_CHECK struct status json_events_take(struct decode *decode, struct json_walk *walk,
                                          json_take_event *take_event);
