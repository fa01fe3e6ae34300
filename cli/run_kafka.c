/* run_kafka.c - see run_kafka.h. */
#include "cli/run_kafka.h"

#include "core/base/assert.h"

static void *kafka_main(void *context) {
    struct kafka_thread *thread = context;
    struct status status = kafka_source_run(thread->source);
    if (!status_is_ok(status)) {
        ended_threads_add(thread->ended, "kafka", status, "");
    }
    return NULL;
}

uint32_t kafka_threads_wanted(const struct config *config) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->kafkas_count; i++) {
        count += config->kafkas[i].threads;
    }
    return count;
}

struct status kafka_threads_open(struct kafka_threads *threads,
                                 const struct kafka_source_options *options, struct fault *fault) {
    ASSERT(threads->count < KAFKA_THREADS_MAX);
    struct kafka_thread *thread = &threads->items[threads->count];
    TRY(kafka_source_open(options, &thread->source, fault));
    thread->ended = threads->ended;
    threads->count++;
    int error = pthread_create(&thread->thread, NULL, kafka_main, thread);
    if (error != 0) {
        return fault_set(fault, STATUS_IO, "cannot start a thread: %s", strerror(error));
    }
    thread->is_running = true;
    return status_ok();
}

void kafka_threads_reconfigure(struct kafka_threads *threads, struct config *config,
                               const struct config *before, const struct logger *logger) {
    if (!config_kafkas_are_equal(config, before)) {
        log_write(logger, LOG_LEVEL_WARNING, "config",
                  "[[kafka]] is not what it was: that counts from the next start on");
    }
    for (uint32_t i = 0; i < threads->count; i++) {
        kafka_source_reconfigure(threads->items[i].source, config);
    }
}

void kafka_threads_stop(struct kafka_threads *threads) {
    for (uint32_t i = 0; i < threads->count; i++) {
        kafka_source_stop(threads->items[i].source);
    }
    for (uint32_t i = 0; i < threads->count; i++) {
        if (threads->items[i].is_running) {
            pthread_join(threads->items[i].thread, NULL);
        }
    }
}

void kafka_threads_close(struct kafka_threads *threads) {
    for (uint32_t i = 0; i < threads->count; i++) {
        kafka_source_close(threads->items[i].source);
    }
}
