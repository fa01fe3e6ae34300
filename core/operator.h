/*
 * operator.h - what a person does to an incident, or to a dead letter, as an entry of a
 * BATCH_OPERATOR record.
 *
 * Encoded: u8 action, u8[7] zero, hash128 incident id, text tenant, text by, text note,
 * text detail (reader.h).
 * Pure. Any thread.
 */
#pragma once

#include "core/base/reader.h"
#include "core/base/status.h"

enum operator_action {
    OPERATOR_ACKNOWLEDGE = 1,
    OPERATOR_RESOLVE = 2,
    OPERATOR_RETRY_DEAD = 3, /* the dead letter goes out again */
    OPERATOR_DROP_DEAD = 4,
    OPERATOR_SILENCE = 5, /* `detail` is a policy_silence, encoded */
    OPERATOR_UNSILENCE = 6,
    OPERATOR_RETRY_QUARANTINED = 7, /* it is applied again */
    OPERATOR_DROP_QUARANTINED = 8,
    OPERATOR_AUDIT = 9,        /* nothing but a line of the audit: `note` is what, `detail` more */
    OPERATOR_REMOVE_EDGE = 10, /* `detail`: text from, text to (operator_edge_encode) */
    OPERATOR_ACTIONS
};

struct operator_request {
    enum operator_action action;
    struct hash128 incident_id; /* of a dead letter: its number in `lo`; of a quarantined
                                   record: seq in `lo`, index in `hi`; or a silence's; of an audit
                                   line: enum audit_ring in `lo` */
    struct slice tenant;
    struct slice by;
    struct slice note;
    struct slice detail; /* empty but where an action says otherwise */
};

/* The writer fails when it has no room. */
void operator_encode(const struct operator_request *request, struct writer *writer);
/* CORRUPT for damaged bytes; slices point into them. */
MUST_CHECK struct status operator_decode(struct slice bytes, struct operator_request *request_out);

/* Names as the tenant has them. */
struct operator_edge {
    struct slice from;
    struct slice to;
};
void operator_edge_encode(const struct operator_edge *edge, struct writer *writer);
MUST_CHECK struct status operator_edge_decode(struct slice detail, struct operator_edge *edge_out);
