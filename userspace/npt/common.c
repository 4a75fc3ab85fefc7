// SPDX-License-Identifier: GPL-2.0
/* Messages, options, numbers, progress: small things that commands share. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "npt.h"

/* One line, whatever is in the text: a file's name may hold anything. */
static void message(const char *prefix, const char *fmt, va_list ap, int err)
{
	char text[2048], *p;

	npt_progress_end();
	vsnprintf(text, sizeof(text), fmt, ap);
	for (p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	fflush(stdout);
	if (err)
		fprintf(stderr, "npt: %s%s: %s\n", prefix, text, strerror(err));
	else
		fprintf(stderr, "npt: %s%s\n", prefix, text);
}

int npt_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap, 0);
	va_end(ap);
	return NPT_EXIT_FAILURE;
}

int npt_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap, 0);
	va_end(ap);
	return NPT_EXIT_USAGE;
}

int npt_absent(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap, 0);
	va_end(ap);
	return NPT_EXIT_ABSENT;
}

int npt_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap, -err);
	va_end(ap);
	switch (err) {
	case -ENODEV:
	case -ENXIO:
	case -EACCES:
	case -EPERM:
		return NPT_EXIT_ABSENT;
	default:
		return NPT_EXIT_FAILURE;
	}
}

void npt_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("warning: ", fmt, ap, 0);
	va_end(ap);
}

int npt_getopt(int argc, char **argv, const struct option *options, bool stop)
{
	static char **current;
	int c;

	if (argv != current) {
		current = argv;
		optind = 0;
	}
	opterr = 0;
	c = getopt_long(argc, argv, stop ? "+:" : ":", options, NULL);
	switch (c) {
	case ':':
		npt_usage("%s: option %s needs a value", argv[0], argv[optind - 1]);
		return '?';
	case '?':
		npt_usage("%s: unknown option %s (npt help %s lists them)", argv[0],
			  argv[optind - 1], argv[0]);
		return '?';
	default:
		return c;
	}
}

bool npt_parse_u64(const char *text, const char *what, unsigned long long min,
		   unsigned long long max, unsigned long long *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	/* strtoull() takes a minus sign and blanks, which no one means here */
	if (!errno && *text >= '0' && *text <= '9' && !*end && *value >= min && *value <= max)
		return true;
	if (max == ULLONG_MAX)
		npt_usage("%s: \"%s\": expected a number from %llu on", what, text, min);
	else
		npt_usage("%s: \"%s\": expected a number from %llu to %llu", what, text, min,
			  max);
	return false;
}

static bool progress_shown;

void npt_progress(const char *what, unsigned long long done, unsigned long long total)
{
	static struct timespec start, last;
	static const char *about;
	struct timespec now;
	double since;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!start.tv_sec) {
		start = now;
		last = now;
	}
	since = (now.tv_sec - last.tv_sec) + (now.tv_nsec - last.tv_nsec) / 1e9;
	if (now.tv_sec - start.tv_sec < 1 || (since < 0.2 && about == what) ||
	    !isatty(STDERR_FILENO))
		return;
	last = now;
	about = what;
	progress_shown = true;
	if (total)
		fprintf(stderr, "\r\033[K%s: %llu %%", what, done * 100 / total);
	else
		fprintf(stderr, "\r\033[K%s: %llu", what, done);
	fflush(stderr);
}

void npt_progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

const char *npt_color(const struct npt_cli *cli, enum npt_color c)
{
	static const char *const codes[] = {
		[NPT_C_RESET] = "\033[0m",
		[NPT_C_BOLD] = "\033[1m",
		[NPT_C_DIM] = "\033[2m",
		[NPT_C_RED] = "\033[31m",
		[NPT_C_GREEN] = "\033[32m",
		[NPT_C_YELLOW] = "\033[33m",
		[NPT_C_BLUE] = "\033[34m",
		[NPT_C_CYAN] = "\033[36m",
	};

	return cli->color ? codes[c] : "";
}
