/*
 * descriptors.h - how many files the process may open, and who gets them: a connection is one, and
 * all of them together leave room for the journal, the console and the sinks. Else whoever opens
 * connections and says nothing takes the next journal file from all. Thread: main's.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"

/* As many as the system allows. */
void descriptors_raise(void);
/* How many connections each ingest thread may take: as configured, or fewer, of which it warns. */
uint32_t descriptors_share(const struct config *config, const struct logger *logger);
/* How many may be open when a sink opens another: some stay for who comes to ingest, the console
 * and the journal meanwhile. 0: any number. */
uint32_t descriptors_for_sinks(void);
