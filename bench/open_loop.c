/* open_loop.c - see open_loop.h: the schedule. */
#include "bench/open_loop.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "bench/load_client.h"
#include "bench/load_file.h"
#include "bench/load_process.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"

#define PROGRESS_NS (500ULL * 1000 * 1000)
#define GRACE_NS (250ULL * 1000 * 1000)
#define POLL_NS_MAX (10ULL * 1000 * 1000)
/* Below this the kernel's timer is too coarse: look again at once. */
#define SPIN_NS (60ULL * 1000)

struct run {
    const struct open_loop_options *options;
    struct load_report *report;
    const struct load_way *way;
    void *client; /* of the way */
    struct load_pool pool;
    struct load_file record;
    struct load_file replay;
    struct random random;
    struct load_request *request_last;
    struct load_file_entry entry; /* of the replay: what comes next */
    bool has_entry;
    struct status replay_status; /* of the last read: END after the last request */
    bool is_over;
    uint64_t start_ns;
    uint64_t sent_count;
    uint64_t shown_ns;
    uint64_t shown_records;
};

static void take_outcome(void *owner, const struct load_outcome *outcome) {
    struct run *run = owner;
    load_report_add(run->report, outcome);
}

/* When the next request is due, since the start; sets `is_over` after the last. */
static uint64_t next_due_ns(struct run *run, uint64_t now_ns) {
    const struct open_loop_options *options = run->options;
    uint64_t due_ns = now_ns;
    if (options->replay_path != NULL) {
        if (!run->has_entry) {
            run->replay_status = load_file_next(&run->replay, &run->entry);
            run->has_entry = status_is_ok(run->replay_status);
        }
        run->is_over = run->is_over || !run->has_entry;
        return run->entry.due_ns;
    }
    if (options->records_per_second > 0) {
        double interval_ns = 1e9 * options->world.batch_records / options->records_per_second;
        due_ns = (uint64_t)((double)run->sent_count * interval_ns);
    }
    /* Also when nothing more is due: what is taken in a second is counted by a whole one. */
    run->is_over =
        run->is_over || (due_ns >= options->duration_ns && now_ns >= options->duration_ns);
    return due_ns;
}

static struct load_file_entry make_entry(struct run *run, uint64_t due_ns) {
    if (run->options->replay_path != NULL) {
        run->has_entry = false;
        return run->entry;
    }
    struct load_request *request = run->request_last;
    if (request == NULL || !random_chance(&run->random, run->options->duplicates)) {
        request = &run->pool.requests[random_below(&run->random, run->pool.count)];
        load_request_stamp(&run->pool, request, clock_wall_ns());
        run->request_last = request;
    }
    return (struct load_file_entry){due_ns, request->records,
                                    slice_of(request->bytes, request->size)};
}

static void send_one(struct run *run, uint64_t due_ns) {
    struct load_file_entry entry = make_entry(run, due_ns);
    if (run->record.file != NULL) {
        load_file_add(&run->record, &entry);
    }
    run->way->send(run->client, entry.bytes, entry.records, run->start_ns + due_ns);
    run->sent_count++;
    run->report->requests_sent++;
    run->report->bytes_sent += entry.bytes.size;
}

/* Sends what is due; returns how long nothing will be. */
static uint64_t send_due(struct run *run) {
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns() - run->start_ns;
        uint64_t due_ns = next_due_ns(run, now_ns);
        if (run->is_over || !run->way->has_room(run->client)) {
            return POLL_NS_MAX;
        }
        if (due_ns > now_ns) {
            uint64_t wait_ns = due_ns - now_ns;
            return wait_ns < SPIN_NS ? 0 : wait_ns < POLL_NS_MAX ? wait_ns : POLL_NS_MAX;
        }
        send_one(run, due_ns);
    }
}

static bool is_interrupted(void) {
    sigset_t set;
    struct timespec none = {0};
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    return sigtimedwait(&set, NULL, &none) == SIGINT;
}

static void tick(struct run *run) {
    uint64_t now_ns = clock_monotonic_ns() - run->start_ns;
    run->report->took_ns = now_ns;
    if (now_ns - run->shown_ns < PROGRESS_NS) {
        return;
    }
    run->is_over = run->is_over || is_interrupted();
    if (run->options->shows_progress) {
        char memory[256];
        struct text line = text_over(memory, sizeof(memory));
        load_report_add_progress(&line, run->report, run->shown_records, now_ns - run->shown_ns);
        (void)fprintf(stderr, "\r%s\033[K", line.data);
    }
    run->shown_ns = now_ns;
    run->shown_records = run->report->records_accepted;
}

/* What was due until the end and found no connection: it waited at least until now. */
static void count_unsent(struct run *run) {
    const struct open_loop_options *options = run->options;
    if (options->replay_path != NULL || options->records_per_second <= 0) {
        return;
    }
    double interval_ns = 1e9 * options->world.batch_records / options->records_per_second;
    uint64_t end_ns =
        run->report->took_ns < options->duration_ns ? run->report->took_ns : options->duration_ns;
    for (uint64_t at = run->sent_count; (double)at * interval_ns < (double)end_ns; at++) {
        run->report->requests_unsent++;
        histogram_add(&run->report->latency_ns, end_ns - (uint64_t)((double)at * interval_ns));
    }
}

/* Every connection stands before the clock starts; else the first requests are late for nothing. */
static void wait_for_connections(struct run *run) {
    uint64_t start_ns = clock_monotonic_ns();
    while (!run->way->has_room(run->client) &&
           clock_monotonic_ns() - start_ns < run->options->timeout_ns) {
        run->way->poll(run->client, POLL_NS_MAX);
    }
    for (unsigned i = 0; i < 10; i++) {
        run->way->poll(run->client, NS_PER_MS);
    }
}

static void drive(struct run *run) {
    wait_for_connections(run);
    run->start_ns = clock_monotonic_ns();
    /* What is behind at the end gets a little more time; a server that is too slow does not. */
    uint64_t end_ns =
        run->options->replay_path != NULL ? UINT64_MAX : run->options->duration_ns + GRACE_NS;
    while (!run->is_over) {
        run->way->poll(run->client, send_due(run));
        tick(run);
        run->is_over = run->is_over || run->report->took_ns >= end_ns;
    }
    count_unsent(run);
    while (run->way->under_way(run->client) > 0) {
        run->way->poll(run->client, POLL_NS_MAX);
        tick(run);
    }
    run->report->took_ns = clock_monotonic_ns() - run->start_ns;
    if (run->options->shows_progress) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

static void measure(struct run *run) {
    struct load_server *server = &run->report->server;
    server->pid = run->options->server_pid;
    struct load_usage before = load_process_read(server->pid);
    drive(run);
    struct load_usage after = load_process_read(server->pid);
    server->cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    server->resident_bytes_max = after.resident_bytes_max;
}

static struct status open_way(struct run *run, struct fault *fault) {
    const struct open_loop_options *options = run->options;
    if (options->kafka.brokers.size > 0) {
        struct load_kafka_options kafka = options->kafka;
        kafka.timeout_ns = options->timeout_ns;
        kafka.on_outcome = take_outcome;
        kafka.owner = run;
        run->way = &load_kafka_way;
        return load_kafka_open(&kafka, &run->client, fault);
    }
    struct load_client_options client = {
        .address = options->address,
        .connections = options->connections,
        .timeout_ns = options->timeout_ns,
        .on_outcome = take_outcome,
        .owner = run,
    };
    run->way = &load_client_way;
    return load_client_open(&client, &run->client, fault);
}

static struct status open_parts(struct run *run, struct fault *fault) {
    const struct open_loop_options *options = run->options;
    if (options->replay_path != NULL) {
        TRY(load_file_open(options->replay_path, &run->replay, fault));
    } else {
        TRY(load_pool_init(&run->pool, &options->world, fault));
    }
    if (options->record_path != NULL) {
        TRY(load_file_create(options->record_path, &run->record, fault));
    }
    return open_way(run, fault);
}

static void close_parts(struct run *run) {
    if (run->way != NULL) {
        run->way->close(run->client);
    }
    load_pool_deinit(&run->pool);
    load_file_close(&run->record);
    load_file_close(&run->replay);
}

/* Half a file is another load than the one that was kept: its numbers would mislead. */
static struct status check_replay(const struct run *run, struct fault *fault) {
    struct status status = run->replay_status;
    if (status_is_ok(status) || status.code == STATUS_END) {
        return status_ok();
    }
    return fault_set(fault, status.code, "%s %s after request %llu", run->options->replay_path,
                     status.code == STATUS_CORRUPT ? "is cut off or damaged" : "cannot be read",
                     (unsigned long long)run->sent_count);
}

struct status open_loop_run(const struct open_loop_options *options, struct load_report *report_out,
                            struct fault *fault) {
    struct run run = {.options = options, .report = report_out};
    sigset_t interrupt;
    *report_out = (struct load_report){0};
    run.random.state = options->world.seed ^ 0x10ad;
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &interrupt, NULL);
    struct status status = open_parts(&run, fault);
    if (status_is_ok(status)) {
        measure(&run);
        status = check_replay(&run, fault);
        if (run.record.file != NULL && !status_is_ok(load_file_finish(&run.record))) {
            status = fault_set(fault, STATUS_IO, "cannot write %s: %s", options->record_path,
                               strerror(errno));
        }
    }
    close_parts(&run);
    (void)sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
    return status;
}
