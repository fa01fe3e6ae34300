/* notify.c - see notify.h. */
#include "cli/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/text.h"
#include "core/clock.h"

#define NOTIFY_EXTENSION_NS NS_PER_MINUTE

void notify_send(const char *words) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || path[0] == 0 || strlen(path) >= sizeof(address.sun_path)) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') {
        address.sun_path[0] = 0; /* an abstract name */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    ssize_t ignored =
        sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    (void)ignored;
    close(fd);
}

void notify_reloading(void) {
    char words[96];
    (void)snprintf(words, sizeof(words), "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)(clock_monotonic_ns() / 1000));
    notify_send(words);
}

void notify_start_init(struct notify_start *start, uint64_t every_ns) {
    *start = (struct notify_start){.every_ns = every_ns, .told_ns = clock_monotonic_ns()};
}

/* sd_notify(3): "The value specified is a time in microseconds during which the service must send a
 * new message." A single step, such as a commit on a slow disk, is to fit into it. */
void notify_start_tell(void *context, const char *what, uint64_t done) {
    struct notify_start *start = context;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - start->told_ns < start->every_ns) {
        return;
    }
    char words[160];
    (void)snprintf(words, sizeof(words), "EXTEND_TIMEOUT_USEC=%llu\nSTATUS=starting: %s: %llu",
                   (unsigned long long)(NOTIFY_EXTENSION_NS / NS_PER_US), what,
                   (unsigned long long)done);
    notify_send(words);
    start->told_ns = now_ns;
    start->has_told = true;
}

void notify_start_end(struct notify_start *start) {
    if (start->has_told) {
        notify_send("STATUS=");
    }
    *start = (struct notify_start){.every_ns = UINT64_MAX};
}

static uint64_t number_of(const char *name) {
    const char *words = getenv(name);
    uint64_t number = 0;
    bool is_given = words != NULL && status_is_ok(text_parse_u64(slice_of_text(words), &number));
    return is_given ? number : 0;
}

/* sd_watchdog_enabled(3): the variables may have been meant for a process that started us. */
void notify_watchdog_init(struct notify_watchdog *watchdog) {
    uint64_t span_us = number_of("WATCHDOG_USEC");
    bool is_ours =
        getenv("WATCHDOG_PID") == NULL || number_of("WATCHDOG_PID") == (uint64_t)getpid();
    bool is_asked = is_ours && span_us <= DURATION_NS_MAX / NS_PER_US;
    *watchdog = (struct notify_watchdog){.span_ns = is_asked ? span_us * NS_PER_US : 0};
}

void notify_watchdog_tell(struct notify_watchdog *watchdog, uint64_t now_ns) {
    if (watchdog->span_ns > 0 && now_ns - watchdog->told_ns >= watchdog->span_ns / 2) {
        watchdog->told_ns = now_ns;
        notify_send("WATCHDOG=1");
    }
}
