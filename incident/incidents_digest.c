/*
 * incidents_digest.c - all that the room knows as one number: rooms that went the same way agree.
 */
#include "incident/rows.h"

/* A sum of hashes, so that neither slots nor lists leave a trace. */
static void add_digest(struct hash128 *sum, struct writer *writer, uint64_t seed) {
    ASSERT(!writer->failed);
    struct hash128 hash = hash128_of(writer_slice(writer), seed);
    sum->lo += hash.lo;
    sum->hi += hash.hi;
}

struct hash128 incidents_digest(const struct incidents *incidents) {
    struct hash128 sum = {.lo = incidents->open_count, .hi = incidents->next_outbox_number};
    uint8_t bytes[4096];
    uint32_t left = incidents->incidents_max - incidents->incidents_free_count;
    for (uint32_t slot = 0; left > 0; slot++) {
        const struct incident *incident = &incidents->incidents[slot];
        left -= incident->is_used ? 1 : 0;
        if (!incident->is_used || incident->fate != FATE_KEEP) {
            continue;
        }
        struct writer writer = writer_over(bytes, sizeof(bytes));
        writer_hash128(&writer, incident->id);
        writer_u32(&writer, (uint32_t)incident->status << 8 | (uint32_t)incident->severity);
        writer_u32(&writer, incident->root_node);
        writer_u32(&writer, incident->version);
        writer_u32(&writer, incident->members_count);
        writer_u32(&writer, incident->failing_count);
        writer_u64(&writer, incident->signals_total);
        writer_u64(&writer, incident->signals_unique);
        writer_u64(&writer, incident->opened_ns);
        writer_u64(&writer, incident->updated_ns);
        writer_u64(&writer, incident->resolved_ns);
        incident_encode_state(incident, &writer);
        add_digest(&sum, &writer, incidents->hash_seed);
    }
    left = incidents->members_max - incidents->members_free_count;
    for (uint32_t slot = 0; left > 0; slot++) {
        const struct member *member = &incidents->members[slot];
        left -= member->is_used ? 1 : 0;
        if (!member->is_used || member->fate != FATE_KEEP) {
            continue;
        }
        struct writer writer = writer_over(bytes, sizeof(bytes));
        writer_hash128(&writer, incidents->incidents[member->incident].id);
        writer_u32(&writer, member->node);
        writer_u32(&writer, (uint32_t)member->status << 5 | (member->rehomes_again ? 16u : 0u) |
                                (member->is_bygone ? 8u : 0u) | (member->is_complaining ? 4u : 0u) |
                                (member->is_foreign ? 2u : 0u) | (member->is_recovered ? 1u : 0u));
        writer_u32(&writer, member->hops);
        writer_u64(&writer, member->since_ns);
        member_encode_state(member, &writer);
        add_digest(&sum, &writer, incidents->hash_seed);
    }
    return sum;
}
