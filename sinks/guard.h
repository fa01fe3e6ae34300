/*
 * guard.h - which addresses a sink may reach, so that a URL in a tenant's file is no way into what
 * only this machine can reach. It judges the address that is really connected to, so neither a name
 * that resolves to something else the second time nor an IPv4 address inside an IPv6 one gets past.
 *
 * Pure, but for guard_socket_words. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "core/config.h"

/* NULL when it may be reached; else why not, in words. Unix sockets: as private ones. */
const char *guard_words(enum sink_addresses allowed, const struct sockaddr *address);
/* The same for the peer of a connected socket; NULL also when it is not connected yet. */
const char *guard_socket_words(enum sink_addresses allowed, int fd);
