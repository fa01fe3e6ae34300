/* outbox.c - see outbox.h, where the bytes are described. */
#include "core/outbox.h"

#define OUTBOX_AGAIN 0x100u
#define OUTBOX_REPEAT 0x10000u

void outbox_message_encode(const struct outbox_message *message, struct writer *writer) {
    writer_u64(writer, message->number);
    writer_u64(writer, message->created_ns);
    writer_hash128(writer, message->incident_id);
    writer_hash128(writer, message->message_id);
    writer_u32(writer, message->incident_version);
    writer_u32(writer, (uint32_t)message->type | (message->is_again ? OUTBOX_AGAIN : 0) |
                           (message->is_repeat ? OUTBOX_REPEAT : 0));
    writer_text(writer, message->tenant);
    writer_text(writer, message->sink);
    writer_text(writer, message->payload);
}

struct status outbox_message_decode(struct slice bytes, struct outbox_message *message_out) {
    struct reader reader = reader_over(bytes);
    struct outbox_message message = {.number = reader_u64(&reader)};
    message.created_ns = reader_u64(&reader);
    message.incident_id = reader_hash128(&reader);
    message.message_id = reader_hash128(&reader);
    message.incident_version = reader_u32(&reader);
    uint32_t type = reader_u32(&reader);
    message.type = (enum outbox_type)(type & 0xFF);
    message.is_again = (type & OUTBOX_AGAIN) != 0;
    message.is_repeat = (type & OUTBOX_REPEAT) != 0;
    message.tenant = reader_text(&reader);
    message.sink = reader_text(&reader);
    message.payload = reader_text(&reader);
    if (reader.failed || message.type < OUTBOX_OPENED || message.type > OUTBOX_RESOLVED) {
        return status_of(STATUS_CORRUPT);
    }
    *message_out = message;
    return status_ok();
}

void outbox_outcome_encode(const struct outbox_outcome *outcome, struct writer *writer) {
    writer_u64(writer, outcome->number);
    writer_u32(writer, (uint32_t)outcome->result);
    writer_u32(writer, outcome->attempts);
    writer_text(writer, outcome->error);
    writer_text(writer, outcome->memory);
    writer_u32(writer, outcome->attempts_told);
}

struct status outbox_outcome_decode(struct slice bytes, struct outbox_outcome *outcome_out) {
    struct reader reader = reader_over(bytes);
    struct outbox_outcome outcome = {.number = reader_u64(&reader)};
    outcome.result = (enum outbox_result)reader_u32(&reader);
    outcome.attempts = reader_u32(&reader);
    outcome.error = reader_text(&reader);
    /* Journals of before these fields end here, or behind the first of them. */
    outcome.memory = reader_left(&reader) == 0 ? slice_of(NULL, 0) : reader_text(&reader);
    outcome.attempts_told = reader_left(&reader) == 0 ? 0 : reader_u32(&reader);
    if (reader.failed || outcome.result < OUTBOX_DELIVERED || outcome.result > OUTBOX_ATTEMPTED ||
        outcome.memory.size > OUTBOX_MEMORY_BYTES_MAX || outcome.attempts_told > outcome.attempts) {
        return status_of(STATUS_CORRUPT);
    }
    *outcome_out = outcome;
    return status_ok();
}

void dead_letter_encode(const struct dead_letter *letter, struct writer *writer) {
    writer_text(writer, letter->row);
    writer_u32(writer, letter->attempts);
    writer_text(writer, letter->error);
    writer_u64(writer, letter->died_ns);
}

struct status dead_letter_decode(struct slice bytes, struct dead_letter *letter_out) {
    struct reader reader = reader_over(bytes);
    struct dead_letter letter = {.row = reader_text(&reader)};
    letter.attempts = reader_u32(&reader);
    letter.error = reader_text(&reader);
    letter.died_ns = reader_left(&reader) == 0 ? 0 : reader_u64(&reader);
    if (reader.failed) {
        return status_of(STATUS_CORRUPT);
    }
    *letter_out = letter;
    return status_ok();
}

uint64_t dead_letter_when(const struct dead_letter *letter, const struct outbox_message *message) {
    return letter->died_ns != 0 ? letter->died_ns : message->created_ns;
}

void outbox_memory_key(struct hash128 incident_id, struct slice sink, struct writer *writer) {
    writer_hash128(writer, incident_id);
    writer_bytes(writer, sink);
}

void outbox_heard_key(struct hash128 incident_id, struct slice sink, struct writer *writer) {
    writer_hash128(writer, incident_id);
    writer_u8(writer, 0); /* no name of a sink begins so */
    writer_bytes(writer, sink);
}

struct slice outbox_type_word(enum outbox_type type) {
    static const char *const words[] = {
        [OUTBOX_OPENED] = "opened",
        [OUTBOX_UPDATED] = "updated",
        [OUTBOX_RESOLVED] = "resolved",
    };
    bool is_known = type >= OUTBOX_OPENED && type <= OUTBOX_RESOLVED;
    return slice_of_text(is_known ? words[type] : NULL);
}
