/*
 * stream.h - places in partitioned logs such as Kafka's: what a batch has read of them, and where
 * reading goes on.
 *
 * A BATCH_STREAM record is groups: one range, then the `envelopes` that came out of it. Range and
 * envelopes are one journal record, so they are durable together or not at all; the engine keeps
 * the last place of each partition as a row (table STREAM), written in the transaction that holds
 * what the envelopes did. A source resumes at that place.
 *
 *   offset size  range (the texts are u32 length and bytes)
 *   0      4     magic "QSR1"
 *   4      4     envelopes behind it
 *   8      4     flags: 1 the partition was made anew, its offsets start over
 *   12     4     partition
 *   16     12    from: u64 offset, u32 part
 *   28     12    to: u64 offset, u32 part
 *   40           texts cluster, group, topic
 *
 * Row: key cluster, 0, group, 0, topic, 0, partition (4, big-endian); value u64 offset, u32 part.
 */
#pragma once

#include "core/base/limits.h"
#include "core/base/reader.h"
#include "core/base/status.h"

/* All messages below `offset` are taken, and of the one at it the first `part` envelopes, without
 * the edges that spans teach: how many these are depends on what was told before. */
struct stream_place {
    uint64_t offset;
    uint32_t part;
};

/* Within one partition. */
static inline bool stream_place_is_before(struct stream_place a, struct stream_place b) {
    return a.offset < b.offset || (a.offset == b.offset && a.part < b.part);
}

struct stream_name {
    struct slice cluster; /* at most STREAM_CLUSTER_BYTES_MAX */
    struct slice group;   /* at most STREAM_GROUP_BYTES_MAX */
    struct slice topic;   /* at most STREAM_TOPIC_BYTES_MAX */
    uint32_t partition;
};

struct stream_range {
    struct stream_name name;
    struct stream_place from;
    struct stream_place to;
    uint32_t envelopes;
    bool is_reset; /* `to` counts although it may be before the place that is known */
};

enum {
    STREAM_KEY_BYTES_MAX =
        STREAM_CLUSTER_BYTES_MAX + STREAM_GROUP_BYTES_MAX + STREAM_TOPIC_BYTES_MAX + 7,
    STREAM_VALUE_BYTES = 12,
    STREAM_RANGE_BYTES_MAX = STREAM_KEY_BYTES_MAX + 64,
};

/* Of the same size whatever the numbers are, so that it can be written again in place. */
void stream_range_encode(const struct stream_range *range, struct writer *writer);
/* CORRUPT. The slices point into the bytes. */
MUST_CHECK struct status stream_range_decode(struct slice bytes, struct stream_range *range_out);

/* The row's key, into STREAM_KEY_BYTES_MAX bytes. */
struct slice stream_key(const struct stream_name *name, uint8_t *memory);
void stream_place_encode(struct stream_place place, struct writer *writer);
MUST_CHECK struct status stream_place_decode(struct slice bytes, struct stream_place *place_out);
