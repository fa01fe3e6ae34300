/*
 * affected.h - who stands in a message as affected, in which order: the nearest to the root first,
 * then who failed first.
 *
 * Of an incident that ends because it is merged into another only the first AFFECTED_CLOSING_MAX
 * are listed: its message is bounded tightly, and is written while others walk over the list that
 * all are sorted in. Thread: the shard's.
 */
#pragma once

#include "incident/incident_state.h"

enum { AFFECTED_CLOSING_MAX = 32 };

struct affected {
    struct incidents *incidents;
    const struct incident_context *context;
    const uint32_t *slots;
    uint32_t count;
    uint32_t at;
    uint32_t more; /* beside those that are listed */
    struct hash128 id;
    uint32_t first[AFFECTED_CLOSING_MAX];
    uint8_t key[20];
};

/* All but the root; of a suspected one, the member that stands for it is affected like the rest.
 * Valid until the incident's members change, or another list of all is made. */
void affected_list(struct affected *affected, struct incidents *incidents,
                   const struct incident_context *context, const struct incident *incident,
                   bool is_merged);
/* For incident_members_source. */
bool affected_next(void *context, struct slice *key_out, struct slice *value_out);
