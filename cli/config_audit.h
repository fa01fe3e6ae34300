/*
 * config_audit.h - a change of the configuration as lines of the audit, one a tenant, and in the
 * log. Thread: main's.
 */
#pragma once

#include "core/batch.h"
#include "core/config.h"

/* Fills the batch for the shard. `old` NULL: the process starts. `new` NULL: it was refused. */
void config_audit_fill(struct batch *batch, const struct config *old, const struct config *new,
                       const char *who, const struct logger *logger);
