/*
 * kafka_places.c - partitions: which are ours, where each begins, how far each is read, durable,
 * committed.
 *
 * A partition begins at its place in the state's rows, which are committed a moment behind the
 * journal: so whoever gives a partition back waits until its row says what it made durable, then
 * forgets it. Where that took too long, or the partition was lost, memory is kept and the further
 * of the two counts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/kafka_internal.h"

#define FLUSH_NS_MAX (5 * NS_PER_S)
#define ROW_NS_MAX (2 * NS_PER_S)
#define REJOIN_NS_MAX (60 * NS_PER_S) /* commits wait so long at most; a join ends before */

/* --- Finding --- */

static struct hash128 place_hash(struct slice topic, uint32_t partition) {
    return hash128_of(topic, partition);
}

static const struct config_kafka_topic *find_settings(const struct kafka_source *source,
                                                      const char *topic) {
    const struct config_kafka *settings = source->settings;
    struct slice name = slice_of_text(topic);
    for (uint32_t i = 0; i < settings->topics_count; i++) {
        if (slice_equals(settings->topics[i].name, name)) {
            return &settings->topics[i];
        }
    }
    for (uint32_t i = 0; i < settings->topics_count; i++) {
        bool is_pattern = settings->topics[i].name.data[0] == '^';
        if (is_pattern && regexec(&source->patterns[i], topic, 0, NULL, 0) == 0) {
            return &settings->topics[i];
        }
    }
    return &settings->topics[0];
}

static bool make_place(struct kafka_source *source, struct slice topic, uint32_t partition) {
    struct kafka_place *place = &source->places[source->places_count];
    char words[STREAM_TOPIC_BYTES_MAX + 32];
    *place = (struct kafka_place){.partition = partition};
    (void)snprintf(words, sizeof(words), "kafka:%.*s/%u@", SLICE_PRINT(topic), partition);
    return topic.size <= STREAM_TOPIC_BYTES_MAX &&
           status_is_ok(arena_copy(&source->arena, topic, &place->topic)) &&
           status_is_ok(arena_copy(&source->arena, slice_of_text(words), &place->source)) &&
           status_is_ok(
               table_put(&source->numbers, place_hash(topic, partition), source->places_count));
}

uint32_t kafka_places_find(struct kafka_source *source, struct slice topic, uint32_t partition) {
    uint32_t index = UINT32_MAX;
    if (table_find(&source->numbers, place_hash(topic, partition), &index)) {
        return index;
    }
    if (source->places_count == KAFKA_PARTITIONS_MAX || !make_place(source, topic, partition)) {
        log_write(source->options.logger, LOG_LEVEL_ERROR, "kafka",
                  "%.*s: %.*s/%u is not read: at most %u partitions",
                  SLICE_PRINT(source->entry.name), SLICE_PRINT(topic), partition,
                  KAFKA_PARTITIONS_MAX);
        return UINT32_MAX;
    }
    index = source->places_count++;
    /* arena_copy has put a 0 behind the topic. */
    source->places[index].settings =
        find_settings(source, (const char *)source->places[index].topic.data);
    return index;
}

/* --- Where to begin --- */

enum kafka_resume kafka_decide(const struct kafka_facts *facts, struct stream_place *place_out) {
    struct stream_place committed = {.offset = facts->committed};
    bool is_ahead = facts->has_commit && facts->is_committed_by_other &&
                    stream_place_is_before(facts->own, committed);
    if (facts->has_own && !is_ahead) {
        *place_out = facts->own;
        return KAFKA_AT_PLACE;
    }
    if (facts->has_commit) {
        *place_out = committed;
        return KAFKA_AT_PLACE;
    }
    return facts->is_unknown ? KAFKA_AS_COMMITTED : KAFKA_AT_START;
}

static bool load_place(struct kafka_source *source, const struct kafka_place *place,
                       struct stream_place *place_out) {
    uint8_t memory[STREAM_KEY_BYTES_MAX];
    struct stream_name name = {
        .cluster = slice_head(kafka_consumer_cluster(source->consumer), STREAM_CLUSTER_BYTES_MAX),
        .group = source->settings->group,
        .topic = place->topic,
        .partition = place->partition,
    };
    struct store_snapshot *snapshot = NULL;
    struct slice row;
    if (!status_is_ok(store_snapshot_acquire(source->options.store, &snapshot))) {
        return false;
    }
    struct status status = store_get(snapshot, STORE_TABLE_STREAM, stream_key(&name, memory), &row);
    if (status_is_ok(status)) {
        status = stream_place_decode(row, place_out);
    }
    store_snapshot_release(snapshot);
    if (!status_is_ok(status) && status.code != STATUS_MISSING) {
        log_write(source->options.logger, LOG_LEVEL_ERROR, "kafka",
                  "the place in %.*s/%u cannot be read: %s", SLICE_PRINT(place->topic),
                  place->partition, status_name(status));
    }
    return status_is_ok(status);
}

/* Nobody has read here before. `latest` is decided now, or what comes between now and the first
 * batch would be passed over after a crash. */
static int64_t begin_at_start(struct kafka_source *source, struct kafka_place *place) {
    uint64_t first = 0;
    uint64_t end = 0;
    if (!source->settings->starts_latest) {
        return KAFKA_START_FIRST;
    }
    if (!status_is_ok(kafka_consumer_bounds(source->consumer, place->topic, place->partition, true,
                                            &first, &end))) {
        return KAFKA_START_END;
    }
    place->read = (struct stream_place){.offset = end};
    place->has_read = true;
    place->wants_pin = true;
    return (int64_t)end;
}

static int64_t begin(struct kafka_source *source, struct kafka_place *place,
                     const struct kafka_partition *partition) {
    struct slice ours = slice_of_text(source->instance);
    struct kafka_facts facts = {
        .has_own = place->has_read,
        .own = place->read,
        .is_unknown = partition->is_unknown,
        .has_commit = partition->has_commit,
        .committed = partition->committed,
        .is_committed_by_other = slice_starts_with(partition->committed_by, SLICE("quell:")) &&
                                 !slice_equals(partition->committed_by, ours),
    };
    struct stream_place row = {0};
    if (load_place(source, place, &row) &&
        (!facts.has_own || stream_place_is_before(facts.own, row))) {
        facts.has_own = true;
        facts.own = row;
        place->durable = row;
        place->has_durable = true;
    }
    switch (kafka_decide(&facts, &place->read)) {
    case KAFKA_AT_PLACE:
        place->has_read = true;
        return (int64_t)place->read.offset;
    case KAFKA_AS_COMMITTED:
        return KAFKA_START_COMMITTED;
    case KAFKA_AT_START:
        break;
    }
    return begin_at_start(source, place);
}

/* What librdkafka calls -2 and the like, in words. */
static void tell_begin(const struct kafka_source *source, const struct kafka_place *place,
                       int64_t offset) {
    char words[48];
    struct text text = text_over(words, sizeof(words));
    if (offset >= 0) {
        text_add_format(&text, "offset %lld", (long long)offset);
    } else {
        text_add_text(&text, offset == KAFKA_START_FIRST ? "its beginning"
                             : offset == KAFKA_START_END ? "its end"
                                                         : "where the group has committed");
    }
    log_write(source->options.logger, LOG_LEVEL_INFO, "kafka", "%.*s: reading %.*s/%u from %s",
              SLICE_PRINT(source->entry.name), SLICE_PRINT(place->topic), place->partition, words);
}

void kafka_on_assign(void *context, struct kafka_partition *partitions, uint32_t count) {
    struct kafka_source *source = context;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = kafka_places_find(source, partitions[i].topic, partitions[i].partition);
        partitions[i].offset = KAFKA_START_END;
        if (index == UINT32_MAX) {
            continue;
        }
        struct kafka_place *place = &source->places[index];
        partitions[i].offset = begin(source, place, &partitions[i]);
        place->is_owned = true;
        place->end = 0;
        place->committed = partitions[i].committed;
        tell_begin(source, place, partitions[i].offset);
    }
    source->is_refused = source->is_refused && count == 0;
    source->assigns_due -= source->assigns_due > 0 ? 1 : 0;
    if (source->assigns_due == 0) {
        /* Not with the heartbeats, which count whole seconds from here, too. */
        source->commit_at_ns = clock_monotonic_ns() + KAFKA_COMMIT_NS / 2;
    }
}

/* Whether the state's row says what was made durable, within so long. */
static bool wait_for_row(struct kafka_source *source, const struct kafka_place *place,
                         uint64_t until_ns) {
    struct stream_place row = {0};
    for (;;) {
        if (!place->has_durable) {
            return !place->has_read; /* nothing was read of it, or nothing of it is durable */
        }
        if (load_place(source, place, &row) && !stream_place_is_before(row, place->durable)) {
            return true;
        }
        if (clock_monotonic_ns() >= until_ns ||
            !status_is_ok(loop_run_once(source->loop, 5 * NS_PER_MS))) {
            return false;
        }
    }
}

/* The member joins again, on the connection that carries commits: one that is sent meanwhile stands
 * behind the join, comes in a generation that is over, and librdkafka takes all partitions for
 * lost. What was revoked in order is followed by an assignment, often of nothing, before the join,
 * and by one behind it. */
static void hold_commits(struct kafka_source *source, bool is_lost) {
    source->assigns_due = is_lost ? 1 : 2;
    source->commit_at_ns = clock_monotonic_ns() + REJOIN_NS_MAX;
}

void kafka_on_revoke(void *context, const struct kafka_partition *partitions, uint32_t count,
                     bool is_lost) {
    struct kafka_source *source = context;
    bool is_flushed = !is_lost && kafka_flush(source, FLUSH_NS_MAX);
    uint64_t until = clock_monotonic_ns() + ROW_NS_MAX;
    if (is_flushed && kafka_consumer_is_connected(source->consumer)) {
        kafka_commit(source, true);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = kafka_places_find(source, partitions[i].topic, partitions[i].partition);
        if (index == UINT32_MAX) {
            continue;
        }
        struct kafka_place *place = &source->places[index];
        place->is_owned = false;
        kafka_hold_forget(source, index);
        if (is_flushed && wait_for_row(source, place, until)) {
            place->has_read = false;
            place->has_durable = false;
            place->is_reset = false;
            place->wants_pin = false;
        }
    }
    hold_commits(source, is_lost);
}

void kafka_places_give_up(struct kafka_source *source) {
    for (uint32_t i = 0; i < source->places_count; i++) {
        source->places[i].is_owned = false;
    }
}

/* --- Offsets that are gone --- */

static void tell_gone(struct kafka_source *source, const struct kafka_place *place, uint64_t first,
                      uint64_t end) {
    const struct logger *logger = source->options.logger;
    if (place->has_read && place->read.offset > end) {
        log_write(logger, LOG_LEVEL_ERROR, "kafka",
                  "%.*s/%u ends at offset %llu, but %llu was reached: the topic was made anew, or "
                  "its leader lost messages; reading goes on from its beginning",
                  SLICE_PRINT(place->topic), place->partition, (unsigned long long)end,
                  (unsigned long long)place->read.offset);
    } else if (place->has_read && place->read.offset < first) {
        uint64_t lost = first - place->read.offset;
        stats_add(source->options.stats, STAT_KAFKA_LOST, lost);
        log_write(logger, LOG_LEVEL_ERROR, "kafka",
                  "%.*s/%u begins at offset %llu: %llu messages from %llu on were deleted by its "
                  "retention before they could be read",
                  SLICE_PRINT(place->topic), place->partition, (unsigned long long)first,
                  (unsigned long long)lost, (unsigned long long)place->read.offset);
    }
}

void kafka_on_end(void *context, struct slice topic, uint32_t partition, uint64_t offset) {
    struct kafka_source *source = context;
    uint32_t index = kafka_places_find(source, topic, partition);
    if (index != UINT32_MAX) {
        source->places[index].end = offset;
    }
}

void kafka_on_gone(void *context, struct slice topic, uint32_t partition) {
    struct kafka_source *source = context;
    uint32_t index = kafka_places_find(source, topic, partition);
    uint64_t first = 0;
    uint64_t end = 0;
    if (index == UINT32_MAX || !source->places[index].is_owned) {
        return;
    }
    struct kafka_place *place = &source->places[index];
    if (!status_is_ok(
            kafka_consumer_bounds(source->consumer, topic, partition, true, &first, &end))) {
        /* librdkafka has stopped reading it: try the same place again, which comes back here. */
        kafka_consumer_restart(source->consumer, topic, partition, place->read.offset);
        return;
    }
    place->end = 0;
    tell_gone(source, place, first, end);
    bool is_there = place->has_read && place->read.offset >= first && place->read.offset <= end;
    if (!is_there) {
        bool is_end = !place->has_read && source->settings->starts_latest;
        place->is_reset = place->has_read && place->read.offset > end;
        place->read = (struct stream_place){.offset = is_end ? end : first};
        place->has_read = true;
        place->wants_pin = true;
    }
    kafka_consumer_restart(source->consumer, topic, partition, place->read.offset);
}

/* --- Telling the broker and people --- */

/* `committed` is what was sent: one that failed, or may yet, is told again when it is waited for,
 * or whoever has the partition next would begin before it. */
void kafka_commit(struct kafka_source *source, bool wait) {
    uint32_t count = 0;
    struct kafka_partition *partitions =
        calloc(source->places_count + 1, sizeof(struct kafka_partition));
    if (partitions == NULL) {
        return; /* the next one tells more */
    }
    for (uint32_t i = 0; i < source->places_count; i++) {
        struct kafka_place *place = &source->places[i];
        bool is_new = wait || place->durable.offset != place->committed;
        if (place->is_owned && place->has_durable && is_new) {
            place->committed = place->durable.offset;
            partitions[count++] = (struct kafka_partition){
                .topic = place->topic,
                .partition = place->partition,
                .offset = (int64_t)place->durable.offset,
            };
        }
    }
    if (count > 0) {
        kafka_consumer_commit(source->consumer, partitions, count, source->instance, wait);
    }
    free(partitions);
}

static void show_place(struct kafka_source *source, const struct kafka_place *place) {
    struct source_entry *entry = &source->entry;
    uint64_t first = 0;
    uint64_t end = 0;
    bool is_known = status_is_ok(kafka_consumer_bounds(source->consumer, place->topic,
                                                       place->partition, false, &first, &end));
    uint64_t from = place->has_durable ? place->durable.offset : first;
    uint64_t reached = from;
    /* The last offset may be none of a message: a transaction's end, or what was compacted away. */
    bool is_all = place->has_read && from >= place->read.offset && place->kept == 0 &&
                  source->held_count == 0;
    if (is_all && place->end > from && place->end <= end) {
        reached = place->end;
    }
    entry->partitions[entry->partitions_count++] = (struct source_partition){
        .topic = place->topic,
        .partition = place->partition,
        .offset = from,
        .lag = is_known && end > reached ? end - reached : 0,
    };
}

void kafka_places_show(struct kafka_source *source) {
    source_board_lock(source->options.board);
    source->entry.partitions_count = 0;
    for (uint32_t i = 0; i < source->places_count; i++) {
        if (source->places[i].is_owned) {
            show_place(source, &source->places[i]);
        }
    }
    source_board_unlock(source->options.board);
}
