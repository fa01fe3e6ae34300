/* load_kafka.c - see load_kafka.h. */
#include "bench/load_kafka.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/kafka_producer.h"

struct flight {
    uint64_t due_ns;
    uint32_t records;
    uint32_t bytes;
    struct flight *next; /* free ones */
};

struct load_kafka {
    struct load_kafka_options options;
    struct kafka_producer *producer;
    int wake_fd;
    uint32_t under_way;
    uint64_t bytes_under_way;
    struct flight *free;
    struct flight flights[LOAD_KAFKA_MESSAGES_MAX];
};

static void tell(struct load_kafka *way, struct flight *flight, enum load_fate fate,
                 const char *words) {
    uint64_t now_ns = clock_monotonic_ns();
    struct load_outcome outcome = {
        .fate = fate,
        .records_accepted = fate == LOAD_ACCEPTED ? flight->records : 0,
        .latency_ns = now_ns > flight->due_ns ? now_ns - flight->due_ns : 0,
        .words = fate == LOAD_ACCEPTED ? NULL : words,
    };
    way->under_way--;
    way->bytes_under_way -= flight->bytes;
    flight->next = way->free;
    way->free = flight;
    way->options.on_outcome(way->options.owner, &outcome);
}

/* A message that has failed has waited for its whole time limit. */
static void on_outcome(void *context, void *opaque, enum kafka_outcome outcome, const char *words) {
    static const enum load_fate fates[] = {[KAFKA_OUTCOME_DELIVERED] = LOAD_ACCEPTED,
                                           [KAFKA_OUTCOME_FAILED] = LOAD_TIMED_OUT,
                                           [KAFKA_OUTCOME_REFUSED] = LOAD_REJECTED};
    tell(context, opaque, fates[outcome], words);
}

static bool has_room(void *context) {
    const struct load_kafka *way = context;
    return way->free != NULL && way->bytes_under_way < LOAD_KAFKA_BYTES_MAX;
}

static uint32_t under_way(const void *context) {
    const struct load_kafka *way = context;
    return way->under_way;
}

/* A field's value in a request's head; empty when it is not there. */
static struct slice find_field(struct slice head, struct slice name) {
    const uint8_t *at = head.size == 0 ? NULL : memmem(head.data, head.size, name.data, name.size);
    if (at == NULL) {
        return slice_of(NULL, 0);
    }
    struct slice rest = slice_tail(head, (size_t)(at - head.data) + name.size);
    return slice_head(rest, slice_find_byte(rest, '\r'));
}

/* The request as a message; its slices are the request's. */
static struct kafka_record make_record(const struct load_kafka *way, struct slice bytes,
                                       struct kafka_header headers[2]) {
    const uint8_t *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);
    struct slice head =
        end == NULL ? slice_of(NULL, 0) : slice_of(bytes.data, (size_t)(end - bytes.data) + 2);
    struct kafka_record record = {
        .topic = way->options.topic,
        .value = slice_tail(bytes, end == NULL ? 0 : head.size + 2),
        .headers = headers,
    };
    struct slice type = find_field(head, SLICE("\r\nContent-Type: "));
    struct slice tenant = find_field(head, SLICE("\r\nX-Scope-OrgID: "));
    if (type.size > 0) {
        headers[record.headers_count++] = (struct kafka_header){SLICE("content-type"), type};
    }
    if (tenant.size > 0) {
        headers[record.headers_count++] = (struct kafka_header){SLICE("tenant"), tenant};
    }
    return record;
}

static void send_request(void *context, struct slice bytes, uint32_t records, uint64_t due_ns) {
    struct load_kafka *way = context;
    struct flight *flight = way->free;
    struct kafka_header headers[2];
    struct kafka_record record = make_record(way, bytes, headers);
    ASSERT(flight != NULL);
    way->free = flight->next;
    way->under_way++;
    way->bytes_under_way += record.value.size;
    *flight =
        (struct flight){.due_ns = due_ns, .records = records, .bytes = (uint32_t)record.value.size};
    record.opaque = flight;
    struct fault fault = {{0}};
    struct status status = kafka_producer_send(way->producer, &record, &fault);
    if (!status_is_ok(status)) {
        enum load_fate fate = status.code == STATUS_INVALID ? LOAD_REJECTED : LOAD_REFUSED;
        tell(way, flight, fate,
             status.code == STATUS_FULL ? "too much is on its way" : fault.words);
    }
}

static void poll_way(void *context, uint64_t wait_ns) {
    struct load_kafka *way = context;
    struct pollfd watched = {.fd = way->wake_fd, .events = POLLIN};
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                            .tv_nsec = (long)(wait_ns % NS_PER_S)};
    uint64_t ignored = 0;
    if (ppoll(&watched, 1, &wait, NULL) > 0) {
        (void)!read(way->wake_fd, &ignored, sizeof(ignored));
    }
    kafka_producer_poll(way->producer);
}

static void close_way(void *context) {
    struct load_kafka *way = context;
    if (way == NULL) {
        return;
    }
    kafka_producer_close(way->producer);
    if (way->wake_fd >= 0) {
        close(way->wake_fd);
    }
    free(way);
}

const struct load_way load_kafka_way = {
    .has_room = has_room,
    .send = send_request,
    .poll = poll_way,
    .under_way = under_way,
    .close = close_way,
};

static struct status open_producer(struct load_kafka *way, struct fault *fault) {
    const struct load_kafka_options *options = &way->options;
    struct kafka_producer_options producer = {
        .brokers = options->brokers,
        .properties = options->properties,
        .properties_count = options->properties_count,
        .timeout_ns = options->timeout_ns,
        .on_outcome = on_outcome,
        .context = way,
        .wake_fd = way->wake_fd,
    };
    if (way->wake_fd < 0) {
        return fault_set(fault, STATUS_IO, "no eventfd for a Kafka producer");
    }
    TRY(kafka_producer_open(&producer, &way->producer, fault));
    return kafka_producer_find_topic(way->producer, options->topic, options->timeout_ns, fault);
}

struct status load_kafka_open(const struct load_kafka_options *options, void **way_out,
                              struct fault *fault) {
    struct load_kafka *way = calloc(1, sizeof(*way));
    if (way == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a Kafka producer");
    }
    way->options = *options;
    way->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (uint32_t i = 0; i < LOAD_KAFKA_MESSAGES_MAX; i++) {
        way->flights[i].next = way->free;
        way->free = &way->flights[i];
    }
    struct status status = open_producer(way, fault);
    if (!status_is_ok(status)) {
        close_way(way);
        return status;
    }
    *way_out = way;
    return status_ok();
}
