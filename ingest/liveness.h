/*
 * liveness.h - what Alertmanager's clients and load balancers ask of the port that they send to:
 * GET /-/healthy, /-/ready, and /api/v2/status in the form of Alertmanager's API v2.
 *
 * Nobody must prove who he is: nothing of a tenant is in it. Pure but for the answer it gives.
 */
#pragma once

#include "core/http.h"

/* Answers; false: the path is another, or the method. */
bool liveness_take(struct http_exchange exchange, const struct http_request *request, bool is_ready,
                   uint64_t started_ns);
