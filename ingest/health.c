/* health.c - see health.h. */
#include "ingest/health.h"

#include "ingest/grpc.h"
#include "ingest/proto_walk.h"

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum serving_status { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

static bool knows_service(struct slice name) {
    return name.size == 0 ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.logs.v1.LogsService")) ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.trace.v1.TraceService")) ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.metrics.v1.MetricsService"));
}

/* The service of a HealthCheckRequest; false: it is none. */
static bool read_service(const struct http_request *request, struct slice *service_out) {
    struct slice message = {0};
    const char *words = "";
    if (grpc_open_message(NULL, request, 0, &message, &words) != 0) {
        return false;
    }
    struct proto_root root = {.bytes = message};
    struct proto_walk walk = proto_walk_over(&root, message);
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        *service_out = proto_is(&field, 1, PROTO_LENGTH) ? field.bytes : *service_out;
    }
    return root.error == NULL;
}

/* --- Check --- */

static void check(struct http_exchange exchange, struct slice service, bool is_serving) {
    const uint8_t message[] = {1 << 3, is_serving ? SERVING : NOT_SERVING};
    if (knows_service(service)) {
        grpc_respond(exchange, 200, slice_of(message, sizeof(message)));
    } else {
        grpc_respond_error(exchange, GRPC_NOT_FOUND, SLICE("there is no such service"));
    }
}

/* --- Watch --- */

static void tell(const struct health_watcher *watcher, enum serving_status status) {
    const uint8_t message[] = {1 << 3, (uint8_t)status};
    grpc_stream_message(watcher->exchange, slice_of(message, sizeof(message)));
}

static enum serving_status status_for(const struct health_watcher *watcher, bool is_serving) {
    return !watcher->knows_service ? SERVICE_UNKNOWN : is_serving ? SERVING : NOT_SERVING;
}

static void end(const struct health_watcher *watcher) {
    tell(watcher, status_for(watcher, false));
    grpc_stream_end(watcher->exchange, GRPC_UNAVAILABLE, "the server goes down");
}

static void forget_who_left(struct health *health) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < health->watchers_count; i++) {
        if (http_is_waiting(health->watchers[i].exchange)) {
            health->watchers[kept++] = health->watchers[i];
        }
    }
    health->watchers_count = kept;
}

static void watch(struct health *health, struct health_watcher watcher, bool is_serving) {
    if (health->has_ended) {
        end(&watcher);
        return;
    }
    health_tell(health, is_serving);
    if (health->watchers_count == HEALTH_WATCHERS_MAX) {
        forget_who_left(health);
    }
    if (health->watchers_count == HEALTH_WATCHERS_MAX) {
        grpc_stream_end(watcher.exchange, GRPC_RESOURCE_EXHAUSTED, "too many watch already");
        return;
    }
    health->is_serving = is_serving;
    health->watchers[health->watchers_count++] = watcher;
    tell(&watcher, status_for(&watcher, is_serving));
}

void health_tell(struct health *health, bool is_serving) {
    if (health->watchers_count == 0 || health->is_serving == is_serving) {
        return;
    }
    health->is_serving = is_serving;
    forget_who_left(health);
    for (uint32_t i = 0; i < health->watchers_count; i++) {
        if (health->watchers[i].knows_service) {
            tell(&health->watchers[i], is_serving ? SERVING : NOT_SERVING);
        }
    }
}

void health_end(struct health *health) {
    health->has_ended = true;
    for (uint32_t i = 0; i < health->watchers_count; i++) {
        end(&health->watchers[i]);
    }
    health->watchers_count = 0;
}

/* --- Calls --- */

bool health_take(struct health *health, struct http_exchange exchange,
                 const struct http_request *request, bool is_serving) {
    bool is_watch = slice_equals(request->path, SLICE("/grpc.health.v1.Health/Watch"));
    struct slice service = {0};
    if (!is_watch && !slice_equals(request->path, SLICE("/grpc.health.v1.Health/Check"))) {
        return false;
    }
    if (!read_service(request, &service)) {
        grpc_respond_error(exchange, GRPC_INVALID_ARGUMENT, SLICE("this is no HealthCheckRequest"));
    } else if (is_watch) {
        watch(health, (struct health_watcher){exchange, knows_service(service)}, is_serving);
    } else {
        check(exchange, service, is_serving);
    }
    return true;
}
