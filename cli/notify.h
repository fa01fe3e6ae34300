/* notify.h - the service manager's readiness protocol (sd_notify): datagrams to $NOTIFY_SOCKET. */
#pragma once

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...". Nothing happens without the variable.
 */
void notify_send(const char *words);
void notify_reloading(void);
