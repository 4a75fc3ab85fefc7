// SPDX-License-Identifier: GPL-2.0
/* Ending a long command in good order. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <time.h>

#include "signals.h"

static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };

#define NR_HANDLED	(sizeof(handled) / sizeof(handled[0]))

static volatile sig_atomic_t wishes;
static volatile sig_atomic_t sent_to_us;

static struct sigaction saved[NR_HANDLED];
static struct sigaction saved_pipe;
static sigset_t old_mask;
static sigset_t waiting_mask;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig == SIGCHLD)
		return;
	wishes++;
	/* kill(2) and its like have codes up to 0, the kernel has those above. */
	if (info->si_code <= 0)
		sent_to_us = sig;
}

void signals_take(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t block;
	size_t i;

	wishes = 0;
	sent_to_us = 0;
	sigemptyset(&block);
	for (i = 0; i < NR_HANDLED; i++)
		sigaddset(&block, handled[i]);
	sigprocmask(SIG_BLOCK, &block, &old_mask);
	waiting_mask = old_mask;
	for (i = 0; i < NR_HANDLED; i++) {
		sigdelset(&waiting_mask, handled[i]);
		sigaction(handled[i], &action, &saved[i]);
		/* Who started us with nohup(1) does not want us to end. */
		if (saved[i].sa_handler == SIG_IGN && handled[i] != SIGCHLD)
			sigaction(handled[i], &saved[i], NULL);
	}
	sigaction(SIGPIPE, &ignore, &saved_pipe);
}

void signals_restore(void)
{
	size_t i;

	/* First the mask: what is pending still goes to our handler. */
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	for (i = 0; i < NR_HANDLED; i++)
		sigaction(handled[i], &saved[i], NULL);
	sigaction(SIGPIPE, &saved_pipe, NULL);
}

int signals_wait(int fd, bool block)
{
	const struct timespec now = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = ppoll(&p, 1, block ? NULL : &now, &waiting_mask);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
}

int signals_wishes(void)
{
	return wishes;
}

int signals_private(void)
{
	int sig = sent_to_us;

	sent_to_us = 0;
	return sig;
}

const sigset_t *signals_old_mask(void)
{
	return &old_mask;
}
