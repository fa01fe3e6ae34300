/*
 * envelope.h - one event, the same whatever it came from: a FlatBuffer of envelope.fbs.
 *
 * `struct envelope` is the unpacked form: what a source fills before encoding and what reading
 * gives back, with slices into the encoded bytes. An envelope is encoded once, at ingest, and never
 * changed; `derive.c` has filled its derived fields by then.
 *
 * Memory: encode writes into a writer of the caller. Thread: any.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/reader.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "schemas/event.h"

/* The type an attribute had at its source; its value is always kept as text (JSON for composites).
 */
enum attribute_type {
    ATTRIBUTE_STRING = 0,
    ATTRIBUTE_BOOL = 1,
    ATTRIBUTE_INT = 2,
    ATTRIBUTE_DOUBLE = 3,
    ATTRIBUTE_JSON = 4,
    ATTRIBUTE_BYTES = 5, /* base64 */
};

struct attribute {
    struct slice key;
    struct slice value;
    enum attribute_type type;
};

enum envelope_flags {
    ENVELOPE_REFUSED = 1,       /* not applied: `reason` says why, `raw` holds the bytes */
    ENVELOPE_MESSAGE_CUT = 2,   /* message, raw or attributes did not fit and were cut */
    ENVELOPE_TIME_CLAMPED = 4,  /* event time was missing or absurd and was set from ingest */
    ENVELOPE_SIGNAL = 8,        /* bad news: a bad status, an error log, a firing alert */
    ENVELOPE_GOOD = 16,         /* good news: a good status */
    ENVELOPE_HAS_SCORE = 32,    /* `score` was given (details.score) */
    ENVELOPE_OWN_EVENT_ID = 64, /* the source named the event id */
    ENVELOPE_LEARNED = 128,     /* depends_on was found out, not declared: it expires */
    ENVELOPE_BESIDE = 256,      /* one event became several: a further one, which nobody counts */
};

/* Attributes that many envelopes end with, encoded once: by attribute_block_encode. */
struct attribute_block {
    const struct attribute *attributes; /* what was encoded; lives on */
    struct slice bytes;                 /* as in attributes_packed.h, without the count */
    uint32_t count;
};

struct envelope {
    struct hash128 event_key;   /* of (tenant, event id), or of the content: idempotency */
    struct hash128 fingerprint; /* dedup */
    struct hash128 entity_key;  /* of (owning tenant, entity): the graph node */
    struct hash128 trace_id; /* as sent, lo = first 8 bytes big-endian; zero when there is none */
    uint64_t span_id;
    uint64_t parent_span_id;
    uint64_t event_time_ns;
    uint64_t ingest_time_ns;
    double score;
    enum event_kind kind;
    enum event_status status;
    enum event_severity severity;
    uint32_t flags; /* enum envelope_flags */
    struct slice tenant;
    struct slice entity;
    struct slice event_id;
    struct slice run_id;
    struct slice error_class;
    struct slice message;
    struct slice source;                /* "otlp-http", "native", "kafka:topic/3@17", ... */
    struct slice reason;                /* only when refused */
    struct slice raw;                   /* only when refused */
    const struct attribute *attributes; /* encode only, without the tail's; read them by
                                           envelope_attributes */
    const struct attribute_block *tail; /* encode only: the last attributes, or NULL */
    uint32_t attributes_count;
    const struct slice *depends_on; /* encode only; entities, may start with "platform/" */
    uint64_t cut_hash; /* encode only: derive_cut_hash of what did not fit; 0: all did */
    uint32_t depends_on_count;
    bool is_known_by_texts; /* encode only: the texts are still to be mixed into event_key */
    bool is_span;           /* encode only: made of a span, also where it tells of a job's run */
};

/* Appends the encoded envelope (a FlatBuffer without size prefix, padded to 8 bytes). The stored
 * event key of one that is_known_by_texts is of its texts too: of all but source, reason and raw.
 * FULL when the writer has no room: then nothing usable was written and the writer is as before. */
MUST_CHECK struct status envelope_encode(const struct envelope *envelope, struct writer *writer);

/* Encodes attributes to be some envelopes' last ones, which then name the block in `tail` and count
 * them in attributes_count; the envelopes are byte for byte what they would be without it. Memory:
 * the arena's; FULL when there is none: do without. */
MUST_CHECK struct status attribute_block_encode(const struct attribute *attributes, uint32_t count,
                                                struct arena *arena,
                                                struct attribute_block *block_out);

/* Checks every offset and length of untrusted bytes; CORRUPT when any is wrong. */
MUST_CHECK struct status envelope_verify(struct slice bytes);

/* Unpacks verified bytes; the slices point into them; attributes/depends_on stay NULL, counts are
 * set. Fields of a newer schema are ignored, missing ones are zero. */
void envelope_read(struct slice bytes, struct envelope *envelope_out);

/* The attributes of verified bytes, one after another. */
struct attribute_cursor {
    struct slice packed; /* those to come, when they are packed */
    struct slice bytes;  /* else the envelope, which has a table for each */
    uint32_t entry;      /* of the next one there */
    uint32_t left;
};
struct attribute_cursor envelope_attributes(struct slice bytes);
/* False at the end. */
bool attribute_cursor_next(struct attribute_cursor *cursor, struct attribute *attribute_out);

/* The i-th dependency of verified bytes; i below the count. */
struct slice envelope_depends_on_at(struct slice bytes, uint32_t index);

/* A few fields, for whoever has no use for the rest. */
struct envelope_glance {
    struct hash128 event_key;
    uint32_t flags; /* enum envelope_flags */
    enum event_kind kind;
    enum event_status status;
    struct hash128 entity_key;
    struct slice tenant;
    struct slice entity;
    struct slice message;
    uint32_t depends_on_count;
};
/* Reads these of unverified bytes, checking no more than they need. False when the bytes are not of
 * the shape that envelope_encode gives, or one of these is wrong: then envelope_verify decides. */
bool envelope_glance(struct slice bytes, struct envelope_glance *glance_out);
