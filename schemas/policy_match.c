/* policy_match.c - see policy_match.h. */
#include "schemas/policy_match.h"

#include "core/base/limits.h"
#include "core/base/text.h"
#include "schemas/zone.h"

enum { DAY_S = 24 * 60 * 60 };

static bool labels_match(const struct policy_match *match, const struct policy_subject *subject) {
    for (uint32_t i = 0; i < match->labels_count; i++) {
        bool is_found = false;
        for (uint32_t k = 0; k < subject->labels_count && !is_found; k++) {
            is_found = slice_equals(match->labels[i].key, subject->labels[k].key) &&
                       text_matches_glob(subject->labels[k].value, match->labels[i].value);
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

static bool time_matches(const struct policy_match *match, uint64_t now_ns) {
    if (match->days == 0 && match->minute_from == match->minute_to) {
        return true;
    }
    int64_t seconds = (int64_t)(now_ns / NS_PER_S);
    seconds += zone_offset_s(match->zone, seconds);
    uint32_t minute = (uint32_t)(seconds / 60 % MINUTES_A_DAY);
    uint32_t day = (uint32_t)((seconds / DAY_S + 4) % 7); /* 1970-01-01 was a Thursday */
    bool is_over_midnight = match->minute_to < match->minute_from;
    if (is_over_midnight && minute < match->minute_to) {
        day = (day + 6) % 7; /* the night belongs to the day it began on */
    } else if (match->minute_from != match->minute_to &&
               (minute < match->minute_from || (!is_over_midnight && minute >= match->minute_to))) {
        return false;
    }
    return match->days == 0 || (match->days >> day & 1) != 0;
}

/* When clocks change between the two, at most a day apart; `to_s` when they do not. */
static int64_t clocks_change_s(struct slice zone, int64_t from_s, int64_t to_s) {
    int64_t offset_s = zone_offset_s(zone, from_s);
    bool is_same = zone_offset_s(zone, to_s) == offset_s;
    while (!is_same && to_s - from_s > 1) {
        int64_t middle_s = from_s + (to_s - from_s) / 2;
        if (zone_offset_s(zone, middle_s) == offset_s) {
            from_s = middle_s;
        } else {
            to_s = middle_s;
        }
    }
    return to_s;
}

uint64_t policy_match_changes_ns(const struct policy_match *match, uint64_t now_ns) {
    const uint32_t minutes[] = {match->minute_from, match->minute_to, 0}; /* and a day's end */
    bool has_hours = match->minute_from != match->minute_to;
    int64_t now_s = (int64_t)(now_ns / NS_PER_S);
    int64_t day_s = (now_s + zone_offset_s(match->zone, now_s)) % DAY_S;
    int64_t wait_s = INT64_MAX;
    for (uint32_t i = has_hours ? 0 : 2; i < (match->days != 0 ? 3u : 2u); i++) {
        int64_t till_s = (int64_t)minutes[i] * 60 - day_s;
        till_s += till_s <= 0 ? DAY_S : 0;
        wait_s = till_s < wait_s ? till_s : wait_s;
    }
    return wait_s == INT64_MAX
               ? UINT64_MAX
               : (uint64_t)clocks_change_s(match->zone, now_s, now_s + wait_s) * NS_PER_S;
}

enum policy_miss policy_match_test(const struct policy_match *match,
                                   const struct policy_subject *subject) {
    if (subject->severity < match->severity_min ||
        (match->severity_max != EVENT_SEVERITY_NONE && subject->severity > match->severity_max)) {
        return POLICY_MISS_SEVERITY;
    }
    if (match->entity_glob.size > 0 &&
        !text_matches_glob(subject->root_entity, match->entity_glob)) {
        return POLICY_MISS_ENTITY;
    }
    if (match->owner_glob.size > 0 && !text_matches_glob(subject->owner, match->owner_glob)) {
        return POLICY_MISS_OWNER;
    }
    if (!labels_match(match, subject)) {
        return POLICY_MISS_LABEL;
    }
    return time_matches(match, subject->now_ns) ? POLICY_MATCHES : POLICY_MISS_TIME;
}

struct status policy_severity_parse(struct slice words, struct policy_match *match) {
    bool is_min = slice_starts_with(words, SLICE(">="));
    bool is_max = slice_starts_with(words, SLICE("<="));
    enum event_severity severity = EVENT_SEVERITY_NONE;
    TRY(event_severity_parse(slice_trim(slice_tail(words, is_min || is_max ? 2 : 0)), &severity));
    match->severity_min = is_max ? EVENT_SEVERITY_NONE : severity;
    match->severity_max = is_min ? EVENT_SEVERITY_NONE : severity;
    return status_ok();
}

/* --- Bytes --- */

void policy_labels_write(const struct policy_label *labels, uint32_t count, struct writer *writer) {
    writer_u8(writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        writer_text(writer, labels[i].key);
        writer_text(writer, labels[i].value);
    }
}

uint32_t policy_labels_read(struct reader *reader, struct policy_label labels[POLICY_LABELS_MAX]) {
    uint32_t count = reader_u8(reader);
    if (count > POLICY_LABELS_MAX) {
        reader->failed = true;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        labels[i].key = reader_text(reader);
        labels[i].value = reader_text(reader);
    }
    return count;
}

void policy_match_write(const struct policy_match *match, struct writer *writer) {
    writer_u8(writer, (uint8_t)match->severity_min);
    writer_u8(writer, (uint8_t)match->severity_max);
    writer_text(writer, match->entity_glob);
    writer_text(writer, match->owner_glob);
    policy_labels_write(match->labels, match->labels_count, writer);
    writer_u8(writer, match->days);
    writer_u16(writer, match->minute_from);
    writer_u16(writer, match->minute_to);
    writer_text(writer, match->zone);
}

struct policy_match policy_match_read(struct reader *reader) {
    struct policy_match match = {0};
    uint8_t severity_min = reader_u8(reader);
    uint8_t severity_max = reader_u8(reader);
    match.severity_min = (enum event_severity)severity_min;
    match.severity_max = (enum event_severity)severity_max;
    match.entity_glob = reader_text(reader);
    match.owner_glob = reader_text(reader);
    match.labels_count = policy_labels_read(reader, match.labels);
    match.days = reader_u8(reader);
    match.minute_from = reader_u16(reader);
    match.minute_to = reader_u16(reader);
    match.zone = reader_text(reader);
    bool is_sound = severity_min < EVENT_SEVERITY_COUNT && severity_max < EVENT_SEVERITY_COUNT &&
                    match.minute_from <= MINUTES_A_DAY && match.minute_to <= MINUTES_A_DAY;
    reader->failed = reader->failed || !is_sound;
    return match;
}
