/*
 * http_client.h - outgoing HTTP on the sinks' loop: libcurl's multi interface, told by the loop's
 * watches and timers. The only file that knows libcurl. No redirects, so nobody sends us elsewhere;
 * http and https only; no proxy; only where sinks/guard.h lets it.
 *
 * Thread: the sinks'.
 */
#pragma once

#include "core/loop.h"
#include "sinks/sink.h"

struct http_client;
struct http_attempt;

/* On the loop, and on its thread alone. Of `files_max` files (0: no bound) a quarter at most is
 * connections that are kept for later. FULL with a fault. */
MUST_CHECK struct status http_client_open(struct loop *loop, uint32_t files_max,
                                          struct http_client **client_out, struct fault *fault);
/* Drops attempts in flight without calling back. NULL is allowed. */
void http_client_close(struct http_client *client);
/* Whether it is http:// or https:// with a host that a request could go to: as curl reads it, but
 * for http:///x, of which curl makes a host x. */
bool http_url_is_sound(struct slice url);
/* POSTs; request memory lives until on_done, which is called once from the loop. The response lives
 * during that call; a 2xx keeps its status also when its body broke off, and has an error then.
 * FULL without memory. */
MUST_CHECK struct status
http_client_post(struct http_client *client, const struct sink_request *request,
                 uint64_t timeout_ns, enum sink_addresses addresses,
                 void (*on_done)(void *context, const struct sink_response *response),
                 void *context, struct http_attempt **attempt_out);
/* Ends an attempt without calling back. */
void http_client_cancel(struct http_client *client, struct http_attempt *attempt);
