/*
 * lifecycle.h - what becomes of an incident and its members: lifecycle.c. Private to the room.
 */
#pragma once

#include "incident/incident_state.h"

/* When a reopened incident is told. What fails and is well by turns, faster than the first message
 * waits, waits for it once, and not anew by each turn; what was told as reopened, and is so again
 * by the same root within group_interval of what was told last, waits that long: else each turn
 * would be two messages for ever. */
uint64_t incident_reopened_due_ns(const struct incident_context *context,
                                  const struct incident *incident);
/* Its member is bad again, as `status` says. */
void incident_reopen(struct incidents *incidents, const struct incident_context *context,
                     const struct member *member, enum event_status status);
void incident_resolve(struct incidents *incidents, const struct incident_context *context,
                      struct incident *incident, struct slice detail);
/* Bad again; `is_reopened`: it has just reopened its incident. */
void member_relapse(struct incidents *incidents, const struct incident_context *context,
                    struct member *member, const struct signal *signal, bool is_reopened);
/* NONE: by silence; nobody has said so. */
void member_recover(struct incidents *incidents, const struct incident_context *context,
                    struct member *member, enum event_status status, uint64_t event_ns);
/* Whether the good news may end its trouble: a source's own word, when no other told of it. */
bool member_heeds_good(const struct member *member, const struct signal *signal);
/* Whether it is worse news than the member was known for. */
bool member_count_signal(struct incidents *incidents, const struct incident_context *context,
                         struct member *member, const struct signal *signal, bool is_repeat);
/* The size of its score; 0: it has none. */
float signal_strength(const struct signal *signal);
/* One of several alerts about it says that it is over; whether all are, so that it recovers. */
bool member_end_alert(struct incidents *incidents, const struct incident_context *context,
                      struct member *member, const struct signal *signal);
/* What its kept words say. */
enum tone member_tone(const struct member *member);
/* Resolved too long ago to be opened again; it is only remembered. */
bool incident_is_past(const struct incident_context *context, const struct incident *incident);
/* Its rows stay for the API, its memory is free. */
void incident_forget(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident);
void incident_note_trace(struct incident *incident, struct hash128 trace);
void member_fill(struct incidents *incidents, const struct incident_context *context,
                 struct member *member, const struct signal *signal);
void member_fill_complaint(struct incidents *incidents, const struct incident_context *context,
                           struct member *member, const struct signal *signal);
/* Another life: opened again because a member fails again, or about to get another root because its
 * own is well (reroot.c). Who was hit before, and is well, is history. */
void incident_begin_life(struct incidents *incidents, struct incident *incident);
/* It fails again; whether that is the first time in this life of its incident. */
bool member_begin_life(struct incidents *incidents, struct member *member);
