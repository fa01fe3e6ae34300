/* notify.h - the service manager's readiness protocol (sd_notify): datagrams to $NOTIFY_SOCKET. */
#pragma once

#include <stdint.h>

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...". Nothing happens without the variable.
 */
void notify_send(const char *words);
void notify_reloading(void);

/* Who set $WATCHDOG_USEC restarts a service that does not say so often enough that it lives. */
struct notify_watchdog {
    uint64_t span_ns; /* 0: nobody asks */
    uint64_t told_ns;
};

void notify_watchdog_init(struct notify_watchdog *watchdog);
/* Says it, when half of the span is over; asked at least four times a span. */
void notify_watchdog_tell(struct notify_watchdog *watchdog, uint64_t now_ns);
