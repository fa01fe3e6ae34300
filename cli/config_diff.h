/*
 * config_diff.h - what a new configuration changes, in words for the audit: which tenants, and in
 * which of them what. Names only, never values: there are secrets among them.
 */
#pragma once

#include "core/config.h"

/* "acme: rules, routes, sink oncall changed; globex: added"; nothing when both are the same. */
void config_diff_add(struct text *words, const struct config *old, const struct config *new);
