/*
 * health.h - the health checking service of gRPC (grpc/doc/health-checking.md): Check is answered
 * at once, Watch for as long as the client listens, with each change.
 *
 * The services are the three of OTLP, and "" for the server. Nobody must prove who he is. Bound:
 * HEALTH_WATCHERS_MAX a thread; beyond, RESOURCE_EXHAUSTED. Thread: the ingest's.
 */
#pragma once

#include "core/http.h"

struct health_watcher {
    struct http_exchange exchange;
    bool knows_service; /* else it has heard SERVICE_UNKNOWN, and that is all */
};

/* Starts zeroed. */
struct health {
    struct health_watcher watchers[HEALTH_WATCHERS_MAX];
    uint32_t watchers_count;
    bool is_serving; /* what the watchers were told last */
    bool has_ended;
};

/* Answers a call to the service; false: the path is another. */
bool health_take(struct health *health, struct http_exchange exchange,
                 const struct http_request *request, bool is_serving);
/* Tells the watchers what has changed, if anything has. */
void health_tell(struct health *health, bool is_serving);
/* The server goes down: all watchers hear NOT_SERVING, and the end. Later ones too. */
void health_end(struct health *health);
