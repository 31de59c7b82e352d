/* What systemd wants to know of a service (sd_notify's protocol, `Type=notify`).
 *
 * Each answers 1 if it was said, 0 if nobody asked (no NOTIFY_SOCKET: we were started by hand), and else
 * -errno. None waits: -EAGAIN says that the manager is behind, and to try again in a while.
 */
#pragma once

#include <base/util.h>

int systemd_ready(void);     /* also at the end of a reload */
int systemd_reloading(void); /* systemd_ready follows */
int systemd_stopping(void);
int systemd_watchdog(void);

/* One line for people, shown by `systemctl status`; cut after 500 bytes, and what is not printable UTF-8 in it
 * replaced. */
int systemd_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The start, the stop, or what else has a time limit now, is given at least `usec` from now on. */
int systemd_extend_timeout(pen_usec usec);

/* How long systemd waits for systemd_watchdog before it kills us: to be called twice as often.
 * PEN_FOREVER: it does not watch us. */
pen_usec systemd_watchdog_interval(void);
