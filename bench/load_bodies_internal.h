/* load_bodies_internal.h - what the makers of bodies share; see load_bodies.h. */
#pragma once

#include "bench/load_bodies.h"

enum { LOAD_STAMP_DIGITS = 19, LOAD_RECORD_BYTES_MAX = 1024, LOAD_ENVELOPE_BYTES_MAX = 1024 };

/* One record to be written: who, and what happens to it. */
struct load_record {
    uint32_t service;
    uint32_t attributes; /* how many of load_attributes, from the first on */
    bool is_error;
    uint64_t noise; /* random bits for ids and numbers */
};

/* What a log record says beside its message. */
struct load_attribute {
    const char *key;
    const char *words; /* before the number; NULL: it is the number */
    unsigned shift;    /* of the noise */
    unsigned values;
};

extern const struct load_attribute load_attributes[LOAD_ATTRIBUTES_MAX];

static inline unsigned load_attribute_number(const struct load_attribute *attribute,
                                             const struct load_record *record) {
    return (unsigned)(record->noise >> attribute->shift) % attribute->values;
}

/* A body under construction; stamps are noted as the records are written. */
struct load_body {
    struct text text;
    uint32_t *stamps_at;
    uint32_t stamps_count;
};

static inline void load_body_note_stamp(struct load_body *body) {
    body->stamps_at[body->stamps_count++] = (uint32_t)body->text.size;
}

/* "checkout-017": the group tells the tree, see load_service_parent. */
void load_add_service(struct text *text, uint32_t service);
/* The service that it depends on; itself for the root of a tree. */
uint32_t load_service_parent(uint32_t service);
void load_add_message(struct text *text, const struct load_record *record);

void load_write_json(struct load_body *body, const struct load_record *records, uint32_t count);
void load_write_native(struct load_body *body, const struct load_record *records, uint32_t count);
void load_write_proto(struct load_body *body, const struct load_record *records, uint32_t count);
