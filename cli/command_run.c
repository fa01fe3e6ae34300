/*
 * command_run.c - `quell run`: signals and changed files, until the end.
 */
#include <signal.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/config_watch.h"
#include "cli/descriptors.h"
#include "cli/notify.h"
#include "cli/run.h"
#include "core/base/limits.h"
#include "core/clock.h"

enum { WHO_BYTES = 64 };

static void block_signals(sigset_t *signals) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file beyond the limit is EFBIG, told like any other */
    /* Who turns logs over asks many programs so to open theirs anew; ours is stderr. */
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGUSR2, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* How long to wait for a signal. A watchdog may want shorter turns; below 10 ms nobody means it. */
static struct timespec turn_of(const struct notify_watchdog *watchdog) {
    uint64_t turn_ns = 250 * NS_PER_MS;
    if (watchdog->span_ns > 0 && watchdog->span_ns / 4 < turn_ns) {
        turn_ns = watchdog->span_ns / 4;
        turn_ns = turn_ns > 10 * NS_PER_MS ? turn_ns : 10 * NS_PER_MS;
    }
    return (struct timespec){.tv_nsec = (long)turn_ns};
}

static void reload(struct runtime *runtime, struct config_watch *watch, const char *who) {
    if (runtime_reload(runtime, who)) {
        const char *path = NULL;
        const struct config *config = runtime_config(runtime, &path);
        config_watch_follow(watch, path, config, clock_monotonic_ns());
    }
}

static void say_who(const char *signal_name, const siginfo_t *info, char who[static WHO_BYTES]) {
    (void)snprintf(who, WHO_BYTES, "%s of user %u, process %d", signal_name, (unsigned)info->si_uid,
                   (int)info->si_pid);
}

/* Until a signal asks for the end, and who sent it: reloads when one says so, or a file changed. A
 * watchdog hears of us as long as we turn, which a reload does with the shard only, and no thread
 * has ended. */
static void wait_for_end(struct runtime *runtime, const sigset_t *signals,
                         char who[static WHO_BYTES]) {
    struct notify_watchdog watchdog;
    struct config_watch watch;
    siginfo_t info;
    int signal_number = SIGHUP;
    notify_watchdog_init(&watchdog);
    const struct timespec wait = turn_of(&watchdog);
    const char *path = NULL;
    const struct config *config = runtime_config(runtime, &path);
    config_watch_open(&watch, path, config);
    while (signal_number == SIGHUP || signal_number < 0) {
        if (runtime_is_alive(runtime)) {
            notify_watchdog_tell(&watchdog, clock_monotonic_ns());
        }
        signal_number = sigtimedwait(signals, &info, &wait);
        if (signal_number == SIGHUP) {
            say_who("a signal", &info, who);
            config_watch_forget(&watch, clock_monotonic_ns());
            reload(runtime, &watch, who);
        } else if (signal_number < 0 && config_watch_is_due(&watch, clock_monotonic_ns())) {
            reload(runtime, &watch, "a changed file");
        }
    }
    config_watch_close(&watch);
    say_who(signal_number == SIGTERM ? "SIGTERM" : "SIGINT", &info, who);
}

int command_run(const struct cli_options *options) {
    struct config *config = NULL;
    sigset_t signals;
    struct fault fault = {{0}};
    struct runtime *runtime = NULL;
    block_signals(&signals);
    descriptors_raise();
    struct cli_options settled = *options;
    /* From the first line on a log: why it did not start is what its reader looks for. */
    struct logger logger = cli_logger(options, NULL);
    settled.logger = &logger;
    cli_settle_config_path(&settled);
    if (!status_is_ok(cli_load_config(&settled, &config))) {
        return 1;
    }
    logger = cli_logger(options, config);
    struct runtime_options runtime_options = {config, &settled, options->format_json};
    struct status status = runtime_open(&runtime_options, &runtime, &fault);
    if (!status_is_ok(status)) {
        log_write(&logger, LOG_LEVEL_ERROR, "run", "%s",
                  fault.words[0] != 0 ? fault.words : status_name(status));
        return 1;
    }
    notify_send("READY=1");
    char who[WHO_BYTES];
    wait_for_end(runtime, &signals, who);
    notify_send("STOPPING=1");
    return runtime_close(runtime, who);
}
