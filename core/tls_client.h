/*
 * tls_client.h - the client's side of TLS on a connected, blocking socket, for quell's own commands
 * that ask a running quell: it must show the very certificate that the configuration names.
 * Thread: one at a time.
 */
#pragma once

#include "core/tls.h"

struct tls_client;

/* Shakes hands. The options are the server's own: its certificate is the one that is expected, and
 * what we show when it asks for one. IO or INVALID with words. The socket stays the caller's. */
MUST_CHECK struct status tls_client_open(int fd, const struct tls_options *server,
                                         struct tls_client **client_out, struct fault *fault);
bool tls_client_send(struct tls_client *client, struct slice bytes);
/* Like read(2); 0 at the end, less on failure. */
long tls_client_receive(struct tls_client *client, void *bytes, size_t size);
/* NULL is allowed. */
void tls_client_close(struct tls_client *client);
