/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of traces share: inputs from memory or a pipe, files that go away. */
#ifndef HOST_TRACE_HELP_H
#define HOST_TRACE_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "trace.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define NAME	"input"	/* what error messages call an input from memory */

/* A directory for files, removed by tmp_end(). */
static char tmp_dir[64];
static char tmp_file[128];

static inline const char *tmp_path(const char *name)
{
	if (!tmp_dir[0]) {
		strcpy(tmp_dir, "/tmp/npt-trace-XXXXXX");
		CHECK(mkdtemp(tmp_dir), "mkdtemp: %s", strerror(errno));
	}
	snprintf(tmp_file, sizeof(tmp_file), "%s/%s", tmp_dir, name);
	return tmp_file;
}

/* Fails if anything but @name (NULL: nothing) is left in the directory. */
static inline void tmp_end(const char *name)
{
	if (name)
		CHECK(!unlink(tmp_path(name)), "%s is not there: %s", name, strerror(errno));
	CHECK(!rmdir(tmp_dir), "something is left in %s: %s", tmp_dir, strerror(errno));
	tmp_dir[0] = '\0';
}

static inline size_t read_file(const char *path, uint8_t **data)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	CHECK(fd >= 0 && !fstat(fd, &st), "%s: %s", path, strerror(errno));
	*data = malloc(st.st_size + 1);
	CHECK(read(fd, *data, st.st_size) == st.st_size, "%s: short read", path);
	close(fd);
	return st.st_size;
}

/* A descriptor that gives @data: a file in memory, or a pipe that a child fills. */
static inline int input_fd(const void *data, size_t len, bool pipe_it)
{
	int fds[2];

	if (!pipe_it) {
		fds[0] = memfd_create("trace", MFD_CLOEXEC);
		CHECK(fds[0] >= 0, "memfd_create: %s", strerror(errno));
		CHECK(write(fds[0], data, len) == (ssize_t)len, "memfd write");
		lseek(fds[0], 0, SEEK_SET);
		return fds[0];
	}
	CHECK(!pipe2(fds, O_CLOEXEC), "pipe: %s", strerror(errno));
	if (len <= 4096) {
		CHECK(write(fds[1], data, len) == (ssize_t)len, "pipe write");
	} else if (!fork()) {
		signal(SIGPIPE, SIG_DFL);
		while (len) {
			/* Odd pieces, so that records straddle reads. */
			ssize_t n = write(fds[1], data, len < 997 ? len : 997);

			if (n < 0)
				break;
			data = (const char *)data + n;
			len -= n;
		}
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

/* Open @data as a trace; the error line is in @err. */
static inline int open_data(const void *data, size_t len, bool pipe_it,
			    enum npt_trace_format format, struct npt_trace_reader **r, char *err)
{
	const struct npt_trace_source source = {
		.fd = input_fd(data, len, pipe_it), .name = NAME,
	};

	err[0] = '\0';
	return npt_trace_open_source(&source, format, r, err, NPT_TRACE_ERRLEN);
}

/*
 * Read all of @data in pieces of @piece. Returns the number of records in *@out
 * (allocated) or -errno with the records before the failure in *@out, *@got of
 * them, and the line in @err.
 */
static inline int read_data(const void *data, size_t len, bool pipe_it,
			    enum npt_trace_format format, size_t piece,
			    struct npt_access **out, size_t *got, char *err)
{
	size_t room = 1024;
	struct npt_trace_reader *r;
	ssize_t n;
	int ret;

	*got = 0;
	*out = NULL;
	ret = open_data(data, len, pipe_it, format, &r, err);
	if (ret)
		return ret;
	*out = malloc(room * sizeof(**out));
	for (;;) {
		if (room - *got < piece) {
			room = room * 2 + piece;
			*out = realloc(*out, room * sizeof(**out));
		}
		n = npt_trace_read(r, *out + *got, piece);
		if (n <= 0)
			break;
		CHECK((size_t)n <= piece, "%zd records in room for %zu", n, piece);
		*got += n;
	}
	strcpy(err, npt_trace_error(r));
	CHECK((n < 0) == (err[0] != '\0'), "result %zd, but error line '%s'", n, err);
	CHECK(!strchr(err, '\n'), "more than one line: %s", err);
	CHECK(npt_trace_read(r, *out, 1) == n, "the result does not stay");
	if (!n)
		CHECK(npt_trace_info(r)->complete, "not complete at the end");
	npt_trace_close(r);
	return n;
}

static inline void check_same(const struct npt_access *a, size_t na, const struct npt_access *b,
			      size_t nb, const char *what)
{
	size_t i;

	for (i = 0; i < na && i < nb; i++)
		CHECK(!memcmp(a + i, b + i, sizeof(*a)),
		      "%s: record %zu: %u of %u bytes at %#llx flags %u data %u, expected %u of %u bytes at %#llx flags %u data %u",
		      what, i, a[i].op, a[i].size, (unsigned long long)a[i].gva, a[i].flags,
		      a[i].data, b[i].op, b[i].size, (unsigned long long)b[i].gva, b[i].flags,
		      b[i].data);
	CHECK_EQ(na, nb, what);
}

#endif /* HOST_TRACE_HELP_H */
