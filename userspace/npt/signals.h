/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ending a long command in good order: the signals that would kill the tool are
 * blocked but while it waits for input, and are then a wish to end.
 */
#ifndef NPT_SIGNALS_H
#define NPT_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* From here on SIGINT, SIGTERM and SIGHUP are wishes; SIGCHLD and SIGPIPE do nothing. */
void signals_take(void);

/* As it was before; wishes that came meanwhile are dropped. */
void signals_restore(void);

/*
 * Wait until @fd (-1: none) can be read or has ended, a signal comes or, if not
 * @block, nothing. Returns 1 for @fd, 0 for anything else, -errno.
 */
int signals_wait(int fd, bool block);

/* How many wishes to end there have been. */
int signals_wishes(void);

/*
 * The last of these signals if a process sent it to this one alone, else 0: a
 * terminal sends it to each process of the foreground group. Gives it once.
 */
int signals_private(void);

/* The mask that was in force before signals_take(). */
const sigset_t *signals_old_mask(void);

#endif /* NPT_SIGNALS_H */
