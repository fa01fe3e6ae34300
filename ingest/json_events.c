/* json_events.c - see json_events.h. */
#include "ingest/json_events.h"

struct status json_events_take_array(struct decode *decode, struct json_walk *walk,
                                     json_take_event *take_event) {
    json_enter_array(walk);
    while (json_next_element(walk)) {
        TRY(take_event(decode, walk, false));
    }
    return json_finish(walk) ? status_ok() : decode_fail(decode, walk);
}

struct status json_events_take(struct decode *decode, struct json_walk *walk,
                               json_take_event *take_event) {
    return json_peek(walk) == JSON_ARRAY ? json_events_take_array(decode, walk, take_event)
                                         : take_event(decode, walk, true);
}
