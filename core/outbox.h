/*
 * outbox.h - a message for a sink on its way out, and what became of it.
 *
 * The engine emits an outbox row with the incident's change, in one transaction; the shard offers
 * committed rows to the sinks' thread over a ring; outcomes come back over another one and become a
 * BATCH_OUTCOME journal record, whose application deletes the row (delivered) or moves it to the
 * dead letters. A row that is neither is offered again after a restart: at least once, with the
 * same message id, so that a receiver can tell. What a sink wants to know again about an incident
 * (a thread's address in a chat) travels with the outcome and becomes a row of table MEMORY; so
 * does which version of it was delivered last, by which a dead letter that goes out again is known
 * to be overtaken.
 *
 * Row (table OUTBOX, key number u64 big-endian) and ring item share the encoded form:
 *   u64 number, u64 created_ns, hash128 incident id, hash128 message id, u32 version of the
 *   incident, u8 type (enum outbox_type), u8 1 when it is a dead letter that goes out again, u8 1
 *   when it repeats what was told (0 in older rows), u8 zero, text tenant, text sink, text payload
 * (the incident as JSON, schemas/incident.schema.json)
 */
#pragma once

#include "core/base/reader.h"
#include "core/base/status.h"

enum outbox_type { OUTBOX_OPENED = 1, OUTBOX_UPDATED = 2, OUTBOX_RESOLVED = 3 };

struct outbox_message {
    uint64_t number; /* grows; order of telling */
    uint64_t created_ns;
    struct hash128 incident_id;
    struct hash128 message_id; /* webhook-id: "msg_" + base32; the same over retries and restarts */
    uint32_t incident_version;
    enum outbox_type type;
    bool is_again;  /* was given up once; an operator sent it out again */
    bool is_repeat; /* an update after repeat_interval: nothing changed since the last message */
    struct slice tenant;
    struct slice sink;
    struct slice payload;
};

enum { OUTBOX_MEMORY_BYTES_MAX = 128 };

enum outbox_result {
    OUTBOX_DELIVERED = 1,
    OUTBOX_DEAD = 2,       /* gave up: dead letter */
    OUTBOX_SUPERSEDED = 3, /* unsent: a later one of the incident and sink replaced it, or the sink
                              knows the end that it tells */
    OUTBOX_ATTEMPTED = 4,  /* failed and will be tried again: its row stays */
};

struct outbox_outcome {
    uint64_t number;
    enum outbox_result result;
    uint32_t attempts;  /* failed ones before it */
    struct slice error; /* last error in words, empty when there was none */
    /* Of this incident and sink, at most OUTBOX_MEMORY_BYTES_MAX; empty: as it was. */
    struct slice memory;
    uint32_t attempts_told; /* of `attempts`: by outcomes ATTEMPTED before */
};

/* Rows and batches: a writer without room fails; damaged bytes are CORRUPT; what is decoded points
 * into the bytes. */
void outbox_message_encode(const struct outbox_message *message, struct writer *writer);
MUST_CHECK struct status outbox_message_decode(struct slice bytes,
                                               struct outbox_message *message_out);
void outbox_outcome_encode(const struct outbox_outcome *outcome, struct writer *writer);
MUST_CHECK struct status outbox_outcome_decode(struct slice bytes,
                                               struct outbox_outcome *outcome_out);
/* A row of table DEAD, key as in the outbox: text outbox row, u32 attempts, text error, u64 when.
 */
struct dead_letter {
    struct slice row;
    uint32_t attempts;
    struct slice error;
    uint64_t died_ns; /* 0 in rows of before this field */
};
void dead_letter_encode(const struct dead_letter *letter, struct writer *writer);
MUST_CHECK struct status dead_letter_decode(struct slice bytes, struct dead_letter *letter_out);
/* When it died; of rows without that when its message, which is what stands in `row`, was made. */
uint64_t dead_letter_when(const struct dead_letter *letter, const struct outbox_message *message);
/* The key of an incident's row in table MEMORY: incident id, sink's name. */
void outbox_memory_key(struct hash128 incident_id, struct slice sink, struct writer *writer);
/* The key of the row beside it, of what the sink has heard: u32 the latest version of the incident
 * that was delivered; 0: none, since "opened" is a dead letter; u8 1 when it was the incident's end
 * (not in older rows). No row: the first one at most. */
void outbox_heard_key(struct hash128 incident_id, struct slice sink, struct writer *writer);
/* "opened", "updated", "resolved". */
struct slice outbox_type_word(enum outbox_type type);
