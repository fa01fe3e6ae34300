/*
 * kafka_hold.c - partitions that wait: one whose tenant sends more events a second than it may, or
 * all of them when the journal takes nothing.
 *
 * A partition that waits is paused: nothing more of it is fetched, the group keeps its member and
 * the others go on. What was polled of it already is kept here, in order, and taken when its time
 * has come; then it is resumed. Nothing is dropped, nothing overtakes.
 *
 * Bounds: KAFKA_KEPT_MAX messages, KAFKA_KEPT_BYTES_MAX; beyond, everything waits. While partitions
 * wait, less is polled at once, so that those that begin to wait bring little along.
 */
#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/kafka_internal.h"

#define TELL_AGAIN_NS (60 * NS_PER_S)

/* --- Pausing --- */

static void set_paused(struct kafka_source *source, uint32_t first, uint32_t behind,
                       bool is_paused) {
    uint32_t count = 0;
    for (uint32_t i = first; i < behind; i++) {
        struct kafka_place *place = &source->places[i];
        bool stays_paused = !is_paused && place->is_held;
        if (place->is_owned && place->is_paused != is_paused && !stays_paused) {
            place->is_paused = is_paused;
            source->listed[count++] =
                (struct kafka_partition){.topic = place->topic, .partition = place->partition};
        }
    }
    if (count > 0) {
        kafka_consumer_pause(source->consumer, source->listed, count, is_paused);
    }
}

void kafka_hold_all(struct kafka_source *source, bool is_paused) {
    source->is_paused = is_paused;
    set_paused(source, 0, source->places_count, is_paused);
}

/* --- One partition --- */

static void hold(struct kafka_source *source, uint32_t index, uint32_t wait_s) {
    struct kafka_place *place = &source->places[index];
    uint64_t now_ns = clock_monotonic_ns();
    ASSERT(wait_s > 0);
    place->held_until_ns = now_ns + wait_s * NS_PER_S;
    if (source->held_due_ns == 0 || place->held_until_ns < source->held_due_ns) {
        source->held_due_ns = place->held_until_ns;
    }
    if (place->is_held) {
        return;
    }
    place->is_held = true;
    source->places_held++;
    set_paused(source, index, index + 1, true);
    stats_add(source->options.stats, STAT_RATE_LIMITED, 1);
    if (place->held_told_ns == 0 || now_ns - place->held_told_ns >= TELL_AGAIN_NS) {
        place->held_told_ns = now_ns;
        log_write(source->options.logger, LOG_LEVEL_WARNING, "kafka",
                  "%.*s: %.*s/%u is held back: its tenant sends more than limits.events_per_second",
                  SLICE_PRINT(source->entry.name), SLICE_PRINT(place->topic), place->partition);
    }
}

static void let_go(struct kafka_source *source, uint32_t index) {
    struct kafka_place *place = &source->places[index];
    ASSERT(place->is_held && place->kept == 0 && source->places_held > 0);
    place->is_held = false;
    place->held_until_ns = 0;
    source->places_held--;
    if (!source->is_paused) {
        set_paused(source, index, index + 1, false);
    }
}

/* Gives the place's messages back; how many bytes they held. */
static uint64_t forget(struct kafka_message *messages, uint32_t count,
                       const struct kafka_place *place) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i].partition == place->partition &&
            slice_equals(messages[i].topic, place->topic)) {
            bytes += messages[i].value.size;
            kafka_message_release(&messages[i]);
            messages[i] = (struct kafka_message){.is_forgotten = true};
        }
    }
    return bytes;
}

void kafka_hold_forget(struct kafka_source *source, uint32_t index) {
    struct kafka_place *place = &source->places[index];
    (void)forget(source->held + source->held_at, source->held_count - source->held_at, place);
    source->kept_bytes -= forget(source->kept, source->kept_count, place);
    place->kept = 0;
    place->is_paused = false;
    if (place->is_held) {
        let_go(source, index);
    }
}

/* --- Messages --- */

static struct status keep(struct kafka_source *source, uint32_t index,
                          const struct kafka_message *message) {
    if (source->kept_count == KAFKA_KEPT_MAX || source->kept_bytes > KAFKA_KEPT_BYTES_MAX) {
        return status_of(STATUS_FULL);
    }
    source->kept[source->kept_count++] = *message;
    source->kept_bytes += message->value.size;
    source->places[index].kept++;
    return status_ok();
}

/* Takes the message; when its tenant may not send now, its partition waits from now on. */
static struct status take(struct kafka_source *source, uint32_t index,
                          struct kafka_message *message) {
    struct status status = kafka_take(source, message);
    if (status_is_ok(status)) {
        kafka_message_release(message);
    } else if (source->rate.wait_s > 0) {
        hold(source, index, source->rate.wait_s);
    }
    return status;
}

struct status kafka_hold_take(struct kafka_source *source, struct kafka_message *message) {
    if (message->is_forgotten) {
        return status_ok();
    }
    uint32_t index = kafka_find_place(source, message);
    bool is_known = index != UINT32_MAX;
    if (is_known && source->places[index].is_held) {
        return keep(source, index, message);
    }
    struct status status = take(source, index, message);
    bool is_held = !status_is_ok(status) && is_known && source->places[index].is_held;
    return is_held ? keep(source, index, message) : status;
}

/* Of those whose partition's time has come, all that there is room for; the others move up. */
static void take_kept(struct kafka_source *source, uint64_t now_ns) {
    uint32_t left = 0;
    bool has_room = true;
    for (uint32_t i = 0; i < source->kept_count; i++) {
        struct kafka_message *message = &source->kept[i];
        uint64_t bytes = message->value.size;
        if (message->is_forgotten) {
            continue;
        }
        uint32_t index = kafka_find_place(source, message);
        struct kafka_place *place = &source->places[index];
        if (has_room && place->held_until_ns <= now_ns) {
            if (status_is_ok(take(source, index, message))) {
                place->kept--;
                source->kept_bytes -= bytes;
                continue;
            }
            has_room = place->held_until_ns > now_ns;
        }
        source->kept[left++] = *message;
    }
    source->kept_count = left;
}

void kafka_hold_turn(struct kafka_source *source) {
    uint64_t now_ns = clock_monotonic_ns();
    if (source->places_held == 0 || now_ns < source->held_due_ns) {
        return;
    }
    source->now_ns = clock_wall_ns();
    take_kept(source, now_ns);
    source->held_due_ns = 0;
    for (uint32_t i = 0; i < source->places_count && source->places_held > 0; i++) {
        struct kafka_place *place = &source->places[i];
        if (place->is_held && place->kept == 0 && place->held_until_ns <= now_ns) {
            let_go(source, i);
        } else if (place->is_held &&
                   (source->held_due_ns == 0 || place->held_until_ns < source->held_due_ns)) {
            source->held_due_ns = place->held_until_ns;
        }
    }
}

void kafka_hold_release(struct kafka_source *source) {
    for (uint32_t i = 0; i < source->kept_count; i++) {
        kafka_message_release(&source->kept[i]);
    }
    for (uint32_t i = 0; i < source->places_count; i++) {
        source->places[i].is_paused = false;
        source->places[i].is_held = false;
        source->places[i].kept = 0;
    }
    source->kept_count = 0;
    source->kept_bytes = 0;
    source->places_held = 0;
    source->is_paused = false;
}
