/* config_send.c - see config_send.h. */
#include "cli/config_send.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOOK_US = 1000, WAIT_US = 200 * 1000 };

/* The main thread has no loop; a configuration is rare, so it looks every millisecond. */
struct status config_send(struct gate *gate, struct batch *batch) {
    TRY(gate_send(gate, batch));
    while (gate_take_back(gate) == NULL) {
        usleep(LOOK_US);
    }
    return status_of(batch->outcome);
}

static bool is_end_asked(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Then the room that is missing may be that of the process (ulimit -f), which nobody makes. */
static bool are_files_limited(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

struct status config_send_first(struct gate *gate, struct batch *batch,
                                const struct logger *logger) {
    struct status status = config_send(gate, batch);
    if (status.code == STATUS_FULL && are_files_limited()) {
        return status;
    }
    if (status.code == STATUS_FULL) {
        log_write(logger, LOG_LEVEL_ERROR, "run",
                  "the start waits for room on the disk: make some, it goes on by itself");
    }
    while (status.code == STATUS_FULL && !is_end_asked()) {
        usleep(WAIT_US);
        status = config_send(gate, batch);
    }
    return status;
}
