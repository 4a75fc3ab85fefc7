// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: any bytes, read in the format that the first one chooses, either
 * fail with one line of text or give records, the same in pieces of any size, that a
 * writer takes and a reader gives back unchanged. The checksums of the native format
 * are made right, as no fuzzer would find them: what is behind them is what matters.
 *
 * System calls and clearing the reader's window would take nearly all of the
 * time, so a descriptor is made up and the window kept (linked with --wrap).
 */
#include "fuzz.h"
#include "trace_help.h"
#include "trace_input.h"
#include "trace_native.h"

#define MAX_RECORDS	4096
#define MADE_UP		0x7ff00	/* no descriptor of the process */
#define WINDOW		(TRACE_INPUT_MAX + TRACE_INPUT_SLACK)

/* The file behind MADE_UP. */
static struct {
	const uint8_t *data;
	size_t len, pos;
} file;

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
off_t __real_lseek(int fd, off_t to, int whence);
off_t __wrap_lseek(int fd, off_t to, int whence);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __real_close(int fd);
int __wrap_close(int fd);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	if (fd != MADE_UP)
		return __real_read(fd, buf, n);
	if (n > file.len - file.pos)
		n = file.len - file.pos;
	memcpy(buf, file.data + file.pos, n);
	file.pos += n;
	return n;
}

off_t __wrap_lseek(int fd, off_t to, int whence)
{
	if (fd != MADE_UP)
		return __real_lseek(fd, to, whence);
	CHECK(whence == SEEK_SET || !to, "lseek() to where no reader goes");
	if (whence == SEEK_SET)
		file.pos = to;
	return file.pos;
}

int __wrap_fstat(int fd, struct stat *st)
{
	if (fd != MADE_UP)
		return __real_fstat(fd, st);
	*st = (struct stat) { .st_mode = S_IFREG, .st_size = file.len };
	return 0;
}

int __wrap_close(int fd)
{
	return fd == MADE_UP ? 0 : __real_close(fd);
}

/* Under AddressSanitizer the window is new each time, with its bounds watched. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEP_WINDOW	0
#elif defined(__has_feature)
#define KEEP_WINDOW	!__has_feature(address_sanitizer)
#else
#define KEEP_WINDOW	1
#endif

static uint8_t window[WINDOW];
static int window_used;

void *__wrap_calloc(size_t n, size_t size)
{
	if (KEEP_WINDOW && n == 1 && size == WINDOW && !window_used) {
		window_used = 1;
		return window;
	}
	return __real_calloc(n, size);
}

void __wrap_free(void *p)
{
	if (p == window)
		window_used = 0;
	else
		__real_free(p);
}

static int open_file(const void *data, size_t len, enum npt_trace_format format,
		     struct npt_trace_reader **r, char *err)
{
	const struct npt_trace_source source = { .fd = MADE_UP, .name = NAME };

	file.data = data;
	file.len = len;
	file.pos = 0;
	err[0] = '\0';
	return npt_trace_open_source(&source, format, r, err, NPT_TRACE_ERRLEN);
}

/* Correct the checksums of what looks like a header and blocks. */
static void mend(uint8_t *p, size_t len)
{
	uint8_t *end = p + len;
	size_t size;
	uint32_t crc;

	if (len < TRACE_HEAD_FIXED || memcmp(p, TRACE_MAGIC, TRACE_MAGIC_LEN))
		return;
	size = trace_get32(p + 12);
	if (size < TRACE_HEAD_FIXED + 4 || size > len)
		return;
	trace_put32(p + size - 4, trace_crc32c(0, p, size - 4));
	for (p += size; end - p >= TRACE_BLOCK_HEAD; p += TRACE_BLOCK_HEAD + size) {
		size = trace_get32(p + 8);
		if (size > (size_t)(end - p) - TRACE_BLOCK_HEAD)
			return;
		crc = trace_crc32c(0, p, TRACE_BLOCK_CRC_AT);
		crc = trace_crc32c(crc, p + TRACE_BLOCK_HEAD, size);
		trace_put32(p + TRACE_BLOCK_CRC_AT, crc);
	}
}

/* Read up to MAX_RECORDS in pieces of @piece; the line of a failure must be there. */
static size_t read_some(const uint8_t *data, size_t len, enum npt_trace_format format,
			size_t piece, struct npt_access *out)
{
	struct npt_trace_reader *r;
	char err[NPT_TRACE_ERRLEN];
	size_t got = 0;
	ssize_t n;

	if (open_file(data, len, format, &r, err)) {
		CHECK(err[0] && !strchr(err, '\n'), "no error line");
		return 0;
	}
	do {
		if (piece > MAX_RECORDS - got)
			piece = MAX_RECORDS - got;
		n = npt_trace_read(r, out + got, piece);
		if (n > 0)
			got += n;
	} while (n > 0 && got < MAX_RECORDS);
	if (n < 0)
		CHECK(npt_trace_error(r)[0] && !strchr(npt_trace_error(r), '\n'), "no error line");
	npt_trace_close(r);
	return got;
}

static void write_and_compare(const struct npt_access *a, size_t n)
{
	static struct npt_access back[MAX_RECORDS];
	struct npt_trace_writer *w;
	char err[NPT_TRACE_ERRLEN], path[64];
	uint8_t *data;
	size_t len;

	/* Writers want a name, but this need not go to a disk. */
	snprintf(path, sizeof(path), "/dev/shm/npt-fuzz-%d", (int)getpid());
	CHECK(!npt_trace_create(path, NPT_TRACE_NPT, NULL, &w, err, sizeof(err)), "create: %s",
	      err);
	CHECK(!npt_trace_write(w, a, n), "write: %s", npt_trace_writer_error(w));
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "commit: %s", err);
	len = read_file(path, &data);
	unlink(path);
	check_same(back, read_some(data, len, NPT_TRACE_NPT, 1000, back), a, n, "copy");
	free(data);
}

void fuzz_trace(const uint8_t *data, size_t len)
{
	static struct npt_access one[MAX_RECORDS], other[MAX_RECORDS];
	enum npt_trace_format format;
	uint8_t *copy;
	size_t n;

	if (len < 2)
		return;
	format = data[0] % (NPT_TRACE_CHAMPSIM + 1);
	copy = malloc(len);
	memcpy(copy, data + 1, --len);
	mend(copy, len);
	n = read_some(copy, len, format, MAX_RECORDS, one);
	check_same(other, read_some(copy, len, format, 3, other), one, n, "small pieces");
	/* Files take long: one input in eight. */
	if (n && data[0] >= 0xe0)
		write_and_compare(one, n);
	free(copy);
}

FUZZ_TARGET(trace)
