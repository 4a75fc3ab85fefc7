// SPDX-License-Identifier: GPL-2.0
/*
 * The native trace format: what is written is read again, whatever it is; what is
 * cut or damaged anywhere is refused, and what was before that place is not lost.
 */
#include "trace_help.h"
#include "trace_native.h"

/* A stream of accesses like a program's, with everything else now and then. */
static void make_records(struct rnd *rnd, struct npt_access *a, size_t n)
{
	uint64_t pc = rnd64(rnd) >> rnd_below(rnd, 40);
	uint64_t place[6];
	uint8_t flags = NPT_ACCESS_USER;
	size_t i;

	for (i = 0; i < 6; i++)
		place[i] = rnd64(rnd) >> rnd_below(rnd, 60);
	for (i = 0; i < n; i++) {
		a[i] = (struct npt_access){ .op = rnd_below(rnd, 3) };
		if (rnd_one_in(rnd, 500))
			flags = rnd64(rnd);
		a[i].flags = flags;
		if (a[i].op == NPT_OP_FETCH) {
			if (rnd_one_in(rnd, 8))
				pc += (int64_t)rnd64(rnd) >> rnd_below(rnd, 64);
			a[i].size = 1 + rnd_below(rnd, 15);
			a[i].gva = pc;
		} else {
			unsigned int k = rnd_below(rnd, 6);

			place[k] += (int64_t)rnd64(rnd) >>
				    (rnd_bool(rnd) ? 58 : rnd_below(rnd, 64));
			a[i].size = 1 << rnd_below(rnd, 6);
			a[i].gva = place[k];
		}
		if (rnd_one_in(rnd, 50))
			a[i].size = 1 + rnd_below(rnd, 65535);
		if (rnd_one_in(rnd, 300))
			a[i].data = rnd64(rnd);
		if (rnd_one_in(rnd, 200)) {
			a[i].op = rnd_below(rnd, NPT_TRACE_OPS);
			a[i].gva = rnd64(rnd);
		}
		/* The very end of the address space is a good place, behind it is not. */
		if (a[i].op <= NPT_OP_FETCH && a[i].gva + (a[i].size - 1) < a[i].gva)
			a[i].gva = -(uint64_t)a[i].size;
		if (a[i].op == NPT_OP_FETCH)
			pc = a[i].gva + a[i].size;
		if (a[i].op > NPT_OP_FETCH && rnd_bool(rnd))
			a[i].size = 0;
	}
}

/* Write @n records to the file "t" and read the file into memory. */
static size_t write_trace(const struct npt_access *a, size_t n, const struct npt_trace_info *info,
			  int status, uint8_t **data)
{
	char err[NPT_TRACE_ERRLEN];
	struct npt_trace_writer *w;
	uint64_t size;
	size_t done, len;

	CHECK(!npt_trace_create(tmp_path("t"), NPT_TRACE_NPT, info, &w, err, sizeof(err)),
	      "create: %s", err);
	for (done = 0; done < n; done += len) {
		len = n - done < 7777 ? n - done : 7777;
		CHECK(!npt_trace_write(w, a + done, len), "write: %s",
		      npt_trace_writer_error(w));
	}
	CHECK(n || !npt_trace_write(w, a, 0), "write nothing");
	npt_trace_set_exit_status(w, status);
	size = npt_trace_written(w);
	CHECK(!npt_trace_commit(w, err, sizeof(err)), "commit: %s", err);
	len = read_file(tmp_path("t"), data);
	tmp_end("t");
	CHECK_EQ(len, size, "the size told before the commit");
	return len;
}

static void round_trip(void)
{
	static const size_t pieces[] = { 1, 3, 7, 8, 9, 1000, 100000 };
	struct npt_access *a, *b;
	char err[NPT_TRACE_ERRLEN];
	unsigned long round;
	size_t n, got, len, i;
	struct rnd rnd;
	uint8_t *data;

	for_each_round(round, 30, &rnd) {
		n = 1 + rnd_below(&rnd, round % 10 == 9 ? 400000 : 3000);
		a = malloc(n * sizeof(*a));
		make_records(&rnd, a, n);
		len = write_trace(a, n, NULL, -1, &data);
		for (i = 0; i < 7; i++) {
			if (n > 10000 && pieces[i] < 100)
				continue;
			CHECK_EQ(read_data(data, len, i & 1, i & 2 ? NPT_TRACE_AUTO : NPT_TRACE_NPT,
					   pieces[i], &b, &got, err), 0, err);
			check_same(b, got, a, n, "read back");
			free(b);
		}
		free(data);
		free(a);
		test_cases += n;
	}
}

/* A program that runs straight on and works on its stack and two arrays. */
static void compactness(void)
{
	struct npt_access a[30000];
	uint64_t pc = 0x401000;
	size_t i, n = 30000;
	uint8_t *data;

	for (i = 0; i < n; i++) {
		uint64_t place[] = { 0x1fff000000ull - i % 64 * 8, 0x4a00000 + i,
				     0x7f1234560000ull + i * 8 };

		a[i] = (struct npt_access){ .flags = NPT_ACCESS_USER, .size = 4, .op = NPT_OP_FETCH,
					    .gva = pc };
		pc += 4;
		if (i % 3 == 2) {
			a[i].op = i & 1;
			a[i].size = 8;
			a[i].gva = place[i / 3 % 3];
		}
		if (i % 10 == 9)
			pc -= 32;
	}
	i = write_trace(a, n, NULL, -1, &data);
	CHECK(i <= 2 * n, "%zu bytes for %zu records, expected at most 2 each", i, n);
	free(data);
	test_cases = n;
}

static void origin(void)
{
	const struct npt_trace_info info = {
		.command = "ls -lR '/etc'", .arch = "x86_64", .tool = "test", .page_shift = 12,
	};
	const struct npt_access a = { .gva = 4096, .size = 1, .op = NPT_OP_READ };
	const struct npt_trace_info *back;
	char err[NPT_TRACE_ERRLEN];
	struct npt_trace_reader *r;
	struct npt_access b[2];
	uint8_t *data;
	size_t len;

	len = write_trace(&a, 1, &info, 0x0200, &data);
	CHECK(!open_data(data, len, false, NPT_TRACE_AUTO, &r, err), "%s", err);
	back = npt_trace_info(r);
	CHECK(back->format == NPT_TRACE_NPT && !strcmp(back->command, info.command) &&
	      !strcmp(back->arch, info.arch) && !strcmp(back->tool, info.tool) &&
	      back->page_shift == 12 && !back->complete && back->exit_status == -1,
	      "the header says '%s' '%s' '%s' %u", back->command, back->arch, back->tool,
	      back->page_shift);
	CHECK(npt_trace_read(r, b, 2) == 1 && npt_trace_read(r, b, 2) == 0, "one record");
	CHECK(back->complete && back->records == 1 && back->exit_status == 0x0200,
	      "the end says %d %llu %#x", back->complete, (unsigned long long)back->records,
	      back->exit_status);
	npt_trace_close(r);
	free(data);
}

static void no_records(void)
{
	struct npt_access *b;
	char err[NPT_TRACE_ERRLEN];
	uint8_t *data;
	size_t len, got;

	len = write_trace(NULL, 0, NULL, -1, &data);
	CHECK_EQ(read_data(data, len, false, NPT_TRACE_AUTO, 10, &b, &got, err), 0, err);
	CHECK_EQ(got, 0, "records");
	free(data);
	free(b);
}

static void rewinding(void)
{
	struct npt_access a[500], b[300];
	char err[NPT_TRACE_ERRLEN];
	struct npt_trace_reader *r;
	uint8_t *data;
	struct rnd rnd;
	size_t len;
	int i;

	rnd_seed(&rnd, 1);
	make_records(&rnd, a, 500);
	len = write_trace(a, 500, NULL, -1, &data);
	CHECK(!open_data(data, len, false, NPT_TRACE_AUTO, &r, err), "%s", err);
	for (i = 0; i < 4; i++) {
		size_t n = (size_t)i * 75 + 5;
		ssize_t got = npt_trace_read(r, b, n);

		CHECK(got > 0, "read: %s", npt_trace_error(r));
		check_same(b, got, a, got, "after a rewind");
		while (i == 3 && npt_trace_read(r, b, 300) > 0)
			;
		CHECK(!npt_trace_rewind(r), "rewind: %s", npt_trace_error(r));
	}
	npt_trace_close(r);
	CHECK(!open_data(data, len, true, NPT_TRACE_AUTO, &r, err), "%s", err);
	CHECK_EQ(npt_trace_rewind(r), -ESPIPE, "rewind of a pipe");
	CHECK(npt_trace_error(r)[0], "no error line");
	npt_trace_close(r);
	free(data);
}

/* Damaged data must fail, and give nothing but a beginning of the records. */
static void must_fail(const uint8_t *data, size_t len, bool pipe_it, const struct npt_access *a,
		      size_t n, const char *what)
{
	struct npt_access *b;
	char err[NPT_TRACE_ERRLEN];
	size_t got;
	int ret = read_data(data, len, pipe_it, NPT_TRACE_NPT, 64, &b, &got, err);

	CHECK(ret == -EBADMSG, "%s: result %d '%s'", what, ret, err);
	CHECK(!strncmp(err, NAME ": ", sizeof(NAME) + 1), "%s: '%s' does not name the input",
	      what, err);
	CHECK(n > 1 ? got <= n : got == n, "%s: %zu records of %zu", what, got, n);
	check_same(b, got, a, got, what);
	free(b);
	test_cases++;
}

static size_t small_trace(struct npt_access *a, size_t n, uint8_t **data)
{
	const struct npt_trace_info info = { .command = "true", .tool = "test" };
	struct rnd rnd;

	rnd_seed(&rnd, 7);
	make_records(&rnd, a, n);
	return write_trace(a, n, &info, 0, data);
}

static void cut_anywhere(void)
{
	struct npt_access a[300];
	uint8_t *data;
	size_t i, len = small_trace(a, 300, &data);

	for (i = 0; i < len; i++) {
		snprintf(test_context, sizeof(test_context), "cut to %zu of %zu bytes", i, len);
		must_fail(data, i, i % 2, a, 300, "cut");
	}
	free(data);
}

static void damaged_anywhere(void)
{
	struct npt_access a[300];
	uint8_t *data;
	size_t i, len = small_trace(a, 300, &data);
	int bit;

	for (i = 0; i < len; i++) {
		for (bit = 0; bit < 8; bit++) {
			snprintf(test_context, sizeof(test_context), "byte %zu bit %d", i, bit);
			data[i] ^= 1 << bit;
			must_fail(data, len, false, a, 300, "damaged");
			data[i] ^= 1 << bit;
		}
	}
	free(data);
}

/* Offset and length of each block. */
static unsigned int find_blocks(const uint8_t *data, size_t len, size_t *at, size_t *size,
				unsigned int max)
{
	size_t p = trace_get32(data + 12);
	unsigned int n = 0;

	for (; p < len && n < max; n++) {
		at[n] = p;
		size[n] = TRACE_BLOCK_HEAD + trace_get32(data + p + 8);
		p += size[n];
	}
	CHECK(n == max || p == len, "blocks fill the file");
	return n;
}

static void blocks_in_disorder(void)
{
	size_t n = 500000, at[16], size[16], len, done;
	struct npt_access *a = malloc(n * sizeof(*a));
	uint8_t *data, *other;
	unsigned int nr;
	struct rnd rnd;

	rnd_seed(&rnd, 3);
	make_records(&rnd, a, n);
	len = write_trace(a, n, NULL, -1, &data);
	nr = find_blocks(data, len, at, size, 16);
	CHECK(nr >= 4, "only %u blocks", nr);
	other = malloc(len + 100);

	/* The second is missing. */
	memcpy(other, data, at[1]);
	memcpy(other + at[1], data + at[2], len - at[2]);
	must_fail(other, len - size[1], false, a, n, "block missing");

	/* The first two have changed places. */
	done = at[0];
	memcpy(other, data, done);
	memcpy(other + done, data + at[1], size[1]);
	memcpy(other + done + size[1], data + at[0], size[0]);
	memcpy(other + at[2], data + at[2], len - at[2]);
	must_fail(other, len, false, a, n, "blocks exchanged");

	/* Only the end mark is missing, then more follows it, then it comes twice. */
	must_fail(data, at[nr - 1], false, a, n, "no end");
	memcpy(other, data, len);
	other[len] = '\n';
	must_fail(other, len + 1, false, a, n, "a byte behind the end");
	memcpy(other + len, data + at[nr - 1], size[nr - 1]);
	must_fail(other, len + size[nr - 1], true, a, n, "two ends");
	free(other);
	free(data);
	free(a);
}

/* A block with a right checksum and a wrong content: a writer's fault. */
static size_t forge(uint8_t *out, const uint8_t *payload, size_t len, uint32_t records)
{
	uint8_t *p = out;
	uint32_t crc;

	memcpy(p, TRACE_MAGIC, TRACE_MAGIC_LEN);
	trace_put16(p + 8, TRACE_MAJOR);
	trace_put16(p + 10, TRACE_MINOR);
	trace_put32(p + 12, TRACE_HEAD_FIXED + 4);
	trace_put32(p + 16, trace_crc32c(0, p, 16));
	p += TRACE_HEAD_FIXED + 4;
	trace_put32(p, TRACE_BLOCK_DATA);
	trace_put32(p + 4, 0);
	trace_put32(p + 8, len);
	trace_put32(p + 12, records);
	memcpy(p + TRACE_BLOCK_HEAD, payload, len);
	crc = trace_crc32c(0, p, TRACE_BLOCK_CRC_AT);
	crc = trace_crc32c(crc, payload, len);
	trace_put32(p + TRACE_BLOCK_CRC_AT, crc);
	return p + TRACE_BLOCK_HEAD + len - out;
}

static void forged_payloads(void)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		uint8_t len;
		uint32_t records;
		uint8_t good;	/* fetches of 1 byte at 0 that come before */
	} cases[] = {
		{ "fewer records than stated", { 0x01 }, 1, 2, 1 },
		{ "more records than stated", { 0x01, 0x01 }, 2, 1, 1 },
		{ "unknown tag later", { 0x01, 0x70 }, 2, 2, 1 },
		{ "around the end later", { 0x01, 0x12, 0xfe }, 3, 2, 1 },
		{ "behind the end later", { 0x01, 0x21, 0 }, 3, 2, 1 },
		{ "no record", { 0x01 }, 1, 0 },
		{ "empty payload", { 0 }, 0, 1 },
		{ "too many stated", { 0x01 }, 1, 0xffffffff },
		{ "difference behind the end", { 0x51, 1, 2 }, 3, 1 },
		{ "size behind the end", { 0xb0, 1, 8 }, 3, 1 },
		{ "size 0", { 0xb0, 1, 0, 0 }, 4, 1 },
		{ "fetch of size 0", { 0x20, 1, 1 }, 3, 1 },
		{ "unknown difference", { 0x61 }, 1, 1 },
		{ "unknown tag", { 0x30 }, 1, 1 },
		{ "operation 16", { 0, 16 }, 21, 1 },
		{ "any record behind the end", { 0, 3 }, 20, 1 },
		{ "any record of size 0", { 0, 0 }, 21, 1 },
		{ "64 bits of data", { 0, 3, [17] = 1 }, 21, 1 },
		{ "flags alone", { 0x10, 0 }, 2, 1 },
		{ "flags behind the end", { 0x10 }, 1, 1 },
		{ "fetch around the end", { 0x12, 0xff }, 2, 1 },
		{ "read around the end", { 0x80, 0xff }, 2, 1 },
	};
	const struct npt_access first = {
		.size = 1, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER,
	};
	uint8_t data[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(data, forge(data, cases[i].bytes, cases[i].len, cases[i].records), false,
			  &first, cases[i].good, cases[i].what);
}

/* The example in Documentation/trace-format.rst. */
static void documented(void)
{
	static const uint8_t payload[] = {
		0x33, 0x00, 0x10, 0x40,
		0x04,
		0x8c, 0x38, 0x06, 0x00, 0xff, 0x1f, 0x00, 0x00, 0x00,
		0xc0, 0xf8,
		0xb9, 0x10, 0x20, 0x4a, 0x00, 0x02, 0x00,
		0x13, 0xf9,
	};
	static const struct npt_access a[] = {
		{ .gva = 0x401000, .size = 3, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER },
		{ .gva = 0x401003, .size = 4, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER },
		{ .gva = 0x1fff000638, .size = 8, .op = NPT_OP_READ, .flags = NPT_ACCESS_USER },
		{ .gva = 0x1fff000630, .size = 8, .op = NPT_OP_WRITE, .flags = NPT_ACCESS_USER },
		{ .gva = 0x4a2010, .size = 2, .op = NPT_OP_READ, .flags = NPT_ACCESS_USER },
		{ .gva = 0x401000, .size = 3, .op = NPT_OP_FETCH, .flags = NPT_ACCESS_USER },
	};
	struct npt_access *b;
	char err[NPT_TRACE_ERRLEN];
	uint8_t data[128], *file;
	size_t got, at, size, len = write_trace(a, 6, NULL, -1, &file);

	/* The writer makes just these bytes, and the reader knows them. */
	find_blocks(file, len, &at, &size, 1);
	CHECK_EQ(trace_get32(file + at + 8), sizeof(payload), "bytes of payload");
	CHECK(!memcmp(file + at + TRACE_BLOCK_HEAD, payload, sizeof(payload)), "the payload");
	free(file);
	len = forge(data, payload, sizeof(payload), 6);
	CHECK_EQ(read_data(data, len, false, NPT_TRACE_NPT, 8, &b, &got, err), -EBADMSG, err);
	check_same(b, got, a, 6, "the example");
	free(b);
}

static void checksum(void)
{
	uint8_t text[64];
	uint32_t whole;
	int i;

	/* The check value that catalogues of CRCs give for CRC-32C. */
	CHECK_EQ(trace_crc32c(0, "123456789", 9), 0xe3069283, "CRC-32C of 123456789");
	for (i = 0; i < 64; i++)
		text[i] = i * 7;
	whole = trace_crc32c(0, text, 64);
	for (i = 0; i <= 64; i++)
		CHECK_EQ(trace_crc32c(trace_crc32c(0, text, i), text + i, 64 - i), whole,
			 "in two parts");
}

static const struct test tests[] = {
	{ "trace: CRC-32C", checksum },
	{ "trace: the document's example", documented },
	{ "trace: random records survive a round trip", round_trip },
	{ "trace: two bytes a record", compactness },
	{ "trace: command, machine, tool and exit status", origin },
	{ "trace: no records at all", no_records },
	{ "trace: rewind", rewinding },
	{ "trace: cut at each byte", cut_anywhere },
	{ "trace: each bit damaged", damaged_anywhere },
	{ "trace: blocks missing, exchanged, added", blocks_in_disorder },
	{ "trace: payloads that a faulty writer could make", forged_payloads },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
