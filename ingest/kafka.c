/*
 * kafka.c - a Kafka source's thread: poll, decode, send, take back, commit; and its life.
 *
 * The thread sleeps in its loop. librdkafka writes to an eventfd when there is something to poll,
 * the shard wakes it with answers. While no batch is free, messages stay held; when that lasts, the
 * partitions are paused and polling goes on, so that the group keeps its member.
 */
#include "ingest/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/kafka_internal.h"

#define SOURCE_DECODE_BYTES (512 * MIB) /* address space: one message's strings and scratch */
#define IDLE_NS (100 * NS_PER_MS)
#define TICK_NS (500 * NS_PER_MS)
#define PAUSE_AFTER_NS (1 * NS_PER_S)
#define TELL_AGAIN_NS (60 * NS_PER_S)
#define STOP_NS_MAX (10 * NS_PER_S)
#define JOIN_NS_MAX (5 * NS_PER_S) /* at a stop: more than others' heartbeats are apart */
#define RENEW_NS_MIN (1 * NS_PER_S)
#define RENEW_NS_MAX (30 * NS_PER_S)

/* --- Trouble --- */

void kafka_tell_trouble(void *context, const char *words, bool is_refused) {
    struct kafka_source *source = context;
    uint64_t hash = hash64_of(slice_of_text(words), 0);
    uint64_t now = clock_monotonic_ns();
    source->is_refused = source->is_refused || is_refused;
    source_board_lock(source->options.board);
    struct text text = text_over(source->entry.words, sizeof(source->entry.words));
    text_add_text(&text, words);
    source_board_unlock(source->options.board);
    if (hash == source->told_hash && now - source->told_at_ns < TELL_AGAIN_NS) {
        return;
    }
    source->told_hash = hash;
    source->told_at_ns = now;
    log_write(source->options.logger, is_refused ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "kafka",
              "%.*s: %s", SLICE_PRINT(source->entry.name), words);
}

static const struct kafka_handler handler = {
    .on_assign = kafka_on_assign,
    .on_revoke = kafka_on_revoke,
    .on_gone = kafka_on_gone,
    .on_end = kafka_on_end,
    .on_trouble = kafka_tell_trouble,
};

/* --- Decoding what is held --- */

static void drop_held(struct kafka_source *source) {
    kafka_hold_release(source);
    for (uint32_t i = source->held_at; i < source->held_count; i++) {
        kafka_message_release(&source->held[i]);
    }
    source->held_at = 0;
    source->held_count = 0;
}

static void take_pins(struct kafka_source *source) {
    for (uint32_t i = 0; i < source->places_count; i++) {
        const struct kafka_place *place = &source->places[i];
        if (place->is_owned && place->wants_pin && !status_is_ok(kafka_take_pin(source, i))) {
            return; /* later */
        }
    }
}

/* As many as there is room for. */
static void take_held(struct kafka_source *source) {
    while (source->held_at < source->held_count) {
        if (!status_is_ok(kafka_hold_take(source, &source->held[source->held_at]))) {
            return;
        }
        source->held_at++;
        if (source->held_at % KAFKA_TURN_MAX == 0) {
            kafka_take_back(source);
            kafka_send(source);
        }
    }
    source->held_at = 0;
    source->held_count = 0;
}

static void settle_pause(struct kafka_source *source) {
    uint64_t now = clock_monotonic_ns();
    bool is_blocked = source->held_count > 0;
    if (!is_blocked) {
        source->blocked_since_ns = 0;
        if (source->is_paused) {
            kafka_hold_all(source, false);
        }
        return;
    }
    source->blocked_since_ns = source->blocked_since_ns == 0 ? now : source->blocked_since_ns;
    if (now - source->blocked_since_ns < PAUSE_AFTER_NS) {
        return;
    }
    if (!source->is_paused) {
        log_write(source->options.logger, LOG_LEVEL_WARNING, "kafka",
                  "%.*s: paused until events are taken again", SLICE_PRINT(source->entry.name));
    }
    kafka_hold_all(source, true);
}

/* true when there is more to poll at once. */
static bool poll_messages(struct kafka_source *source) {
    bool is_blocked = source->held_count > 0;
    if (is_blocked && !source->is_paused) {
        return false;
    }
    uint32_t room = KAFKA_HELD_MAX - source->held_count;
    uint32_t most = source->places_held > 0 ? KAFKA_POLL_HELD_MAX : KAFKA_POLL_MAX;
    uint32_t wanted = room < most ? room : most;
    if (wanted == 0) {
        return false;
    }
    source->now_ns = clock_wall_ns();
    uint32_t got = kafka_consumer_poll(source->consumer, source->held + source->held_count, wanted);
    source->held_count += got;
    return got > 0 && !is_blocked;
}

/* --- The consumer --- */

static struct status open_consumer(struct kafka_source *source,
                                   struct kafka_consumer **consumer_out, struct fault *fault) {
    char member[48];
    uint64_t hash = hash64_of(source->settings->name, source->options.hash_seed);
    (void)snprintf(member, sizeof(member), "quell-%016llx-%u", (unsigned long long)hash,
                   source->options.thread);
    struct kafka_consumer_options options = {
        .member = member,
        .settings = source->settings,
        .handler = &handler,
        .context = source,
        .logger = source->options.logger,
        .wake_fd = source->wake_fd,
    };
    return kafka_consumer_open(&options, consumer_out, fault);
}

/* The group may take another for this member: a second process with its name, or the member itself
 * from before its broker came back. librdkafka then gives the consumer up; a new one takes its
 * place, later each time, and reads on where the journal says. */
static void renew_dead_consumer(struct kafka_source *source, uint64_t now) {
    struct fault fault;
    struct kafka_consumer *next = NULL;
    if (now < source->renew_at_ns || !kafka_consumer_is_dead(source->consumer)) {
        return;
    }
    bool is_long_ago = now > source->renew_at_ns + 2 * RENEW_NS_MAX;
    uint64_t wait_ns = is_long_ago ? RENEW_NS_MIN : 2 * source->renew_wait_ns;
    source->renew_wait_ns = wait_ns < RENEW_NS_MAX ? wait_ns : RENEW_NS_MAX;
    source->renew_at_ns = now + source->renew_wait_ns;
    if (!status_is_ok(open_consumer(source, &next, &fault))) {
        kafka_tell_trouble(source, fault.words, false);
        return;
    }
    log_write(source->options.logger, LOG_LEVEL_WARNING, "kafka",
              "%.*s: the group knows this member no more, joining it anew",
              SLICE_PRINT(source->entry.name));
    drop_held(source);
    kafka_end_range(source);
    kafka_consumer_close(source->consumer);
    kafka_places_give_up(source);
    source->consumer = next;
}

/* --- Now and then --- */

static void tick(struct kafka_source *source) {
    uint64_t now = clock_monotonic_ns();
    if (now >= source->commit_at_ns && !kafka_consumer_is_joining(source->consumer)) {
        source->commit_at_ns = now + KAFKA_COMMIT_NS;
        kafka_commit(source, false);
    }
    if (now < source->tick_at_ns) {
        return;
    }
    source->tick_at_ns = now + TICK_NS;
    renew_dead_consumer(source, now);
    bool is_connected = kafka_consumer_is_connected(source->consumer) && !source->is_refused;
    source_board_lock(source->options.board);
    if (is_connected && !source->entry.is_connected) {
        log_write(source->options.logger, LOG_LEVEL_INFO, "kafka", "%.*s: connected",
                  SLICE_PRINT(source->entry.name));
        source->entry.words[0] = 0;
        source->told_hash = 0;
    }
    source->entry.is_connected = is_connected;
    source_board_unlock(source->options.board);
    kafka_places_show(source);
}

static void poll_letters(struct kafka_source *source) {
    if (source->letters != NULL) {
        kafka_producer_poll(source->letters);
    }
}

static bool run_once(struct kafka_source *source) {
    kafka_take_back(source);
    poll_letters(source);
    bool is_more = poll_messages(source);
    take_pins(source);
    kafka_hold_turn(source);
    take_held(source);
    kafka_send(source);
    settle_pause(source);
    tick(source);
    return is_more;
}

/* --- The thread --- */

static void on_wake(void *context) {
    struct kafka_source *source = context;
    struct config *config = atomic_exchange(&source->next_config, NULL);
    if (config != NULL) {
        config_release(source->config);
        source->config = config;
        kafka_intake_use_config(source);
    }
}

static void on_readable(void *context, int fd, unsigned events) {
    (void)context;
    (void)events;
    uint64_t ignored = 0;
    (void)!read(fd, &ignored, sizeof(ignored));
}

bool kafka_flush(struct kafka_source *source, uint64_t wait_ns_max) {
    uint64_t until = clock_monotonic_ns() + wait_ns_max;
    for (;;) {
        poll_letters(source);
        kafka_take_back(source);
        kafka_send(source);
        if (source->first == NULL && source->in_flight == NULL) {
            return true;
        }
        if (clock_monotonic_ns() >= until ||
            !status_is_ok(loop_run_once(source->loop, 10 * NS_PER_MS))) {
            return false;
        }
    }
}

static struct status open_on_thread(struct kafka_source *source) {
    struct loop_options loop_options = {.backend = source->config->io,
                                        .stats = source->options.stats};
    struct fault fault = {{0}};
    struct status status = loop_open(&loop_options, &source->loop, &fault);
    if (!status_is_ok(status)) {
        log_write(source->options.logger, LOG_LEVEL_ERROR, "kafka", "%s", fault.words);
        return status;
    }
    TRY(loop_waker_open(source->loop, on_wake, source, &source->waker));
    atomic_store(&source->options.gate->source_waker, source->waker);
    return loop_watch(source->loop, source->wake_fd, LOOP_READABLE, on_readable, source);
}

/* Else the last commit would be refused, and whoever has the partitions next begin before it. */
static void wait_for_join(struct kafka_source *source) {
    uint64_t until = clock_monotonic_ns() + JOIN_NS_MAX;
    while (kafka_consumer_is_joining(source->consumer) && clock_monotonic_ns() < until &&
           status_is_ok(loop_run_once(source->loop, 10 * NS_PER_MS))) {
    }
}

/* What was decoded becomes durable; what was only polled is read again by whoever comes next. */
static void finish(struct kafka_source *source) {
    drop_held(source);
    if (!kafka_flush(source, STOP_NS_MAX)) {
        log_write(source->options.logger, LOG_LEVEL_WARNING, "kafka",
                  "%.*s: stopped before the last batch was durable: it is read again at the next "
                  "start",
                  SLICE_PRINT(source->entry.name));
    }
    if (source->entry.is_connected) {
        wait_for_join(source);
        kafka_commit(source, true);
    }
    kafka_consumer_close(source->consumer);
    source->consumer = NULL;
    /* The shard may still hold the batch; its memory stays until it has let it go. */
    while (source->in_flight != NULL && status_is_ok(loop_run_once(source->loop, IDLE_NS))) {
        kafka_take_back(source);
    }
}

struct status kafka_source_run(struct kafka_source *source) {
    TRY(open_on_thread(source));
    struct status status = status_ok();
    bool is_more = true;
    while (status_is_ok(status) && !atomic_load(&source->is_stopping)) {
        status = loop_run_once(source->loop, is_more ? 0 : IDLE_NS);
        is_more = run_once(source);
    }
    finish(source);
    return status;
}

/* --- Life --- */

static struct status make_memory(struct kafka_source *source) {
    size_t bytes = (KAFKA_BATCHES + 1) * (size_t)BATCH_BYTES_MAX + 64 * MIB;
    TRY(arena_init(&source->arena, bytes));
    TRY(arena_init(&source->decode_arena, SOURCE_DECODE_BYTES));
    source->places = ARENA_ARRAY(&source->arena, struct kafka_place, KAFKA_PARTITIONS_MAX);
    source->held = ARENA_ARRAY(&source->arena, struct kafka_message, KAFKA_HELD_MAX);
    source->kept = ARENA_ARRAY(&source->arena, struct kafka_message, KAFKA_KEPT_MAX);
    source->listed = ARENA_ARRAY(&source->arena, struct kafka_partition, KAFKA_PARTITIONS_MAX);
    source->batches = ARENA_ARRAY(&source->arena, struct kafka_batch, KAFKA_BATCHES);
    source->patterns = ARENA_ARRAY(&source->arena, regex_t, source->settings->topics_count);
    source->entry.partitions =
        ARENA_ARRAY(&source->arena, struct source_partition, KAFKA_PARTITIONS_MAX);
    source->entry.partitions_max = KAFKA_PARTITIONS_MAX;
    void *scratch = arena_allocate(&source->arena, BATCH_BYTES_MAX, 64);
    TRY(rates_init(&source->rates, &source->arena));
    if (source->places == NULL || source->held == NULL || source->kept == NULL ||
        source->listed == NULL || source->batches == NULL || source->patterns == NULL ||
        source->entry.partitions == NULL || scratch == NULL) {
        return status_of(STATUS_FULL);
    }
    batch_init(&source->scratch, scratch, BATCH_BYTES_MAX);
    kafka_intake_init(source);
    for (uint32_t i = 0; i < KAFKA_BATCHES; i++) {
        void *memory = arena_allocate(&source->arena, BATCH_BYTES_MAX, 64);
        if (memory == NULL) {
            return status_of(STATUS_FULL);
        }
        batch_init(&source->batches[i].batch, memory, BATCH_BYTES_MAX);
        source->batches[i].next = source->free;
        source->free = &source->batches[i];
    }
    return table_init(&source->numbers, KAFKA_PARTITIONS_MAX, &source->arena);
}

static void compile_patterns(struct kafka_source *source) {
    for (uint32_t i = 0; i < source->settings->topics_count; i++) {
        char pattern[STREAM_TOPIC_BYTES_MAX + 1];
        struct slice name = source->settings->topics[i].name;
        if (name.data[0] == '^') {
            (void)snprintf(pattern, sizeof(pattern), "%.*s", SLICE_PRINT(name));
            /* The configuration was checked for it. */
            ASSERT(regcomp(&source->patterns[i], pattern, REG_EXTENDED | REG_NOSUB) == 0);
        }
    }
}

static struct status open_wake(struct kafka_source *source, struct fault *fault) {
    source->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return source->wake_fd >= 0 ? status_ok()
                                : fault_set(fault, STATUS_IO, "no eventfd for a Kafka source");
}

struct status kafka_source_open(const struct kafka_source_options *options,
                                struct kafka_source **source_out, struct fault *fault) {
    ASSERT(options->number < options->config->kafkas_count && options->is_ready != NULL);
    struct kafka_source *source = calloc(1, sizeof(*source));
    if (source == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a Kafka source");
    }
    source->options = *options;
    source->wake_fd = -1;
    source->config = options->config;
    source->first_config = options->config;
    config_acquire(source->config);
    config_acquire(source->first_config);
    source->settings = &options->config->kafkas[options->number];
    (void)snprintf(source->label, sizeof(source->label), options->thread == 0 ? "%.*s" : "%.*s/%u",
                   SLICE_PRINT(source->settings->name), options->thread);
    source->entry.name = slice_of_text(source->label);
    /* Beside commits, so that another quell of the group is told from this one. */
    (void)snprintf(source->instance, sizeof(source->instance), "quell:%016llx",
                   (unsigned long long)hash64_of(SLICE("kafka instance"), options->hash_seed));
    struct status status = make_memory(source);
    if (!status_is_ok(status)) {
        status = fault_set(fault, status.code, "no memory for a Kafka source");
    } else {
        compile_patterns(source);
        status = open_wake(source, fault);
        status = status_is_ok(status) ? open_consumer(source, &source->consumer, fault) : status;
        status = status_is_ok(status) ? kafka_letters_open(source, fault) : status;
    }
    if (!status_is_ok(status)) {
        kafka_source_close(source);
        return status;
    }
    source_board_add(options->board, &source->entry);
    *source_out = source;
    return status_ok();
}

static void wake(struct kafka_source *source) {
    struct loop_waker *waker = atomic_load(&source->options.gate->source_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void kafka_source_stop(struct kafka_source *source) {
    atomic_store(&source->is_stopping, true);
    wake(source);
}

void kafka_source_reconfigure(struct kafka_source *source, struct config *config) {
    config_acquire(config);
    config_release(atomic_exchange(&source->next_config, config));
    wake(source);
}

void kafka_source_close(struct kafka_source *source) {
    if (source == NULL) {
        return;
    }
    source_board_remove(source->options.board, &source->entry);
    drop_held(source);
    kafka_consumer_close(source->consumer);
    kafka_producer_close(source->letters);
    loop_close(source->loop);
    if (source->wake_fd >= 0) {
        close(source->wake_fd);
    }
    for (uint32_t i = 0; source->patterns != NULL && i < source->settings->topics_count; i++) {
        if (source->settings->topics[i].name.data[0] == '^') {
            regfree(&source->patterns[i]);
        }
    }
    arena_deinit(&source->decode_arena);
    arena_deinit(&source->arena);
    config_release(atomic_exchange(&source->next_config, NULL));
    config_release(source->config);
    config_release(source->first_config);
    free(source);
}
