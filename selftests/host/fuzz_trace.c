// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target: any bytes, read in each format, either fail with one line of
 * text or give records that a writer takes and a reader gives back unchanged.
 * The checksums of the native format are made right, as no fuzzer would find
 * them: what is behind them is what matters.
 */
#include "trace_help.h"
#include "trace_native.h"

#define MAX_RECORDS	4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

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

	if (open_data(data, len, false, format, &r, err)) {
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

/* The format that fits, or else one or the other. */
static enum npt_trace_format choose(const uint8_t *data, size_t len)
{
	struct npt_trace_reader *r;
	enum npt_trace_format format = NPT_TRACE_NPT + len % 4;
	char err[NPT_TRACE_ERRLEN];

	if (!open_data(data, len, false, NPT_TRACE_AUTO, &r, err)) {
		format = npt_trace_info(r)->format;
		npt_trace_close(r);
	}
	return format;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct npt_access one[MAX_RECORDS], other[MAX_RECORDS];
	enum npt_trace_format format;
	uint8_t *copy = malloc(len + 1);
	size_t n;

	memcpy(copy, data, len);
	mend(copy, len);
	format = choose(copy, len);
	n = read_some(copy, len, format, MAX_RECORDS, one);
	check_same(other, read_some(copy, len, format, 3, other), one, n, "small pieces");
	if (n)
		write_and_compare(one, n);
	free(copy);
	return 0;
}
