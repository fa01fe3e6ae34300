/*
 * shelf.h - failures that were over when they were told, kept aside. Private to the room.
 */
#pragma once

#include "incident/causes.h"

/* A stale failure explains nothing that is known: keeps it aside, if need be and there is room,
 * unless its entity is a member of an incident that people know of. */
void shelf_keep(struct incidents *incidents, const struct incident_context *context, uint32_t node,
                const struct signal *signal);
bool member_is_shelved(struct incidents *incidents, const struct member *member);
/* It is the cause of what is told now: an incident as any other from now on. */
void shelf_open(struct incidents *incidents, const struct incident_context *context,
                struct incident *incident);
/* It goes, and its rows. */
void shelf_drop(struct incidents *incidents, struct incident *incident);
/* Of a cause that is kept aside the cause of that, and so on; else the cause itself. */
struct cause shelf_first_cause(struct incidents *incidents, const struct incident_context *context,
                               const struct outlook *outlook, struct cause cause);
