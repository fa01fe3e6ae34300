/*
 * otlp_record.h - what log records, spans and data points share, whatever their encoding:
 * attributes, and the rules that make an envelope of a record and of the levels above it.
 *
 * Slices point into the request or its arena. Thread: one at a time.
 */
#pragma once

#include "core/base/text.h"
#include "ingest/decode.h"
#include "ingest/otlp_known_list.h"
#include "schemas/envelope.h"

enum otlp_known {
#define NAME(with, name, words) name,
    OTLP_FOR_EACH_KNOWN(NAME, )
#undef NAME
        OTLP_KNOWN_COUNT
};

/* Attributes of one level and what the rules look for among them and the levels above. */
struct otlp_attributes {
    struct attribute items[ATTRIBUTES_PER_EVENT_MAX];
    uint32_t count;
    bool is_cut;                          /* there were more */
    uint64_t cut_hash;                    /* of those, and of values that were cut; 0: of none */
    uint64_t key_sizes;                   /* bit n % 64: a key has n bytes */
    uint32_t known_set;                   /* bit n: known[n] is there */
    struct attribute_block block;         /* of all items, when they are settled; else of none */
    struct slice known[OTLP_KNOWN_COUNT]; /* otlp_known_value */
};

/* The value of one that the rules look for; empty: there is none. */
static inline struct slice otlp_known_value(const struct otlp_attributes *attributes,
                                            enum otlp_known known) {
    bool is_there = (attributes->known_set >> known & 1) != 0;
    return is_there ? attributes->known[known] : slice_of(NULL, 0);
}
/* The first one's where it is there, else the second one's. */
static inline struct slice otlp_known_first(const struct otlp_attributes *attributes,
                                            enum otlp_known first, enum otlp_known second) {
    bool is_there = (attributes->known_set >> first & 1) != 0;
    return otlp_known_value(attributes, is_there ? first : second);
}

void otlp_attributes_reset(struct otlp_attributes *attributes);
/* Adds one, cut to ATTRIBUTE_BYTES_MAX; beyond ATTRIBUTES_PER_EVENT_MAX it is only noted. */
void otlp_attributes_add(struct otlp_attributes *attributes, const struct attribute *attribute);
/* It has no room: is_cut, but its words still tell the record from others. */
void otlp_attributes_note_cut(struct otlp_attributes *attributes,
                              const struct attribute *attribute);
/* ATTRIBUTE_BYTES_MAX for a list or map, which is written as JSON. False: the arena is full. */
bool otlp_begin_list(struct arena *arena, struct text *text_out);
/* It was written from the bytes `raw`. When it filled its room it may be cut, and ends in a hash of
 * the raw bytes instead: records that differ only behind the cut are two. What is left of the room
 * goes back, with all that the arena gave since. */
struct slice otlp_end_list(struct arena *arena, struct text *text, struct slice raw);
/* Whether a value is such a text: no JSON any more. */
bool otlp_is_marked(struct slice value, enum attribute_type type);
/* Which of those that the rules look for has the key; OTLP_KNOWN_COUNT: none. */
enum otlp_known otlp_known_of(struct slice key);
/* The same for a key that was asked for before. */
void otlp_attributes_add_known(struct otlp_attributes *attributes,
                               const struct attribute *attribute, enum otlp_known known);
/* A level above records has its own attributes: adds those of the level above it, or NULL, and
 * encodes all of them once for its records (as far as the arena has room). */
void otlp_attributes_settle(struct otlp_attributes *attributes, const struct otlp_attributes *outer,
                            struct arena *arena);
/* Adds the attributes of an outer level that the inner one does not name. */
void otlp_inherit(struct otlp_attributes *inner, const struct otlp_attributes *outer);

struct otlp_span;

struct otlp_record {
    struct envelope envelope;
    struct otlp_attributes attributes;
    uint64_t observed_ns;         /* the event's time when it has none of its own */
    struct slice event_name;      /* becomes the attribute event.name */
    const char *reason;           /* to be refused for, NULL when good */
    bool has_no_status;           /* a data point, whose status is but a label */
    const struct otlp_span *span; /* of which it is the record; NULL: of none */
};

void otlp_record_init(struct otlp_record *record, enum event_kind kind);
/* A log record's body, as otlp_take_any has it. */
void otlp_record_set_body(struct otlp_record *record, struct slice body, enum attribute_type type);
/* An id that is none: words that stay, what to refuse a span for. A log record goes without it. */
void otlp_record_miss_id(struct otlp_record *record, const char *words);
/* Of OTLP's 1 to 24; others are none. */
void otlp_record_set_severity(struct otlp_record *record, uint64_t number);

/* A span is an event at its end; status code 2 (ERROR) makes it a failure. An "exception" event of
 * the span gives the error's class and message when the span itself does not. */
struct otlp_span {
    struct otlp_record record;
    struct slice name;
    struct slice status_message;
    uint64_t status_code;
    enum span_kind kind;
};

void otlp_span_init(struct otlp_span *span);
/* Of OTLP's 0 to 5; others are unspecified. */
void otlp_span_set_kind(struct otlp_span *span, uint64_t number);
/* Only what the rules look for among an event's attributes: exception.type, exception.message. */
void otlp_span_note_event(struct otlp_span *span, const struct otlp_attributes *attributes);
/* All of the span is read: status and message; otlp_record_finish comes next. */
void otlp_span_settle(struct otlp_span *span);

/* The record is read, `raw` are its bytes: settles status and entity, derives, adds or refuses.
 * FULL: throttle the request. */
MUST_CHECK struct status otlp_record_finish(struct otlp_record *record, struct decode *decode,
                                            struct slice raw, const struct otlp_attributes *outer);
