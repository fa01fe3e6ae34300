/* load_bodies.c - see load_bodies.h: the world, the pool, the heads. */
#include "bench/load_bodies.h"

#include <stdlib.h>

#include "bench/load_bodies_internal.h"
#include "core/base/assert.h"

enum { TREE_SERVICES = 50, TREE_FANOUT = 3, HEAD_BYTES_MAX = 1024 };

const char *const load_protocol_names[LOAD_PROTOCOLS] = {
    [LOAD_OTLP_JSON] = "otlp-json", [LOAD_OTLP_PROTO] = "otlp-proto", [LOAD_NATIVE] = "native"};

static const struct {
    const char *path;
    const char *media_type;
    void (*write)(struct load_body *body, const struct load_record *records, uint32_t count);
    bool stamps_binary;
} protocols[LOAD_PROTOCOLS] = {
    [LOAD_OTLP_JSON] = {"/v1/logs", "application/json", load_write_json, false},
    [LOAD_OTLP_PROTO] = {"/v1/logs", "application/x-protobuf", load_write_proto, true},
    [LOAD_NATIVE] = {"/v1/events", "application/x-ndjson", load_write_native, false},
};

const struct load_attribute load_attributes[LOAD_ATTRIBUTES_MAX] = {
    {"thread.id", NULL, 8, 64},
    {"code.function", "handle_", 16, 40},
    {"client.port", NULL, 24, 60000},
    {"url.path", "/api/v2/items/", 12, 5000},
    {"server.address", "10.0.3.", 32, 250},
    {"k8s.pod.name", "worker-7f9c-", 20, 500},
    {"enduser.id", "u-", 4, 100000},
    {"db.rows_returned", NULL, 36, 10000},
};

void load_add_service(struct text *text, uint32_t service) {
    static const char *const trades[] = {"checkout", "billing", "search",    "orders",
                                         "ingest",   "reports", "inventory", "identity"};
    uint32_t tree = service / TREE_SERVICES;
    text_add_format(text, "%s-%03u", trades[tree % 8], service);
}

uint32_t load_service_parent(uint32_t service) {
    uint32_t base = service / TREE_SERVICES * TREE_SERVICES;
    uint32_t place = service - base;
    return place == 0 ? service : base + (place - 1) / TREE_FANOUT;
}

static bool depends_on(uint32_t service, uint32_t upstream) {
    while (service != upstream && load_service_parent(service) != service) {
        service = load_service_parent(service);
    }
    return service == upstream;
}

void load_add_message(struct text *text, const struct load_record *record) {
    static const char *const failures[] = {
        "connection to db-%u refused after %u ms",
        "timeout: upstream did not answer request %u in %u ms",
        "disk quota exceeded on volume %u at %u blocks",
        "deadlock detected, transaction %u rolled back after %u retries",
        "permission denied for bucket %u, attempt %u",
        "out of memory in worker %u at %u MiB",
        "schema mismatch in partition %u, column %u",
        "certificate of peer %u expired %u hours ago"};
    static const char *const lines[] = {
        "request %u handled, status 200, %u ms", "cache refreshed with %u entries in %u ms",
        "batch %u written, %u rows", "connection %u accepted from pool slot %u"};
    unsigned first = (unsigned)(record->noise % 100000);
    unsigned second = (unsigned)(record->noise >> 40) % 5000;
    /* A service fails in few ways: its class depends on it, not on the record. */
    const char *format = record->is_error ? failures[(record->service + record->noise % 2) % 8]
                                          : lines[record->noise % 4];
    text_add_format(text, format, first, second);
}

static void make_records(const struct load_world *world, const struct zipf *zipf,
                         struct random *random, struct load_record *records) {
    uint32_t service = zipf_pick(zipf, random);
    bool is_native = world->protocol == LOAD_NATIVE;
    for (uint32_t i = 0; i < world->batch_records; i++) {
        records[i] = (struct load_record){
            .service = is_native ? zipf_pick(zipf, random) : service,
            .attributes = world->attributes,
            .is_error = random_chance(random, world->errors / 2),
            .noise = random_next(random),
        };
    }
    /* A cascade: what depends on one node fails with it; the rest of the batch goes on. */
    if (!random_chance(random, 0.5)) {
        return;
    }
    uint32_t root = zipf_pick(zipf, random);
    uint32_t failing = (uint32_t)((double)world->batch_records * world->errors);
    for (uint32_t i = 0, at = 0; i < world->services && at < failing; i++) {
        uint32_t candidate = (root + i) % world->services;
        if (!is_native || depends_on(candidate, root)) {
            records[at].service = is_native ? candidate : service;
            records[at++].is_error = true;
        }
    }
}

static void add_head(struct text *head, const struct load_world *world, uint32_t tenant,
                     size_t body_bytes) {
    const char *path = world->path != NULL ? world->path : protocols[world->protocol].path;
    text_add_format(head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n", path, world->host,
                    protocols[world->protocol].media_type);
    if (world->tenants > 1) {
        text_add_format(head, "X-Scope-OrgID: load-%u\r\n", tenant);
    }
    if (world->token != NULL) {
        text_add_format(head, "Authorization: Bearer %s\r\n", world->token);
    }
    text_add_format(head, "Content-Length: %zu\r\n\r\n", body_bytes);
}

/* Head and body in one piece, so that a send is one call. */
static struct status join_request(const struct load_world *world, uint32_t tenant,
                                  struct load_body *body, struct load_request *request) {
    char memory[HEAD_BYTES_MAX];
    struct text head = text_over(memory, sizeof(memory));
    add_head(&head, world, tenant, body->text.size);
    ASSERT(!body->text.truncated);
    request->bytes = malloc(head.size + body->text.size);
    if (request->bytes == NULL || head.truncated) {
        return status_of(head.truncated ? STATUS_INVALID : STATUS_FULL);
    }
    memcpy(request->bytes, head.data, head.size);
    memcpy(request->bytes + head.size, body->text.data, body->text.size);
    request->size = (uint32_t)(head.size + body->text.size);
    request->body_at = (uint32_t)head.size;
    request->records = world->batch_records;
    request->stamps_at = body->stamps_at;
    request->stamps_binary = protocols[world->protocol].stamps_binary;
    for (uint32_t i = 0; i < body->stamps_count; i++) {
        request->stamps_at[i] += request->body_at;
    }
    return status_ok();
}

struct workshop {
    struct zipf zipf;
    struct zipf tenants;
    struct random random;
    struct load_record *records;
    char *memory;
    size_t memory_bytes;
};

static struct status make_request(struct workshop *shop, const struct load_world *world,
                                  struct load_request *request) {
    struct load_body body = {.text = text_over(shop->memory, shop->memory_bytes)};
    body.stamps_at = calloc(world->batch_records, sizeof(uint32_t));
    if (body.stamps_at == NULL) {
        return status_of(STATUS_FULL);
    }
    make_records(world, &shop->zipf, &shop->random, shop->records);
    protocols[world->protocol].write(&body, shop->records, world->batch_records);
    ASSERT(body.stamps_count == world->batch_records);
    struct status status =
        join_request(world, zipf_pick(&shop->tenants, &shop->random), &body, request);
    if (!status_is_ok(status)) {
        free(body.stamps_at);
    }
    return status;
}

static struct status workshop_init(struct workshop *shop, const struct load_world *world) {
    *shop = (struct workshop){.random = {world->seed}};
    shop->memory_bytes =
        (size_t)world->batch_records * LOAD_RECORD_BYTES_MAX + LOAD_ENVELOPE_BYTES_MAX;
    shop->memory = malloc(shop->memory_bytes);
    shop->records = calloc(world->batch_records, sizeof(*shop->records));
    if (shop->memory == NULL || shop->records == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(zipf_init(&shop->zipf, world->services));
    return zipf_init(&shop->tenants,
                     world->tenants < ZIPF_RANKS_MAX ? world->tenants : ZIPF_RANKS_MAX);
}

static void workshop_deinit(struct workshop *shop) {
    zipf_deinit(&shop->zipf);
    zipf_deinit(&shop->tenants);
    free(shop->records);
    free(shop->memory);
}

struct status load_pool_init(struct load_pool *pool, const struct load_world *world,
                             struct fault *fault) {
    ASSERT(world->batch_records > 0 && world->batch_records <= LOAD_BATCH_RECORDS_MAX);
    ASSERT(world->attributes <= LOAD_ATTRIBUTES_MAX);
    *pool = (struct load_pool){0};
    struct workshop shop;
    struct status status = workshop_init(&shop, world);
    size_t bytes = 0;
    while (status_is_ok(status) && pool->count < LOAD_POOL_REQUESTS &&
           bytes < LOAD_POOL_BYTES_MAX) {
        status = make_request(&shop, world, &pool->requests[pool->count]);
        bytes += pool->requests[pool->count].size;
        pool->count += status_is_ok(status);
    }
    workshop_deinit(&shop);
    if (!status_is_ok(status)) {
        load_pool_deinit(pool);
        return fault_set(fault, status.code,
                         "the requests cannot be made (%s): shorten --token, or lower --batch",
                         status_name(status));
    }
    return status;
}

void load_pool_deinit(struct load_pool *pool) {
    for (uint32_t i = 0; i < pool->count; i++) {
        free(pool->requests[i].bytes);
        free(pool->requests[i].stamps_at);
    }
    *pool = (struct load_pool){0};
}

static void put_digits(char *at, uint64_t value) {
    for (int i = LOAD_STAMP_DIGITS - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void load_request_stamp(struct load_pool *pool, struct load_request *request, uint64_t now_ns) {
    uint64_t stamp_ns = now_ns > pool->stamp_ns_last ? now_ns : pool->stamp_ns_last + 1;
    for (uint32_t i = 0; i < request->records; i++, stamp_ns++) {
        if (request->stamps_binary) {
            memcpy(request->bytes + request->stamps_at[i], &stamp_ns, sizeof(stamp_ns));
        } else {
            put_digits(request->bytes + request->stamps_at[i], stamp_ns);
        }
    }
    pool->stamp_ns_last = stamp_ns;
}
