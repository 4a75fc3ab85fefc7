// SPDX-License-Identifier: GPL-2.0
/*
 * Output files that appear under their name only when they are complete. Pipes
 * and devices are written in place: nothing there can be taken back.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_writer.h"

#define TEMP_TRIES	100

static void forget(struct trace_output *out)
{
	free(out->name);
	free(out->path);
	free(out->temp);
	memset(out, 0, sizeof(*out));
	out->fd = -1;
}

static int open_stdout(struct trace_output *out, bool binary)
{
	if (binary && isatty(STDOUT_FILENO))
		return -ENOTTY;
	out->fd = STDOUT_FILENO;
	out->name = strdup("standard output");
	return out->name ? 0 : -ENOMEM;
}

static int open_in_place(struct trace_output *out, const char *path)
{
	out->fd = open(path, O_WRONLY | O_CLOEXEC);
	return out->fd < 0 ? -errno : 0;
}

/* The umask applies, as to any file that a program creates by its name. */
static int open_temp(struct trace_output *out)
{
	int i;

	for (i = 0; i < TEMP_TRIES; i++) {
		free(out->temp);
		if (asprintf(&out->temp, "%s.%d-%d.tmp", out->path, (int)getpid(), i) < 0) {
			out->temp = NULL;
			return -ENOMEM;
		}
		out->fd = open(out->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (out->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/*
 * A rename asks the directory for permission, not the file: a file that could
 * not be written must not be replaced either. A link is followed.
 */
static int open_file(struct trace_output *out, const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		if (errno != ENOENT)
			return -errno;
		out->path = strdup(path);
		return out->path ? open_temp(out) : -ENOMEM;
	}
	if (!S_ISREG(st.st_mode))
		return open_in_place(out, path);
	if (access(path, W_OK))
		return -errno;
	out->path = realpath(path, NULL);
	return out->path ? open_temp(out) : -errno;
}

int trace_output_open(struct trace_output *out, const char *path, bool binary)
{
	int ret;

	memset(out, 0, sizeof(*out));
	out->fd = -1;
	if (!strcmp(path, "-")) {
		ret = open_stdout(out, binary);
	} else {
		out->name = strdup(path);
		ret = out->name ? open_file(out, path) : -ENOMEM;
	}
	if (ret)
		forget(out);
	return ret;
}

int trace_output_write(struct trace_output *out, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(out->fd, p, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
	return 0;
}

int trace_output_commit(struct trace_output *out)
{
	int ret = 0;

	if (out->fd != STDOUT_FILENO) {
		/* Quota and network file systems may report a full disk only here. */
		if (close(out->fd))
			ret = -errno;
		out->fd = -1;
	}
	if (!ret && out->temp && rename(out->temp, out->path))
		ret = -errno;
	if (ret && out->temp)
		unlink(out->temp);
	forget(out);
	return ret;
}

void trace_output_abort(struct trace_output *out)
{
	if (out->fd >= 0 && out->fd != STDOUT_FILENO)
		close(out->fd);
	if (out->temp)
		unlink(out->temp);
	forget(out);
}
