/*
 * derive.h - the rules that turn a decoded record into an envelope's identity (product.md, "From a
 * record to an envelope"). Applied once, at ingest, so that a later change cannot change a replay.
 *
 * Pure; memory: a scratch arena of the caller. Any thread.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "schemas/envelope.h"

struct derive_memo;

/* What a source knows about the place a record came from. */
struct derive_context {
    uint64_t hash_seed;       /* secret of the data directory */
    uint64_t now_ns;          /* ingest stamp */
    struct slice tenant;      /* already decided (auth, header, attribute, "default") */
    bool tenant_is_bound;     /* by a token: a record that claims another one is refused */
    struct slice dedup_by;    /* comma-separated keys of dedup.by; empty: the default */
    struct derive_memo *memo; /* of this request; may be NULL */
};

/* The attribute candidates for the entity, each empty when absent; the caller has applied "record
 * wins over scope wins over resource". */
struct derive_entity_keys {
    struct slice job_id;            /* job.id, else cicd.pipeline.name */
    struct slice dataset_name;      /* dataset.name */
    struct slice check_id;          /* check.id */
    struct slice service_name;      /* resource service.name */
    struct slice service_namespace; /* resource service.namespace */
};

/* "job:load_orders" in the arena; "unknown:unidentified" when there is no key. FULL when the arena
 * is; INVALID with a reason when the name is too long, holds control characters or is no UTF-8. */
MUST_CHECK struct status derive_entity(const struct derive_entity_keys *keys, struct arena *arena,
                                       struct slice *entity_out, struct fault *reason);

/* An entity that a user wrote out ("kind:name", maybe "platform/kind:name"): INVALID with a reason
 * when it is not one. Kind is lower-case letters, digits, '_' or '-'. */
MUST_CHECK struct status derive_check_entity(struct slice entity, struct fault *reason);

/* Tenant ids: 1-64 of [A-Za-z0-9._-], not starting with '.'. */
MUST_CHECK struct status derive_check_tenant(struct slice tenant, struct fault *reason);

/* Message with numbers, hex, uuids, quoted strings and timestamps replaced by '#' or "''", cut to
 * ERROR_CLASS_BYTES_MAX: "timeout after 30s" -> "timeout after #s". Of a message that is a JSON
 * object the member that says what happened (message, msg, error and the like). In the arena. */
MUST_CHECK struct status derive_mask_message(struct slice message, struct arena *arena,
                                             struct slice *masked_out);
/* The same into a text of ERROR_CLASS_BYTES_MAX + 1 bytes. */
struct slice derive_mask_over(struct slice message, struct text *masked);

/* The node key of an entity: (tenant, entity), where "platform/x" names entity x of tenant
 * "platform". */
struct hash128 derive_entity_key(struct slice tenant, struct slice entity, uint64_t hash_seed);

/* The envelope's cut_hash with one attribute more that does not fit, or is cut. */
uint64_t derive_cut_hash(uint64_t cut_hash, const struct attribute *attribute);

/* Fills the rest of the envelope from what the source has set (tenant, entity, kind, status,
 * severity, times, ids, message, error_class as given or empty, attributes, depends_on):
 * clamps the event time (missing, or > 1 day ahead: ingest time, flagged), error_class, signal
 * flags, event_key, entity_key, fingerprint. The event key is of the event_id,
 * else of a span's ids, else of all that the record says; its texts are mixed in when it is
 * encoded (is_known_by_texts).
 * INVALID with a reason: the record is to be refused. FULL: the arena is. */
MUST_CHECK struct status derive_envelope(const struct derive_context *context, struct arena *arena,
                                         struct envelope *envelope, struct fault *reason);
