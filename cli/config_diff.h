/*
 * config_diff.h - what a new configuration changes, in words for the audit: which tenants, and in
 * which of them what. Names only, never values: there are secrets among them.
 */
#pragma once

#include "core/config.h"

/* Says for each tenant that changes (empty: the defaults) what does: "rules, routes, sink oncall
 * changed", "added", "removed". */
void config_diff_each(const struct config *old, const struct config *new,
                      void (*on_tenant)(void *context, struct slice tenant, struct slice words),
                      void *context);
/* The first listener that the two have at different addresses, as "listen.http"; NULL for none. */
const char *config_diff_listener(const struct config *old, const struct config *new);
