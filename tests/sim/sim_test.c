/*
 * sim_test.c - a world from a seed: several lives of one shard, each ended by a crash, the last in
 * peace; then the checks, and the journal replayed twice into empty states with the same result.
 *
 *   sim rounds [seed]            that many worlds
 *   sim seconds N                new seeds for so long: what CI does
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/store_check.h"
#include "tests/sim/sim_world.h"

enum { LIVES_MAX = 6, STEPS_MAX = 60, CONFIG_BATCH_BYTES = 1 << 20 };
#define START_NS (UINT64_C(1790000000) * NS_PER_S)

static const struct sim *clock_world; /* clock.h has no context */

uint64_t clock_wall_ns(void) {
    return clock_world == NULL ? START_NS
                               : START_NS + clock_world->now_ns + (uint64_t)clock_world->skew_ns;
}

uint64_t clock_monotonic_ns(void) {
    return NS_PER_S + (clock_world == NULL ? 0 : clock_world->now_ns);
}

void sim_set_clock(const struct sim *sim) {
    clock_world = sim;
}

uint64_t sim_random(struct sim *sim) {
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

void sim_pass(struct sim *sim, uint64_t span_ns) {
    sim->now_ns += span_ns;
}

/* --- Files --- */

static void path_of(const struct sim *sim, const char *name, char path[256]) {
    (void)snprintf(path, 256, "%s/%s", sim->directory, name);
}

static void remove_all(const char *directory) {
    DIR *stream = opendir(directory);
    for (struct dirent *entry = stream == NULL ? NULL : readdir(stream); entry != NULL;
         entry = readdir(stream)) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlink(path) != 0) {
            remove_all(path);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    (void)rmdir(directory);
}

static bool copy_file(const char *from, const char *to) {
    static uint8_t bytes[1 << 20];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return false;
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(out >= 0);
    ssize_t size = read(in, bytes, sizeof(bytes));
    for (; size > 0; size = read(in, bytes, sizeof(bytes))) {
        ASSERT(write(out, bytes, (size_t)size) == size);
    }
    close(in);
    close(out);
    return true;
}

/* The state as some commit left it: what a power cut may bring back. */
static void keep_state(struct sim *sim) {
    char state[256];
    char copy[256];
    path_of(sim, "state/data.mdb", state);
    path_of(sim, "copy.mdb", copy);
    (void)copy_file(state, copy);
}

static void bring_back_state(struct sim *sim) {
    char state[256];
    char copy[256];
    path_of(sim, "state/data.mdb", state);
    path_of(sim, "copy.mdb", copy);
    (void)copy_file(copy, state);
}

/* --- One life --- */

static void open_gates(struct sim *sim) {
    arena_deinit(&sim->arena);
    ASSERT(status_is_ok(arena_init(&sim->arena, 64 * MIB)));
    for (uint32_t i = 0; i < SIM_GATES; i++) {
        memset(&sim->gates[i], 0, sizeof(sim->gates[i]));
        ASSERT(status_is_ok(gate_init(&sim->gates[i], &sim->arena)));
        sim->gate_list[i] = &sim->gates[i];
    }
}

static void send_config(struct sim *sim) {
    struct batch *batch = &sim->config_batch;
    batch_clear(batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(batch);
    ASSERT(status_is_ok(policy_set_encode(&sim->config->policies, &writer)));
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    ASSERT(status_is_ok(gate_send(&sim->gates[SIM_GATE_MAIN], batch)));
}

/* Sources begin when the configuration is in force, as cli/run.c has it. */
static void take_back_config(struct sim *sim) {
    struct batch *batch = gate_take_back(&sim->gates[SIM_GATE_MAIN]);
    if (batch != NULL && batch->outcome == STATUS_FULL) {
        send_config(sim);
    }
    sim->is_configured = sim->is_configured || (batch != NULL && batch->outcome == STATUS_OK);
}

static bool open_life(struct sim *sim) {
    char journal[256];
    char state[256];
    char poison[256];
    struct fault fault = {{0}};
    path_of(sim, "journal", journal);
    path_of(sim, "state", state);
    path_of(sim, "poison", poison);
    open_gates(sim);
    struct shard_options options = {
        .config = sim->config,
        .journal_directory = journal,
        .state_directory = state,
        .poison_path = poison,
        .hash_seed = 1,
        .kept_rows_max = sim->recovers ? 4 + (uint32_t)(sim->seed % 29) : 0,
        .gates = sim->gate_list,
        .gates_count = SIM_GATES,
        .stats = &sim->stats,
        .logger = &sim->logger,
        .is_ready = &sim->is_ready,
        .files = fault_disk_files(sim->disk),
    };
    uint32_t failures = fault_disk_failures(sim->disk);
    sim->shard = NULL;
    struct status status = shard_open(&options, &sim->shard, &fault);
    if (status_is_ok(status)) {
        status = shard_begin(sim->shard, &fault);
    }
    if (!status_is_ok(status)) {
        if (fault_disk_failures(sim->disk) == failures) {
            (void)fprintf(stderr, "%s\n", fault.words);
        }
        SIM_CHECK(sim, fault_disk_failures(sim->disk) > failures);
        return false;
    }
    sim->is_configured = false;
    send_config(sim);
    return true;
}

static void step_clock(struct sim *sim) {
    sim_pass(sim, sim_random(sim) % (NS_PER_S / 4));
    if (sim_random(sim) % 64 == 0) {
        /* A step beyond idempotency.horizon (1 h) would forget event ids, as it says. */
        sim->skew_ns =
            (int64_t)(sim_random(sim) % (40 * NS_PER_MINUTE)) - (int64_t)(20 * NS_PER_MINUTE);
    }
}

static void step(struct sim *sim) {
    step_clock(sim);
    if (sim->is_configured) {
        source_send(sim);
    }
    SIM_CHECK(sim, status_is_ok(shard_step(sim->shard)));
    source_take_back(sim);
    take_back_config(sim);
    sink_step(sim);
    if (sim_random(sim) % 8 == 0) {
        keep_state(sim);
    }
}

static void end_life(struct sim *sim) {
    shard_close(sim->shard);
    sim->shard = NULL;
    source_forget(sim);
    sink_forget(sim);
}

static void live_and_crash(struct sim *sim) {
    fault_disk_set_failures(sim->disk, sim_random(sim) % 2 == 0 ? 0 : 40);
    if (open_life(sim)) {
        uint64_t steps = sim_random(sim) % STEPS_MAX;
        for (; steps > 0 && atomic_load(&sim->is_ready); steps--) {
            step(sim);
        }
    }
    end_life(sim);
    fault_disk_cut_power(sim->disk);
    if (sim_random(sim) % 3 == 0) {
        bring_back_state(sim);
    }
    sim->crashes++;
}

/* Until all is acknowledged and told, and some minutes more. */
static void live_in_peace(struct sim *sim) {
    fault_disk_set_failures(sim->disk, 0);
    SIM_CHECK(sim, open_life(sim));
    uint32_t calm = 0;
    for (uint32_t turns = 0; calm < 400; turns++) {
        SIM_CHECK(sim, turns < 20000);
        step(sim);
        SIM_CHECK(sim, atomic_load(&sim->is_ready));
        sim_pass(sim, NS_PER_S / 4);
        calm = source_is_done(sim) && sim->outbox_is_empty ? calm + 1 : 0;
    }
    check_world(sim);
    shard_stop(sim->shard);
    struct status status = status_ok();
    while (status_is_ok(status)) {
        status = shard_step(sim->shard);
    }
    SIM_CHECK(sim, status.code == STATUS_END);
    end_life(sim);
}

/* --- Replay --- */

static struct hash128 state_digest(struct sim *sim) {
    char state[256];
    struct store_check_result result;
    struct fault fault = {{0}};
    path_of(sim, "state", state);
    struct status status = store_check(NULL, state, NULL, &result, &fault);
    SIM_CHECK(sim, status_is_ok(status));
    return result.digest;
}

static struct hash128 replay_from_nothing(struct sim *sim) {
    char state[256];
    path_of(sim, "state", state);
    remove_all(state);
    SIM_CHECK(sim, open_life(sim)); /* its configuration is not journaled: no step follows */
    end_life(sim);
    return state_digest(sim);
}

/* --- A world --- */

static struct config *load_config(uint64_t seed, bool recovers) {
    static char memory[16 * 1024];
    static const char *const waits[] = {"notify.group_wait=0s", "notify.group_wait=3s"};
    const char *const overrides[] = {"limits.entities=4096",
                                     "limits.edges=8192",
                                     "limits.learned_edges=4096",
                                     "limits.event_ids=8192",
                                     "limits.dedup_keys=4096",
                                     "limits.incidents=1024",
                                     "sink.hook.type=webhook",
                                     "sink.hook.url=http://127.0.0.1:1/",
                                     waits[seed % 2],
                                     "journal.segment_bytes=8MiB",
                                     "journal.state_reserve_bytes=1MiB",
                                     "tenants_dir=/nonexistent"};
    struct config_errors errors = {.text = text_over(memory, sizeof(memory))};
    struct config_options options = {.path = "/dev/null",
                                     .overrides = overrides,
                                     .overrides_count = sizeof(overrides) / sizeof(*overrides)};
    struct config *config = NULL;
    if (!status_is_ok(config_load(&options, &config, &errors))) {
        (void)fprintf(stderr, "%s", memory);
        abort();
    }
    config->io = LOOP_SIM;
    /* Less than `quell check` lets through: so that each world gets there. */
    config->policies.defaults.quarantine_bytes_max = 8 * KIB;
    config->policies.defaults.quarantine_age_ns_max = seed % 3 == 0 ? 4 * NS_PER_S : NS_PER_DAY;
    config->policies.defaults.reopen_window_ns = recovers ? 4 * NS_PER_S : 30 * NS_PER_MINUTE;
    config->policies.defaults.incidents_bytes_max = recovers ? 8 * KIB : GIB;
    config->policies.defaults.incidents_age_ns_max = seed % 5 == 0 ? 20 * NS_PER_S : NS_PER_DAY;
    return config;
}

static void open_world(struct sim *sim, uint64_t seed, const char *directory, uint8_t *memory) {
    char *json = sim->json;
    *sim = (struct sim){.seed = seed, .random = seed * 2654435761u + 88172645463325252u};
    struct fault_disk_options disk_options = {.seed = seed};
    sim->json = json;
    sim->logger = (struct logger){.fd = STDERR_FILENO, .level_min = LOG_LEVEL_ERROR + 1};
    (void)snprintf(sim->directory, sizeof(sim->directory), "%s/%llu", directory,
                   (unsigned long long)seed);
    ASSERT(mkdir(sim->directory, 0700) == 0);
    batch_init(&sim->config_batch, memory, CONFIG_BATCH_BYTES);
    batch_init(&sim->outcome_batch, memory + CONFIG_BATCH_BYTES, CONFIG_BATCH_BYTES);
    sim->disk = fault_disk_open(&disk_options);
    sim->recovers = seed / 2 % 2 == 0;
    sim->config = load_config(seed, sim->recovers);
    sim_set_clock(sim);
    source_make_causes(sim);
}

static void close_world(struct sim *sim) {
    for (uint32_t i = 0; i < sim->requests_count; i++) {
        free(sim->requests[i].memory);
    }
    fault_disk_close(sim->disk);
    config_release(sim->config);
    arena_deinit(&sim->arena);
    remove_all(sim->directory);
    sim_set_clock(NULL);
}

static void run_world(struct sim *sim, uint64_t seed, const char *directory, uint8_t *memory) {
    open_world(sim, seed, directory, memory);
    uint64_t lives = sim_random(sim) % LIVES_MAX;
    for (; lives > 0; lives--) {
        live_and_crash(sim);
    }
    live_in_peace(sim);
    struct hash128 digest = state_digest(sim);
    struct hash128 once = replay_from_nothing(sim);
    struct hash128 twice = replay_from_nothing(sim);
    SIM_CHECK(sim, hash128_equals(digest, once) && hash128_equals(once, twice));
    close_world(sim);
}

static uint64_t real_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

int main(int count, char **words) {
    static struct sim sim;
    bool is_timed = count > 2 && strcmp(words[1], "seconds") == 0;
    uint64_t bound = strtoull(count > 1 ? words[is_timed ? 2 : 1] : "100", NULL, 10);
    uint64_t seed =
        count > 2 && !is_timed ? strtoull(words[2], NULL, 10) : (uint64_t)time(NULL) * 1000003u;
    char directory[64];
    (void)snprintf(directory, sizeof(directory), "%s/quell-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".");
    ASSERT(mkdtemp(directory) != NULL);
    uint8_t *memory = malloc(2 * CONFIG_BATCH_BYTES);
    ASSERT(memory != NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    uint64_t start = real_seconds();
    uint64_t rounds = 0;
    uint64_t crashes = 0;
    uint64_t dropped = 0;
    for (; is_timed ? real_seconds() - start < bound : rounds < bound; rounds++) {
        run_world(&sim, seed + rounds, directory, memory);
        crashes += sim.crashes;
        dropped += sim.incidents_dropped;
    }
    uint64_t spent = real_seconds() - start;
    (void)printf("%llu worlds, %llu crashes, %llu incidents dropped, %.1f worlds/s\n",
                 (unsigned long long)rounds, (unsigned long long)crashes,
                 (unsigned long long)dropped, (double)rounds / (double)(spent == 0 ? 1 : spent));
    free(sim.json);
    free(memory);
    return rmdir(directory);
}
