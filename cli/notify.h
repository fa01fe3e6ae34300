/* notify.h - the service manager's readiness protocol (sd_notify): datagrams to $NOTIFY_SOCKET. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...". Nothing happens without the variable.
 */
void notify_send(const char *words);
void notify_reloading(void);

/* A start that takes long is given more time, as long as it goes on. */
struct notify_start {
    uint64_t every_ns; /* between two words of it, and before the first */
    uint64_t told_ns;
    bool has_told;
};

void notify_start_init(struct notify_start *start, uint64_t every_ns);
/* tell() of core/progress.h; context: a struct notify_start. */
void notify_start_tell(void *context, const char *what, uint64_t done);
/* No more of it: the status that is shown is taken back. */
void notify_start_end(struct notify_start *start);

/* Who set $WATCHDOG_USEC restarts a service that does not say so often enough that it lives. */
struct notify_watchdog {
    uint64_t span_ns; /* 0: nobody asks */
    uint64_t told_ns;
};

void notify_watchdog_init(struct notify_watchdog *watchdog);
/* Says it, when half of the span is over; asked at least four times a span. */
void notify_watchdog_tell(struct notify_watchdog *watchdog, uint64_t now_ns);
