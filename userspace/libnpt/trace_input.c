// SPDX-License-Identifier: GPL-2.0
/* Buffered input for trace readers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace_input.h"

/* One read(2): what is parsed next shall still be in the cache. */
#define READ_SIZE	(256 * 1024)

int trace_input_init(struct trace_input *in, const struct npt_trace_source *source)
{
	struct stat st;

	memset(in, 0, sizeof(*in));
	in->fd = source->fd;
	in->wait = source->wait;
	in->wait_arg = source->arg;
	in->start = lseek(in->fd, 0, SEEK_CUR);
	in->seekable = in->start >= 0;
	if (in->seekable && !fstat(in->fd, &st) && S_ISREG(st.st_mode) &&
	    st.st_size > in->start)
		in->size = st.st_size - in->start;
	in->name = strdup(source->name);
	in->buf = calloc(1, TRACE_INPUT_MAX + TRACE_INPUT_SLACK);
	if (!in->name || !in->buf) {
		free(in->name);
		free(in->buf);
		return -ENOMEM;
	}
	return 0;
}

void trace_input_destroy(struct trace_input *in)
{
	if (in->fd != STDIN_FILENO)
		close(in->fd);
	free(in->name);
	free(in->buf);
}

static void drop_consumed(struct trace_input *in)
{
	memmove(in->buf, in->buf + in->pos, in->end - in->pos);
	in->base += in->pos;
	in->end -= in->pos;
	in->pos = 0;
}

static int read_some(struct trace_input *in)
{
	size_t room;
	ssize_t n;
	int ret;

	ret = in->wait ? in->wait(in->wait_arg) : 0;
	if (ret < 0)
		return ret;
	if (ret > 0) {
		in->eof = true;
		return 0;
	}
	room = TRACE_INPUT_MAX - in->end;
	n = read(in->fd, in->buf + in->end, room < READ_SIZE ? room : READ_SIZE);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		in->eof = true;
	in->end += n;
	return 0;
}

ssize_t trace_input_fill(struct trace_input *in, size_t want)
{
	int ret;

	if (want > TRACE_INPUT_MAX)
		return -EMSGSIZE;
	if (trace_input_avail(in) < want && in->pos)
		drop_consumed(in);
	while (trace_input_avail(in) < want && !in->eof) {
		ret = read_some(in);
		if (ret)
			return ret;
	}
	return trace_input_avail(in);
}

int trace_input_rewind(struct trace_input *in)
{
	if (!in->seekable || lseek(in->fd, in->start, SEEK_SET) < 0)
		return -ESPIPE;
	in->eof = false;
	in->pos = 0;
	in->end = 0;
	in->base = 0;
	return 0;
}
