/*
 * drive.c - the real decoder and the real engine behind a virtual clock, for the scoreboard.
 *
 * Reads lines, writes one JSON line a world:
 *
 *   @ <stamp_ns> <native event>   the event is received at that time
 *   . <stamp_ns>                  time passes
 *   !                             what was before is the world as it was: timing starts here
 *   ?                             commit, say what stands in the store, forget everything
 *
 * Events with one stamp are one batch, as from one request. Between stamps the engine gets its
 * ticks when they are due, as from the shard. There is no journal and no thread; what is timed is
 * the engine alone, apply and commit. The scratch store stands in argv[1].
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "engine/engine_state.h"
#include "engine/view_state.h"
#include "ingest/native.h"

enum { HASH_SEED = 7, PAGE = 1000 };
#define ANSWER_BYTES (64 * MIB)
#define ARENA_BYTES (256 * MIB)

struct drive {
    const char *directory;
    char poison_path[512];
    struct store *store;
    struct engine engine;
    struct stats stats;
    struct logger logger;
    struct arena arena; /* one batch */
    struct batch batch;
    void *batch_memory;
    uint64_t batch_stamp_ns;
    uint64_t apply_ns;
    char *answer;
};

static void fail(const char *what, struct status status, const struct fault *fault) {
    fprintf(stderr, "drive: %s: %s %s\n", what, status_name(status),
            fault != NULL ? fault->words : "");
    exit(2);
}

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- A world: from an empty store to an answer --- */

static void remove_state(const struct drive *drive) {
    static const char *const names[] = {"data.mdb", "lock.mdb", "poison"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", drive->directory, names[i]);
        (void)unlink(path);
    }
}

static void apply(struct drive *drive, struct slice bytes, uint64_t stamp_ns) {
    struct fault fault = {0};
    uint8_t *record = (uint8_t *)(uintptr_t)bytes.data;
    batch_set_stamp(record, stamp_ns);
    batch_set_seq(record, drive->engine.applied_seq + 1);
    uint64_t from_ns = cpu_ns();
    struct status status = engine_apply(&drive->engine, bytes, &fault);
    drive->apply_ns += cpu_ns() - from_ns;
    if (!status_is_ok(status)) {
        fail("apply", status, &fault);
    }
}

/* One sink, so that incidents are told; the shipped values else. */
static void configure(struct drive *drive) {
    struct slice sinks[1] = {SLICE("bench")};
    struct policy_set set = {.defaults = policy_default()};
    set.defaults.sinks = sinks;
    set.defaults.sinks_count = 1;
    batch_clear(&drive->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&drive->batch);
    struct status status = policy_set_encode(&set, &writer);
    if (!status_is_ok(status)) {
        fail("policy", status, NULL);
    }
    batch_entry_commit(&drive->batch, writer.size);
    apply(drive, batch_finish(&drive->batch), 1);
    batch_clear(&drive->batch, BATCH_EVENTS);
}

static void world_begin(struct drive *drive) {
    struct fault fault = {0};
    remove_state(drive);
    struct store_options store_options = {.directory = drive->directory, .map_bytes_max = GIB};
    struct status status = store_open(&store_options, &drive->store, &fault);
    if (!status_is_ok(status)) {
        fail("store", status, &fault);
    }
    struct engine_options options = {
        .nodes_max = 1u << 15,
        .edges_max = 1u << 17,
        .dedup_keys_max = 1u << 17,
        .event_ids_max = 1u << 18,
        .incidents_max = 1u << 14,
        .hash_seed = HASH_SEED,
        .store = drive->store,
        .poison_path = drive->poison_path,
        .logger = &drive->logger,
        .stats = &drive->stats,
    };
    status = engine_init(&drive->engine, &options, &fault);
    if (!status_is_ok(status)) {
        fail("engine", status, &fault);
    }
    configure(drive);
    drive->apply_ns = 0;
}

static void world_end(struct drive *drive) {
    engine_deinit(&drive->engine);
    store_close(drive->store);
    remove_state(drive);
}

/* --- Time --- */

static void flush_batch(struct drive *drive) {
    if (drive->batch.count > 0) {
        apply(drive, batch_finish(&drive->batch), drive->batch_stamp_ns);
    }
    batch_clear(&drive->batch, BATCH_EVENTS);
}

static void tick(struct drive *drive, uint64_t stamp_ns) {
    uint8_t memory[BATCH_HEADER_BYTES];
    struct batch batch;
    batch_init(&batch, memory, sizeof(memory));
    batch_clear(&batch, BATCH_TICK);
    apply(drive, batch_finish(&batch), stamp_ns);
}

static void pass_time(struct drive *drive, uint64_t stamp_ns) {
    flush_batch(drive);
    while (engine_next_due_ns(&drive->engine) <= stamp_ns) {
        uint64_t due_ns = engine_next_due_ns(&drive->engine);
        tick(drive, due_ns > drive->engine.now_ns ? due_ns : drive->engine.now_ns);
    }
    drive->batch_stamp_ns = stamp_ns;
}

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    struct drive *drive = context;
    (void)tenant;
    if (is_full) {
        flush_batch(drive);
    }
    return &drive->batch;
}

static void receive(struct drive *drive, uint64_t stamp_ns, struct slice event) {
    if (stamp_ns != drive->batch_stamp_ns) {
        pass_time(drive, stamp_ns);
    }
    arena_reset(&drive->arena);
    struct decode decode = {
        .arena = &drive->arena,
        .hash_seed = HASH_SEED,
        .now_ns = stamp_ns,
        .source = SLICE("bench"),
        .batch_for = batch_for,
        .context = drive,
    };
    struct status status = native_decode(&decode, event, false);
    if (!status_is_ok(status) || decode.refused > 0) {
        fail("event", status, &decode.fault);
    }
}

/* --- The answer --- */

/* Messages that wait in the outbox: nobody takes them away. */
static uint64_t count_messages(struct drive *drive) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = slice_of(NULL, 0);
    struct slice key;
    struct slice value;
    uint64_t count = 0;
    struct status status = store_snapshot_acquire(drive->store, &snapshot);
    if (status_is_ok(status)) {
        status = store_cursor_open(snapshot, STORE_TABLE_OUTBOX, none, none, &cursor);
    }
    if (!status_is_ok(status)) {
        fail("outbox", status, NULL);
    }
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        count++;
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

static void print_incidents(struct drive *drive) {
    struct view view = {.store = drive->store,
                        .graph = drive->engine.graph,
                        .hash_seed = HASH_SEED,
                        .graph_options = {.nodes_max = 1u << 15, .edges_max = 1u << 17}};
    struct view_reader *reader = NULL;
    struct view_query query = {.limit = PAGE};
    struct text json = text_over(drive->answer, ANSWER_BYTES);
    struct status status = view_reader_acquire(&view, &reader);
    if (status_is_ok(status)) {
        status = view_incidents_json(reader, &query, &json);
        view_reader_release(reader);
    }
    if (!status_is_ok(status)) {
        fail("incidents", status, NULL);
    }
    printf("{\"messages\":%" PRIu64 ",\"apply_ns\":%" PRIu64 ",\"list\":%.*s}\n",
           count_messages(drive), drive->apply_ns, (int)json.size, json.data);
    fflush(stdout);
}

static void answer(struct drive *drive) {
    struct fault fault = {0};
    flush_batch(drive);
    uint64_t from_ns = cpu_ns();
    struct status status = engine_commit(&drive->engine, &fault);
    drive->apply_ns += cpu_ns() - from_ns;
    if (!status_is_ok(status)) {
        fail("commit", status, &fault);
    }
    print_incidents(drive);
}

static void take_line(struct drive *drive, char *line, size_t size) {
    char *rest = NULL;
    uint64_t stamp_ns = size > 2 ? strtoull(line + 2, &rest, 10) : 0;
    switch (line[0]) {
    case '@':
        receive(drive, stamp_ns, slice_of(rest + 1, size - (size_t)(rest + 1 - line)));
        return;
    case '.':
        pass_time(drive, stamp_ns);
        return;
    case '!':
        flush_batch(drive);
        drive->apply_ns = 0;
        return;
    case '?':
        answer(drive);
        world_end(drive);
        world_begin(drive);
        return;
    default:
        fail("line", status_of(STATUS_INVALID), NULL);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: quell-bench-drive SCRATCH_DIRECTORY < lines\n");
        return 2;
    }
    static struct drive drive;
    drive.directory = argv[1];
    drive.logger = (struct logger){.fd = 2, .level_min = LOG_LEVEL_WARNING};
    snprintf(drive.poison_path, sizeof(drive.poison_path), "%s/poison", argv[1]);
    drive.answer = malloc(ANSWER_BYTES);
    drive.batch_memory = malloc(BATCH_BYTES_MAX);
    if (drive.answer == NULL || drive.batch_memory == NULL ||
        !status_is_ok(arena_init(&drive.arena, ARENA_BYTES))) {
        fail("memory", status_of(STATUS_FULL), NULL);
    }
    batch_init(&drive.batch, drive.batch_memory, BATCH_BYTES_MAX);
    world_begin(&drive);
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size = getline(&line, &room, stdin); size > 0;
         size = getline(&line, &room, stdin)) {
        take_line(&drive, line, (size_t)size - (line[size - 1] == '\n' ? 1 : 0));
    }
    world_end(&drive);
    free(line);
    free(drive.answer);
    free(drive.batch_memory);
    arena_deinit(&drive.arena);
    return 0;
}
