/*
 * kafka_sink.c - incidents to a Kafka topic, by an idempotent producer.
 *
 * A record: key "tenant/inc_...", so that an incident's records stay in order in one partition and
 * a compacted topic keeps its latest state; value the incident (schemas/incident.schema.json);
 * headers content-type, quell-type ("incident.opened|updated|resolved"), quell-tenant and
 * quell-message-id, which is the same over retries and restarts.
 *
 * The producer is made with the first message and kept. What a broker may do later is retried by
 * the host; only a record that is too large or not valid is given up. Thread: the sinks';
 * librdkafka's threads call may_connect.
 */
#include "sinks/kafka_sink.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/kafka_conf.h"
#include "core/kafka_producer.h"
#include "core/loop.h"
#include "sinks/guard.h"

enum { WORDS_BYTES_MAX = 512, HEADERS = 4 };

struct kafka_sink {
    struct slice brokers;
    struct slice topic;
    struct config_setting *properties;
    uint32_t properties_count;
    uint64_t timeout_ns;
    struct kafka_producer *producer; /* NULL until the first message */
    int wake_fd;
    _Atomic enum sink_addresses addresses;
    _Atomic(const char *)
        refusal;         /* why no broker may be gone to; NULL: one may, or none was tried */
    atomic_bool was_let; /* to one of them, under these `addresses` */
    /* The attempt. */
    uintptr_t attempt; /* the number of it, which comes back with the outcome */
    struct sink_watcher *watcher;
    bool is_settled;
    enum sink_verdict verdict;
    char words[WORDS_BYTES_MAX];
};

static const char *const setting_names[] = {"brokers", "topic", "properties", NULL};

/* --- Settings --- */

/* librdkafka would ask it by itself, past sinks/guard.h. */
static struct status check_property(const struct config_setting *property, struct fault *fault) {
    if (slice_equals(property->key, SLICE("sasl.oauthbearer.token.endpoint.url"))) {
        return fault_set(fault, STATUS_INVALID,
                         "not allowed in a sink: it may lead into private networks");
    }
    return kafka_property_check(property->key, property->value, fault);
}

static struct status read_properties(const struct config_sink *config, struct arena *arena,
                                     struct kafka_sink *sink, struct fault *fault) {
    const struct slice prefix = SLICE("properties.");
    sink->properties = ARENA_ARRAY(arena, struct config_setting, config->settings_count + 1);
    if (sink->properties == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    struct status status = status_ok();
    for (uint32_t i = 0; i < config->settings_count; i++) {
        struct slice key = config->settings[i].key;
        if (!slice_starts_with(key, prefix)) {
            continue;
        }
        struct fault reason = {{0}};
        struct fault one = {{0}};
        struct config_setting property = config->settings[i];
        property.key = slice_tail(key, prefix.size);
        struct status next = check_property(&property, &reason);
        if (!status_is_ok(next)) {
            fault_write(&one, "%.*s: %s", SLICE_PRINT(key), reason.words);
            status = fault_join(fault, status, next, &one);
        }
        sink->properties[sink->properties_count++] = property;
    }
    return status;
}

/* A list comes joined by blanks; librdkafka wants commas. */
static struct status read_brokers(struct slice value, struct arena *arena,
                                  struct slice *brokers_out) {
    char *copy = arena_allocate(arena, value.size + 1, 1);
    if (copy == NULL) {
        return status_of(STATUS_FULL);
    }
    for (size_t i = 0; i < value.size; i++) {
        copy[i] = (char)(value.data[i] == ' ' ? ',' : value.data[i]);
    }
    *brokers_out = slice_of(copy, value.size);
    return status_ok();
}

static bool is_topic(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        bool is_sound = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
        if (!is_sound) {
            return false;
        }
    }
    return name.size > 0 && name.size <= STREAM_TOPIC_BYTES_MAX;
}

static struct status kafka_open(const struct config_sink *config, struct arena *arena,
                                void **state_out, struct fault *fault) {
    struct kafka_sink *sink = ARENA_NEW(arena, struct kafka_sink);
    if (sink == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a sink");
    }
    sink->wake_fd = -1;
    TRY(read_brokers(sink_setting_find(config, "brokers"), arena, &sink->brokers));
    sink->topic = sink_setting_find(config, "topic");
    sink->timeout_ns = 15 * NS_PER_S;
    struct slice timeout = sink_setting_find(config, "timeout"); /* checked by the host */
    if (timeout.size > 0 && !status_is_ok(text_parse_duration(timeout, &sink->timeout_ns))) {
        sink->timeout_ns = 15 * NS_PER_S;
    }
    struct fault one;
    struct status status = status_ok();
    if (sink->brokers.size == 0) {
        status = fault_set(fault, STATUS_INVALID, "brokers = \"host:port,...\" is missing");
    }
    if (!is_topic(sink->topic)) {
        struct status next =
            fault_set(&one, STATUS_INVALID, "topic = \"...\" of a-z A-Z 0-9 . _ - is missing");
        status = fault_join(fault, status, next, &one);
    }
    struct status next = read_properties(config, arena, sink, &one);
    TRY(fault_join(fault, status, next, &one));
    *state_out = sink;
    return status_ok();
}

/* --- The producer --- */

static void on_outcome(void *context, void *opaque, enum kafka_outcome outcome, const char *words) {
    struct kafka_sink *sink = context;
    if (sink->watcher == NULL || (uintptr_t)opaque != sink->attempt) {
        return; /* of an attempt that was cancelled */
    }
    sink->is_settled = true;
    sink->verdict = outcome == KAFKA_OUTCOME_DELIVERED ? SINK_DELIVERED
                    : outcome == KAFKA_OUTCOME_REFUSED ? SINK_GIVE_UP
                                                       : SINK_RETRY;
    struct text text = text_over(sink->words, sizeof(sink->words));
    text_add_text(&text, words);
}

/* On a thread of librdkafka, which has no words for a refusal ("Permission denied"), and asks again
 * until the message's time is over: the attempt is ended from here, unless another broker is let.
 */
static bool may_connect(void *context, const struct sockaddr *address) {
    struct kafka_sink *sink = context;
    const char *refusal = guard_words(atomic_load(&sink->addresses), address);
    const uint64_t one = 1;
    if (refusal == NULL) {
        atomic_store(&sink->was_let, true);
        atomic_store(&sink->refusal, NULL);
    } else if (!atomic_load(&sink->was_let)) {
        atomic_store(&sink->refusal, refusal);
        (void)!write(sink->wake_fd, &one, sizeof(one));
    }
    return refusal == NULL;
}

/* A reload may have changed where sinks may go: what was refused then is tried again. */
static void take_addresses(struct kafka_sink *sink, enum sink_addresses addresses) {
    if (atomic_exchange(&sink->addresses, addresses) != addresses) {
        atomic_store(&sink->was_let, false);
        atomic_store(&sink->refusal, NULL);
    }
}

/* Somewhat earlier than the host gives up, so that the words say why: librdkafka looks once a
 * second whose time is over. */
static uint64_t before_the_host(uint64_t timeout_ns) {
    uint64_t early_ns = 1500 * NS_PER_MS;
    return timeout_ns > 2 * early_ns ? timeout_ns - early_ns : timeout_ns / 2;
}

static struct status want_producer(struct kafka_sink *sink, struct fault *fault) {
    if (sink->producer != NULL && kafka_producer_is_broken(sink->producer)) {
        kafka_producer_close(sink->producer);
        sink->producer = NULL;
    }
    if (sink->producer != NULL) {
        return status_ok();
    }
    if (sink->wake_fd < 0) {
        sink->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (sink->wake_fd < 0) {
        return fault_set(fault, STATUS_IO, "no eventfd");
    }
    struct kafka_producer_options options = {
        .brokers = sink->brokers,
        .properties = sink->properties,
        .properties_count = sink->properties_count,
        .timeout_ns = before_the_host(sink->timeout_ns),
        .on_outcome = on_outcome,
        .may_connect = may_connect,
        .context = sink,
        .wake_fd = sink->wake_fd,
    };
    return kafka_producer_open(&options, &sink->producer, fault);
}

/* --- One message --- */

static void finish(struct kafka_sink *sink, enum sink_verdict verdict, const char *words) {
    struct sink_watcher *watcher = sink->watcher;
    sink->watcher = NULL;
    (void)!status_is_ok(watcher->watch(watcher, sink->wake_fd, 0, NULL, NULL));
    watcher->finish(watcher, verdict, slice_of_text(verdict == SINK_DELIVERED ? "" : words));
}

static void on_ready(void *context) {
    struct kafka_sink *sink = context;
    uint64_t ignored = 0;
    (void)!read(sink->wake_fd, &ignored, sizeof(ignored));
    kafka_producer_poll(sink->producer);
    const char *refusal = atomic_load(&sink->refusal);
    if (sink->is_settled) {
        finish(sink, sink->verdict, sink->words);
    } else if (refusal != NULL) {
        finish(sink, SINK_RETRY, refusal);
        kafka_producer_purge(sink->producer, false);
    }
}

static struct status send_record(struct kafka_sink *sink, const struct outbox_message *message,
                                 struct fault *fault) {
    char key_memory[TENANT_BYTES_MAX + 40];
    char id_memory[40];
    char type_memory[40];
    struct text key = text_over(key_memory, sizeof(key_memory));
    struct text id = text_over(id_memory, sizeof(id_memory));
    struct text type = text_over(type_memory, sizeof(type_memory));
    text_add(&key, message->tenant);
    text_add_text(&key, "/inc_");
    text_add_base32(&key, message->incident_id);
    text_add_text(&id, "msg_");
    text_add_base32(&id, message->message_id);
    text_add_text(&type, "incident.");
    text_add(&type, outbox_type_word(message->type));
    const struct kafka_header headers[HEADERS] = {
        {SLICE("content-type"), SLICE("application/json")},
        {SLICE("quell-type"), text_slice(&type)},
        {SLICE("quell-tenant"), message->tenant},
        {SLICE("quell-message-id"), text_slice(&id)},
    };
    struct kafka_record record = {
        .topic = sink->topic,
        .key = text_slice(&key),
        .value = message->payload,
        .headers = headers,
        .headers_count = HEADERS,
        .opaque = (void *)++sink->attempt,
    };
    return kafka_producer_send(sink->producer, &record, fault);
}

static void kafka_start(void *context, const struct sink_delivery *delivery, struct arena *arena,
                        struct sink_watcher *watcher) {
    struct kafka_sink *sink = context;
    struct fault fault = {{0}};
    (void)arena;
    ASSERT(sink->watcher == NULL);
    sink->watcher = watcher;
    sink->is_settled = false;
    take_addresses(sink, watcher->addresses);
    struct status status = want_producer(sink, &fault);
    if (status_is_ok(status)) {
        status = watcher->watch(watcher, sink->wake_fd, LOOP_READABLE, on_ready, sink);
        (void)snprintf(fault.words, sizeof(fault.words), "too many descriptors are watched");
    }
    if (!status_is_ok(status)) {
        finish(sink, SINK_RETRY, fault.words);
        return;
    }
    const char *refusal = atomic_load(&sink->refusal);
    if (refusal != NULL) { /* since the attempt before: librdkafka goes on trying by itself */
        finish(sink, SINK_RETRY, refusal);
        return;
    }
    status = send_record(sink, &delivery->message, &fault);
    if (!status_is_ok(status)) {
        finish(sink, status.code == STATUS_INVALID ? SINK_GIVE_UP : SINK_RETRY,
               status.code == STATUS_FULL ? "the producer's queue is full" : fault.words);
    }
}

static void kafka_cancel(void *context) {
    struct kafka_sink *sink = context;
    if (sink->watcher != NULL) {
        (void)!status_is_ok(sink->watcher->watch(sink->watcher, sink->wake_fd, 0, NULL, NULL));
        sink->watcher = NULL;
        kafka_producer_purge(sink->producer, false);
    }
}

static void kafka_close(void *context) {
    struct kafka_sink *sink = context;
    kafka_producer_close(sink->producer);
    sink->producer = NULL;
    if (sink->wake_fd >= 0) {
        close(sink->wake_fd);
        sink->wake_fd = -1;
    }
}

const struct sink_type sink_kafka_type = {
    .abi_version = SINK_ABI_VERSION,
    .name = "kafka",
    .setting_names = setting_names,
    .open = kafka_open,
    .close = kafka_close,
    .start = kafka_start,
    .cancel = kafka_cancel,
};
