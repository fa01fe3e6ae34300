/*
 * resolve.h - a host name's addresses, looked up by a thread of its own, because the C library
 * waits for name servers. The answer makes a descriptor readable.
 *
 * Thread: the sinks'.
 */
#pragma once

#include <stdbool.h>

#include "core/base/text.h"

/* More addresses of a name are left out. */
enum { RESOLVE_ADDRESSES_MAX = 8, RESOLVE_ADDRESSES_BYTES = RESOLVE_ADDRESSES_MAX * 64 };
enum { RESOLVE_HOST_BYTES_MAX = 255 };

struct resolve;

/* Whether the text is an IPv4 or IPv6 address already. */
bool resolve_is_address(const char *host);
/* NULL without memory or a thread, and for a name beyond RESOLVE_HOST_BYTES_MAX. */
struct resolve *resolve_begin(const char *host);
/* Readable when the answer is there. */
int resolve_fd(const struct resolve *resolve);
bool resolve_is_done(const struct resolve *resolve);
/* Only when done; frees it. The addresses in the order in which they are to be tried, with commas
 * in between; 0 of them: words_out says why. */
uint32_t resolve_take(struct resolve *resolve, struct text *addresses, const char **words_out);
/* Its thread frees it when the C library lets go. */
void resolve_abandon(struct resolve *resolve);
