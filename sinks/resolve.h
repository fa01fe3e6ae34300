/*
 * resolve.h - a host name's address, looked up by a thread of its own, because the C library waits
 * for name servers. The answer makes a descriptor readable.
 *
 * Thread: the sinks'.
 */
#pragma once

#include <stdbool.h>

#include "core/base/text.h"

enum { RESOLVE_ADDRESS_BYTES = 64 };

struct resolve;

/* Whether the text is an IPv4 or IPv6 address already. */
bool resolve_is_address(const char *host);
/* NULL without memory or a thread. */
struct resolve *resolve_begin(const char *host);
/* Readable when the answer is there. */
int resolve_fd(const struct resolve *resolve);
bool resolve_is_done(const struct resolve *resolve);
/* Only when done; frees it. false: words_out says why there is no address. */
bool resolve_take(struct resolve *resolve, struct text *address, const char **words_out);
/* Its thread frees it when the C library lets go. */
void resolve_abandon(struct resolve *resolve);
