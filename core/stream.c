/* stream.c - see stream.h, where the bytes are described. */
#include "core/stream.h"

#include "core/base/assert.h"

static const uint32_t range_magic = 0x31525351u; /* "QSR1" */
enum { FLAG_RESET = 1 };

void stream_place_encode(struct stream_place place, struct writer *writer) {
    writer_u64(writer, place.offset);
    writer_u32(writer, place.part);
}

static struct stream_place read_place(struct reader *reader) {
    struct stream_place place = {.offset = reader_u64(reader)};
    place.part = reader_u32(reader);
    return place;
}

struct status stream_place_decode(struct slice bytes, struct stream_place *place_out) {
    struct reader reader = reader_over(bytes);
    struct stream_place place = read_place(&reader);
    if (reader.failed) {
        return status_of(STATUS_CORRUPT);
    }
    *place_out = place;
    return status_ok();
}

void stream_range_encode(const struct stream_range *range, struct writer *writer) {
    writer_u32(writer, range_magic);
    writer_u32(writer, range->envelopes);
    writer_u32(writer, range->is_reset ? FLAG_RESET : 0);
    writer_u32(writer, range->name.partition);
    stream_place_encode(range->from, writer);
    stream_place_encode(range->to, writer);
    writer_text(writer, range->name.cluster);
    writer_text(writer, range->name.group);
    writer_text(writer, range->name.topic);
}

struct status stream_range_decode(struct slice bytes, struct stream_range *range_out) {
    struct reader reader = reader_over(bytes);
    uint32_t magic = reader_u32(&reader);
    struct stream_range range = {.envelopes = reader_u32(&reader)};
    range.is_reset = (reader_u32(&reader) & FLAG_RESET) != 0;
    range.name.partition = reader_u32(&reader);
    range.from = read_place(&reader);
    range.to = read_place(&reader);
    range.name.cluster = reader_text(&reader);
    range.name.group = reader_text(&reader);
    range.name.topic = reader_text(&reader);
    bool is_sound = !reader.failed && reader_left(&reader) == 0 && magic == range_magic &&
                    range.name.cluster.size <= STREAM_CLUSTER_BYTES_MAX &&
                    range.name.group.size <= STREAM_GROUP_BYTES_MAX &&
                    range.name.topic.size <= STREAM_TOPIC_BYTES_MAX;
    if (!is_sound) {
        return status_of(STATUS_CORRUPT);
    }
    *range_out = range;
    return status_ok();
}

struct slice stream_key(const struct stream_name *name, uint8_t *memory) {
    struct writer writer = writer_over(memory, STREAM_KEY_BYTES_MAX);
    const struct slice parts[] = {name->cluster, name->group, name->topic};
    for (size_t i = 0; i < 3; i++) {
        writer_bytes(&writer, parts[i]);
        writer_u8(&writer, 0);
    }
    for (int shift = 24; shift >= 0; shift -= 8) {
        writer_u8(&writer, (uint8_t)(name->partition >> shift));
    }
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}
