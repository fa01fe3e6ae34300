/* descriptors.c - see descriptors.h. */
#include "cli/descriptors.h"

#include <sys/resource.h>

/* What is no connection of an ingest thread: 256 of the console, sinks' connections, files. A limit
 * that is small is halved. */
enum { OTHERS_MAX = 512 };

void descriptors_raise(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

uint32_t descriptors_share(const struct config *config, const struct logger *logger) {
    struct rlimit limit;
    uint32_t wanted = config->connections_max;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return wanted;
    }
    uint64_t others = limit.rlim_cur / 2 < OTHERS_MAX ? limit.rlim_cur / 2 : OTHERS_MAX;
    uint64_t share = (limit.rlim_cur - others) / config->ingest_threads;
    if (share >= wanted) {
        return wanted;
    }
    share = share > 0 ? share : 1;
    log_write(
        logger, LOG_LEVEL_WARNING, "run",
        "of the %llu files that the process may open, %llu are for connections of each ingest "
        "thread, not %u (server.max_connections): raise the limit (LimitNOFILE=, ulimit -n)",
        (unsigned long long)limit.rlim_cur, (unsigned long long)share, wanted);
    return (uint32_t)share;
}

uint32_t descriptors_for_sinks(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > UINT32_MAX) {
        return 0;
    }
    uint64_t others = limit.rlim_cur / 2 < OTHERS_MAX ? limit.rlim_cur / 2 : OTHERS_MAX;
    return (uint32_t)(limit.rlim_cur - others);
}
