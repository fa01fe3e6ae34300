/* batch.c - see batch.h, where the bytes are described. */
#include "core/batch.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

static const uint32_t batch_magic = 0x31544251u; /* "QBT1" */
enum { AT_KIND = 4, AT_COUNT = 8, AT_SIZE = 12, AT_STAMP = 16, AT_SEQ = 24 };

static size_t padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

void batch_init(struct batch *batch, void *memory, size_t capacity_bytes) {
    ASSERT(capacity_bytes >= BATCH_HEADER_BYTES && capacity_bytes <= BATCH_BYTES_MAX);
    *batch = (struct batch){.writer = writer_over(memory, capacity_bytes)};
    batch_clear(batch, BATCH_EVENTS);
}

void batch_clear(struct batch *batch, enum batch_kind kind) {
    memset(batch->writer.data, 0, BATCH_HEADER_BYTES);
    batch->writer.size = BATCH_HEADER_BYTES;
    batch->writer.failed = false;
    batch->count = 0;
    batch->kind = kind;
    batch->next = NULL;
    batch->outcome = STATUS_OK;
}

struct writer batch_entry_begin(struct batch *batch) {
    struct writer *writer = &batch->writer;
    if (batch->count == BATCH_EVENTS_MAX ||
        writer->capacity - writer->size < BATCH_ENTRY_HEADER_BYTES + 8) {
        return writer_over(writer->data, 0);
    }
    size_t at = writer->size + BATCH_ENTRY_HEADER_BYTES;
    return writer_over(writer->data + at, (writer->capacity - at) & ~(size_t)7);
}

void batch_entry_commit(struct batch *batch, size_t size) {
    struct writer *writer = &batch->writer;
    ASSERT(size <= UINT32_MAX);
    ASSERT(writer->size + BATCH_ENTRY_HEADER_BYTES + padded(size) <= writer->capacity);
    uint32_t header[2] = {(uint32_t)size, 0};
    memcpy(writer->data + writer->size, header, sizeof(header));
    size_t end = writer->size + BATCH_ENTRY_HEADER_BYTES + size;
    memset(writer->data + end, 0, padded(size) - size);
    writer->size += BATCH_ENTRY_HEADER_BYTES + padded(size);
    batch->count++;
}

struct status batch_add(struct batch *batch, struct slice entry) {
    struct writer writer = batch_entry_begin(batch);
    writer_bytes(&writer, entry);
    if (writer.failed || writer.capacity == 0) {
        return status_of(STATUS_FULL);
    }
    batch_entry_commit(batch, entry.size);
    return status_ok();
}

struct slice batch_finish(struct batch *batch) {
    uint8_t *header = batch->writer.data;
    uint16_t kind = (uint16_t)batch->kind;
    uint32_t size = (uint32_t)batch->writer.size;
    ASSERT(size % 8 == 0);
    memcpy(header, &batch_magic, 4);
    memcpy(header + AT_KIND, &kind, 2);
    memcpy(header + AT_COUNT, &batch->count, 4);
    memcpy(header + AT_SIZE, &size, 4);
    return writer_slice(&batch->writer);
}

struct status batch_open(struct slice bytes, struct batch_view *view_out) {
    struct reader reader = reader_over(bytes);
    uint32_t magic = reader_u32(&reader);
    struct batch_view view = {.kind = (enum batch_kind)reader_u16(&reader)};
    (void)reader_u16(&reader);
    view.count = reader_u32(&reader);
    uint32_t size = reader_u32(&reader);
    view.stamp_ns = reader_u64(&reader);
    view.seq = reader_u64(&reader);
    view.cause = reader_hash128(&reader);
    if (reader.failed || magic != batch_magic || size != bytes.size || view.kind < BATCH_EVENTS ||
        view.kind > BATCH_STREAM) {
        return status_of(STATUS_CORRUPT);
    }
    view.entries = reader;
    view.left = view.count;
    *view_out = view;
    return status_ok();
}

/* The reader of entries is one behind another in memory that went cold while it was written to the
 * disk: what the next one begins with is on its way while this one is used. */
static void prefetch_entry(const struct reader *entries) {
    enum { LINE_BYTES = 64, LINES = 6 };
    for (size_t line = 0; line < LINES; line++) {
        __builtin_prefetch(entries->bytes.data + entries->at + line * LINE_BYTES);
    }
}

bool batch_next(struct batch_view *view, struct slice *entry_out) {
    if (view->left == 0) {
        view->is_broken = view->is_broken || reader_left(&view->entries) != 0;
        return false;
    }
    uint32_t size = reader_u32(&view->entries);
    (void)reader_u32(&view->entries);
    struct slice entry = reader_bytes(&view->entries, padded(size));
    if (view->entries.failed) {
        view->left = 0;
        view->is_broken = true;
        return false;
    }
    view->left--;
    prefetch_entry(&view->entries);
    *entry_out = slice_head(entry, size);
    return true;
}

void batch_set_stamp(uint8_t *bytes, uint64_t stamp_ns) {
    memcpy(bytes + AT_STAMP, &stamp_ns, sizeof(stamp_ns));
}

void batch_set_seq(uint8_t *bytes, uint64_t seq) {
    memcpy(bytes + AT_SEQ, &seq, sizeof(seq));
}
