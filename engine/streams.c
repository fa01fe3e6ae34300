/* streams.c - see streams.h. */
#include "engine/streams.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "schemas/envelope.h"

struct status streams_init(struct streams *streams, const struct logger *logger,
                           struct stats *stats, struct arena *arena) {
    *streams = (struct streams){.logger = logger, .stats = stats};
    TRY(table_init(&streams->numbers, STREAMS_MAX, arena));
    streams->places = ARENA_ARRAY(arena, struct stream_place, STREAMS_MAX);
    return streams->places == NULL ? status_of(STATUS_FULL) : status_ok();
}

/* The partition's place, made when new; NULL: too many partitions. */
static struct stream_place *find_place(struct streams *streams, struct slice key,
                                       bool *is_made_out) {
    struct hash128 hash = hash128_of(key, 0);
    uint32_t index = streams->count;
    *is_made_out = !table_find(&streams->numbers, hash, &index);
    if (!*is_made_out) {
        return &streams->places[index];
    }
    if (streams->count == STREAMS_MAX ||
        !status_is_ok(table_put(&streams->numbers, hash, streams->count))) {
        return NULL;
    }
    return &streams->places[streams->count++];
}

struct status streams_restore(struct streams *streams, struct slice key, struct slice value) {
    bool is_made = false;
    struct stream_place *place = find_place(streams, key, &is_made);
    return place == NULL ? status_of(STATUS_FULL) : stream_place_decode(value, place);
}

static void tell_overlap(const struct streams *streams, const struct stream_range *range,
                         const struct stream_place *known) {
    log_write(streams->logger, LOG_LEVEL_INFO, "engine",
              "%.*s/%u: a batch begins at offset %llu although offset %llu was reached: what is in "
              "between is passed over",
              SLICE_PRINT(range->name.topic), range->name.partition,
              (unsigned long long)range->from.offset, (unsigned long long)known->offset);
}

/* Sets what of the range is new, and takes its end as the partition's place. */
static void take_range(struct streams *streams, const struct stream_range *range,
                       struct stream_group *group, struct effects *effects) {
    uint8_t key_memory[STREAM_KEY_BYTES_MAX];
    uint8_t value_memory[STREAM_VALUE_BYTES];
    struct slice key = stream_key(&range->name, key_memory);
    bool is_made = false;
    struct stream_place *place = find_place(streams, key, &is_made);
    *group = (struct stream_group){.left = range->envelopes, .is_new = true, .from = range->from};
    if (place == NULL) {
        log_write(streams->logger, LOG_LEVEL_ERROR, "engine",
                  "more than %u partitions: the place in %.*s/%u is not remembered", STREAMS_MAX,
                  SLICE_PRINT(range->name.topic), range->name.partition);
        return;
    }
    if (!is_made && !range->is_reset && !stream_place_is_before(*place, range->to)) {
        group->is_new = false;
        return;
    }
    if (!is_made && !range->is_reset && stream_place_is_before(range->from, *place)) {
        tell_overlap(streams, range, place);
        group->known = *place;
    }
    *place = range->to;
    struct writer writer = writer_over(value_memory, sizeof(value_memory));
    stream_place_encode(*place, &writer);
    ASSERT(!writer.failed);
    effect_put(effects, STORE_TABLE_STREAM, key, writer_slice(&writer));
}

/* The offset at the end of an envelope's source, "kafka:orders/3@17". */
static bool read_offset(const struct envelope *envelope, uint64_t *offset_out) {
    size_t at = envelope->source.size;
    while (at > 0 && envelope->source.data[at - 1] != '@') {
        at--;
    }
    return at > 0 && status_is_ok(text_parse_u64(slice_tail(envelope->source, at), offset_out));
}

static bool is_any_known(const struct stream_group *group) {
    return group->known.offset > 0 || group->known.part > 0;
}

bool streams_pass_new(struct stream_group *group) {
    if (group->left == 0 || !group->is_new || is_any_known(group)) {
        return false;
    }
    group->left--;
    return true;
}

/* Whether the next envelope of the range is new. */
static bool is_envelope_new(struct stream_group *group, struct slice entry) {
    if (!group->is_new || !is_any_known(group)) {
        return group->is_new;
    }
    struct stream_place place = {0};
    struct envelope envelope;
    if (!status_is_ok(envelope_verify(entry))) {
        return true;
    }
    envelope_read(entry, &envelope);
    if ((envelope.flags & ENVELOPE_LEARNED) != 0 || !read_offset(&envelope, &place.offset)) {
        return true; /* an edge that a span taught is no part of its message: told twice is once */
    }
    if (group->has_latest && group->latest.offset == place.offset) {
        place.part = group->latest.part + 1;
    } else if (!group->has_latest && place.offset == group->from.offset) {
        place.part = group->from.part;
    }
    group->latest = place;
    group->has_latest = true;
    return !stream_place_is_before(place, group->known);
}

bool streams_pass(struct streams *streams, struct stream_group *group, struct slice entry,
                  struct effects *effects) {
    if (group->left > 0) {
        group->left--;
        bool is_new = is_envelope_new(group, entry);
        if (!is_new && streams->stats != NULL) {
            stats_add(streams->stats, STAT_STREAM_ABSORBED, 1);
        }
        return is_new;
    }
    struct stream_range range;
    if (!status_is_ok(stream_range_decode(entry, &range))) {
        /* The journal's checksum held, so a broken writer made this. */
        log_write(streams->logger, LOG_LEVEL_ERROR, "engine", "an entry is no range: skipped");
        return false;
    }
    take_range(streams, &range, group, effects);
    return false;
}
