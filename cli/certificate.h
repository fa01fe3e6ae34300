/*
 * certificate.h - tells who runs quell that its certificate is no good to clients any more, or
 * soon: as a line of the log, and on /metrics for whoever is to be woken by it.
 *
 * Thread: main.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/stats.h"

/* At the start and after each reload. */
void certificate_tell(const struct config *config, struct stats *stats,
                      const struct logger *logger);
