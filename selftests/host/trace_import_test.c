// SPDX-License-Identifier: GPL-2.0
/*
 * Importers: the text of lackey and DynamoRIO, ChampSim's records. Samples are
 * written by hand after what the tools print; nonsense must be refused with the
 * number of its line.
 */
#include "trace_help.h"

#define U	NPT_ACCESS_USER
#define FETCH(g, s)	{ .gva = g, .size = s, .op = NPT_OP_FETCH, .flags = U }
#define READ(g, s)	{ .gva = g, .size = s, .op = NPT_OP_READ, .flags = U }
#define WRITE(g, s)	{ .gva = g, .size = s, .op = NPT_OP_WRITE, .flags = U }

#define MAX_RECORDS	24

/**
 * struct sample - an input and what is to come of it
 * @what: for messages
 * @text: the input
 * @records: what is to be read, ends with size 0
 */
struct sample {
	const char *what;
	const char *text;
	struct npt_access records[MAX_RECORDS];
};

static size_t count(const struct npt_access *a)
{
	size_t n = 0;

	while (n < MAX_RECORDS && a[n].size)
		n++;
	return n;
}

/* Read @len bytes in several ways, always with the same result. */
static void check_good(const char *what, const void *data, size_t len,
		       enum npt_trace_format format, const struct npt_access *want, size_t n)
{
	static const size_t pieces[] = { 1, 2, 8, 100 };
	struct npt_access *got;
	char err[NPT_TRACE_ERRLEN];
	size_t nr;
	int i;

	for (i = 0; i < 8; i++) {
		CHECK_EQ(read_data(data, len, i & 1, i & 2 ? format : NPT_TRACE_AUTO,
				   pieces[i / 2], &got, &nr, err), 0, err);
		check_same(got, nr, want, n, what);
		free(got);
	}
	test_cases++;
}

/* @err must begin with the input's name and then @where; @before records come first. */
static void check_bad(const char *what, const void *data, size_t len,
		      enum npt_trace_format format, const char *where, size_t before)
{
	struct npt_access *got;
	char err[NPT_TRACE_ERRLEN], start[64];
	size_t nr;
	int ret, i;

	snprintf(start, sizeof(start), "%s: %s", NAME, where);
	for (i = 0; i < 2; i++) {
		ret = read_data(data, len, false, format, i ? 100 : 1, &got, &nr, err);
		CHECK(ret == -EBADMSG, "%s: result %d after %zu records", what, ret, nr);
		CHECK(!strncmp(err, start, strlen(start)), "%s: the line is '%s'", what, err);
		CHECK_EQ(nr, before, what);
		free(got);
	}
	test_cases++;
}

static void check_samples(const struct sample *s, size_t n, enum npt_trace_format format)
{
	for (; n--; s++)
		check_good(s->what, s->text, strlen(s->text), format, s->records,
			   count(s->records));
}

static void lackey_good(void)
{
	static const struct sample samples[] = {
		{ "all kinds",
		  "==396== Lackey, an example Valgrind tool\n==396== \n"
		  "I  0401ab70,3\n S 1fff000638,8\n L 0042c0d8,4\n M 0042c0e0,2\n",
		  { FETCH(0x401ab70, 3), WRITE(0x1fff000638, 8), READ(0x42c0d8, 4),
		    READ(0x42c0e0, 2), WRITE(0x42c0e0, 2) } },
		{ "no chatter", "I  04001000,3\n", { FETCH(0x4001000, 3) } },
		{ "chatter in between",
		  " L 1000,8\n==1== \n==1== Exit code:       0\n--1-- debug\n**1** printed\n\n"
		  "vex amd64->IR: unhandled instruction bytes: 0xF\n L 2000,8\n",
		  { READ(0x1000, 8), READ(0x2000, 8) } },
		{ "CR LF", "I  04001000,3\r\n\r\n S 5000,16\r\n",
		  { FETCH(0x4001000, 3), WRITE(0x5000, 16) } },
		{ "capitals and 0x", "I  0x0401AB70,3\n L BE80199C,4\n",
		  { FETCH(0x401ab70, 3), READ(0xbe80199c, 4) } },
		{ "extremes", " L 0,1\n L 0,65535\n S ffffffffffffffff,1\n S ffffffffffff0001,65535\n",
		  { READ(0, 1), READ(0, 65535), WRITE(~0ull, 1),
		    WRITE(0xffffffffffff0001, 65535) } },
		{ "the last line for people has no newline",
		  "I  04001000,3\n==7== Exit code:       0", { FETCH(0x4001000, 3) } },
	};

	check_samples(samples, ARRAY_SIZE(samples), NPT_TRACE_LACKEY);
}

static void lackey_bad(void)
{
	static const char *const lines[] = {
		"I  0401ab70", "I  0401ab70,", "I  ,3", "I  0401ab70,0", "I  0401ab70,65536",
		"I  0401ab70,99999999999999999999", "I  0401ab70,3x", "I  0401ab70,3 ",
		"I  0401ab70, 3", "I  0401abg0,3", "I 0401ab70,3", "I0401ab70,3", "X  0401ab70,3",
		" X 0401ab70,3", " I 0401ab70,3", "L  0401ab70,3", "S  0401ab70,3", " L-1,8",
		" L 11112222333344445,8", " L fffffffffffffff9,8", " S ffffffffffffffff,2",
		" M ffffffffffff0002,65535", "ls: cannot open", "==x== ", "=396= ", "I", " ", "I  ",
		"\x01\x02\x03", "\xff",
	};
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "==1== x\nI  04001000,3\n L 5000,8\n%s\n L 6000,8\n",
			 lines[i]);
		check_bad(lines[i], text, strlen(text), NPT_TRACE_LACKEY, "line 4: expected ", 2);
	}
}

/* Each cut within the last line is noticed, as it has no newline then. */
static void lackey_cut(void)
{
	static const char text[] = "I  04001000,3\n S 1fff000638,16\n";
	size_t i;

	for (i = 15; i < sizeof(text) - 2; i++)
		check_bad("cut", text, i, NPT_TRACE_LACKEY, "line 2: cut in mid-line", 1);
}

static void lackey_origin(void)
{
	static const char text[] =
		"==5== Using Valgrind-3.19.0 and LibVEX; rerun with -h\n"
		"==5== Command: ls -l\\ x /etc\nI  04001000,3\n==5== Exit code:       2\n";
	const struct npt_trace_info *info;
	struct npt_trace_reader *r;
	struct npt_access a[8];
	char err[NPT_TRACE_ERRLEN];

	CHECK(!open_data(text, strlen(text), true, NPT_TRACE_AUTO, &r, err), "%s", err);
	info = npt_trace_info(r);
	CHECK(npt_trace_read(r, a, 8) == 1 && npt_trace_read(r, a, 8) == 0, "one record");
	CHECK(!strcmp(info->command, "ls -l\\ x /etc"), "command '%s'", info->command);
	CHECK(!strcmp(info->tool, "valgrind-3.19.0 lackey"), "tool '%s'", info->tool);
	CHECK_EQ(info->exit_status, 2 << 8, "exit status");
	npt_trace_close(r);
}

/* Lines as long as the window, one byte more, and a record behind a long line. */
static void long_lines(void)
{
	size_t big = 1024 * 1024 + 4096, i;
	static const struct npt_access want[] = { FETCH(0x4001000, 3) };
	char *text = malloc(big + 64);

	for (i = big - 1; i <= big; i++) {
		memset(text, 'x', i);
		memcpy(text, "==1== ", 6);
		strcpy(text + i, "\nI  04001000,3\n");
		if (i < big)
			check_good("a long line", text, strlen(text), NPT_TRACE_LACKEY, want, 1);
		else
			check_bad("too long a line", text, strlen(text), NPT_TRACE_LACKEY,
				  "line 1: longer than", 0);
	}
	free(text);
}

/* Enough lines that records straddle the window's end in many ways. */
static void many_lines(void)
{
	size_t n = 400000, len = 0, i, nr;
	struct npt_access *want = calloc(n, sizeof(*want)), *got;
	char *text = malloc(n * 32), err[NPT_TRACE_ERRLEN];
	struct rnd rnd;

	rnd_seed(&rnd, 5);
	for (i = 0; i < n; i++) {
		want[i] = (struct npt_access)READ(rnd64(&rnd) >> (1 + rnd_below(&rnd, 60)),
						  1 + rnd_below(&rnd, 65535));
		len += sprintf(text + len, " L %08llx,%u\n", (unsigned long long)want[i].gva,
			       want[i].size);
	}
	for (i = 0; i < 2; i++) {
		CHECK_EQ(read_data(text, len, i, NPT_TRACE_AUTO, 1000, &got, &nr, err), 0, err);
		check_same(got, nr, want, n, "many lines");
		free(got);
	}
	test_cases = n;
	free(text);
	free(want);
}

static void dynamorio_good(void)
{
	static const struct sample samples[] = {
		{ "view tool with record and instruction numbers",
		  "Output format:\n<--record#-> <--instr#->: <---tid---> <record details>\n"
		  "------------------------------------------------------------\n"
		  "           1           0:     2765542 <marker: version 5>\n"
		  "           6           0:     2765542 <marker: tid 2765542 on core 2>\n"
		  "       47444       37769:     2765543 ifetch       6 byte(s) @ 0x0000000000404a78 0f 84 5b 01 00 00    jz     $0x0000000000404bd9 (untaken)\n"
		  "       47445       37770:     2765543 ifetch       8 byte(s) @ 0x0000000000401012 48 8d 34 25 00 20 40 lea    0x00402000 -> %rsi\n"
		  "       47445       37770:     2765543                                             00\n"
		  "       47446       37770:     2765543 read         8 byte(s) @ 0x00007fdf64e2adc8 by PC 0x0000000000404a7e\n"
		  "       47447       37771:     2765543 pref-w-L3-NT 8 byte(s) @ 0x00007f6c389fd238 by PC 0x00007f6cae908a5c\n"
		  "       47448       37771:     2765543 iflush      64 byte(s) @ 0x00007f6c389fd238 by PC 0x00007f6cae908a5c\n"
		  "       47449       37771:     2765543 ifetch       2 byte(s) @ 0x0000000000401030 non-fetched instruction\n"
		  "       47450       37771:     2765543 <thread 2765543 exited>\n"
		  "------------------------------------------------------------\n"
		  "       47451       37772: W0.T2765542 write       16 byte(s) @ 0x00007fdf64e2adc0 by PC 0x0000000000404a83\n"
		  "View tool results:\n              6 : total instructions\n\n"
		  "===========================================================================\n"
		  "Trace invariant checks passed\n",
		  { FETCH(0x404a78, 6), FETCH(0x401012, 8), READ(0x7fdf64e2adc8, 8),
		    WRITE(0x7fdf64e2adc0, 16) } },
		{ "view tool with record numbers only",
		  "   173369: T1774669 ifetch       3 byte(s) @ 0x0000000000402680 f3 48 a5             rep movsq\n"
		  "   173370: T1774669 read         8 byte(s) @ 0x00007f8881e37c70 by PC 0x0000000000402680\n"
		  "   173371: T1774669 write        8 byte(s) @ 0x00007f8881e37a70 by PC 0x0000000000402680\n"
		  "   173372: T1774669 ifetch 5 byte(s) @ 0x00007f7fe3a6175a  non-branch\n",
		  { FETCH(0x402680, 3), READ(0x7f8881e37c70, 8), WRITE(0x7f8881e37a70, 8),
		    FETCH(0x7f7fe3a6175a, 5) } },
		{ "view tool with threads only",
		  "T468608 <marker: version 3>\n"
		  "T468608   0x0000000000467c45  4c 8b 54 24 08       mov    0x08(%rsp), %r10\n"
		  "T468608     read  8 byte(s) @ 0x7fff9f5fd9b0\n"
		  "T468608   0x00007ff86d0c4648  48 89 94 24 50 02 00 mov    %rdx, 0x00000250(%rsp)\n"
		  "T468608                       00\n"
		  "T468608     write 8 byte(s) @ 0x7ff86c96fd50\n"
		  "T468608   0x0000000000467c4f  0f 05                syscall\n",
		  { FETCH(0x467c45, 5), READ(0x7fff9f5fd9b0, 8), FETCH(0x7ff86d0c4648, 8),
		    WRITE(0x7ff86c96fd50, 8), FETCH(0x467c4f, 2) } },
		{ "view tool with instructions only",
		  "  0x0000000000467c4a  b8 38 00 00 00       mov    $0x00000038, %eax\n"
		  "  0x00007ff86d0c4648  48 89 94 24 50 02 00 mov    %rdx, 0x00000250(%rsp)\n"
		  "                      00\n"
		  "  0x0000000000467c54  7c 13                jl     $0x0000000000467c69\n",
		  { FETCH(0x467c4a, 5), FETCH(0x7ff86d0c4648, 8), FETCH(0x467c54, 2) } },
		{ "memtrace_simple",
		  "Format: <data address>: <data size>, <(r)ead/(w)rite/opcode>\n"
		  "0x401018:  2, rep movs\n0x40200e:  1, r\n0x402000: 16, w\n"
		  "0x00007f59c2d002d3:  5, call\n0x401020:  3, ret\n",
		  { FETCH(0x401018, 2), READ(0x40200e, 1), WRITE(0x402000, 16),
		    FETCH(0x7f59c2d002d3, 5), FETCH(0x401020, 3) } },
		{ "memtrace_x86_text",
		  "Format: <instr address>,<(r)ead/(w)rite>,<data size>,<data address>\n"
		  "0x7f59c2d002d3,r,8,0x7ffeacab0ec8\n0x7f59c2d002d8,w,32,0x7ffeacab0ec0\n",
		  { READ(0x7ffeacab0ec8, 8), WRITE(0x7ffeacab0ec0, 32) } },
		{ "CR LF",
		  "0x401018:  2, push\r\n0x40200e:  1, w\r\n\r\n0x401018,r,8,0x1000\r\n"
		  "   2923096: T3551529 read  8 byte(s) @ 0x7fff9f5fd9b0\r\n",
		  { FETCH(0x401018, 2), WRITE(0x40200e, 1), READ(0x1000, 8),
		    READ(0x7fff9f5fd9b0, 8) } },
	};

	check_samples(samples, ARRAY_SIZE(samples), NPT_TRACE_DYNAMORIO);
}

static void dynamorio_bad(void)
{
	static const char *const lines[] = {
		"           5           0:     27655",
		"           5           0:     2765543",
		"           5           0:     2765543 ",
		"           5           0:     2765543 read",
		"           5           0:     2765543 read         8 byte(s) @ ",
		"           5           0:     2765543 read         8 byte(s) @ 0x",
		"           5           0:     2765543 read         8 byte(s) @ 12345678",
		"           5           0:     2765543 read         0 byte(s) @ 0x1000",
		"           5           0:     2765543 read     65536 byte(s) @ 0x1000",
		"           5           0:     2765543 read         8 byte(s) @ 0xfffffffffffffff9",
		"           5           0:     2765543 reads        8 byte(s) @ 0x1000",
		"           5           0:     2765543 xyz          8 byte(s) @ 0x1000",
		"           5           0: X2765543 read         8 byte(s) @ 0x1000",
		"           5           0      2765543 read         8 byte(s) @ 0x1000",
		"read         8 byte(s) @ 0x1000",
		"0x401018:  2", "0x401018:  2,", "0x401018:  0, r", "0x401018:  r", "0x401018",
		"0x401018  mov    %rdx", "0x401018,x,8,0x1000", "0x401018,r,8", "0x401018,r,8,0x",
		"0x401018,r,0,0x1000", "0x401018,r,8,0x1000,", "0x401018,r,2,0xffffffffffffffff",
		"0x11112222333344445: 8, r", "401018:  2, r", "hello, world", "I  04001000,3",
	};
	char text[512];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text),
			 "Output format:\n0x401018,r,8,0x1000\n%s\n0x401018,r,8,0x1000\n", lines[i]);
		check_bad(lines[i], text, strlen(text), NPT_TRACE_DYNAMORIO, "line 3: expected ", 1);
		/* A record that waits for its second line comes out before the error. */
		snprintf(text, sizeof(text), "\n  0x467c4a  b8 38 00 00 00       mov\n%s\n", lines[i]);
		check_bad(lines[i], text, strlen(text), NPT_TRACE_DYNAMORIO, "line 3: expected ", 1);
	}
}

/* An instruction as ChampSim stores it. */
struct champsim {
	uint64_t ip;
	uint8_t is_branch, taken, registers[6];
	uint64_t store[2];
	uint64_t load[4];
};

static void champsim_good(void)
{
	static const struct champsim rec[] = {
		{ .ip = 0x401000, .registers = { 1, 2, 3, 4, 5, 6 } },
		{ .ip = 0x401fff, .is_branch = 1, .taken = 1, .store = { 0x7fff0000, 0x7fff0fff },
		  .load = { 0, 0x5000, 0, 0x6000 } },
		{ .ip = 0x402000, .store = { 0, ~0ull }, .load = { 1, 2, 3, 4 } },
	};
	static const struct npt_access want[] = {
		FETCH(0x401000, 1),
		FETCH(0x401fff, 1), READ(0x5000, 1), READ(0x6000, 1), WRITE(0x7fff0000, 1),
		WRITE(0x7fff0fff, 1),
		FETCH(0x402000, 1), READ(1, 1), READ(2, 1), READ(3, 1), READ(4, 1), WRITE(~0ull, 1),
	};

	CHECK_EQ(sizeof(rec[0]), 64, "size of a record");
	check_good("champsim", rec, sizeof(rec), NPT_TRACE_CHAMPSIM, want, ARRAY_SIZE(want));
}

static void champsim_bad(void)
{
	struct champsim rec[4] = { { .ip = 1 }, { .ip = 2 }, { .ip = 3 }, { .ip = 4 } };
	size_t i;

	for (i = 129; i < 192; i++)
		check_bad("cut", rec, i, i & 1 ? NPT_TRACE_CHAMPSIM : NPT_TRACE_AUTO,
			  "byte 128: cut in mid-record", 2);
	rec[2].taken = 2;
	check_bad("branch_taken 2", rec, sizeof(rec), NPT_TRACE_CHAMPSIM, "byte 136: expected ", 2);
	rec[2].taken = 0;
	rec[2].is_branch = 0x49;
	check_bad("is_branch 0x49", rec, sizeof(rec), NPT_TRACE_CHAMPSIM, "byte 136: expected ", 2);
}

static void check_guess(const char *what, const void *data, size_t len, int want,
			const char *hint)
{
	char err[NPT_TRACE_ERRLEN];
	struct npt_trace_reader *r;
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = open_data(data, len, i, NPT_TRACE_AUTO, &r, err);
		CHECK(ret == want, "%s: result %d '%s'", what, ret, err);
		CHECK(!strncmp(err, NAME ": ", sizeof(NAME) + 1) && strstr(err, hint) &&
		      !strchr(err, '\n'), "%s: the line is '%s'", what, err);
	}
	test_cases++;
}

static void not_guessed(void)
{
	static const char noise[200] = "\x7f" "ELF\x02\x01\x01";
	static const char zeros[256];

	check_guess("empty", "", 0, -ENODATA, "empty");
	check_guess("gzip", "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10, -EPROTONOSUPPORT, "zcat");
	check_guess("xz", "\xfd" "7zXZ\0\0\x04", 8, -EPROTONOSUPPORT, "xzcat");
	check_guess("zstd", "\x28\xb5\x2f\xfd\x24", 5, -EPROTONOSUPPORT, "zstdcat");
	check_guess("bzip2", "BZh91AY", 7, -EPROTONOSUPPORT, "bzcat");
	check_guess("prose", "once upon a time\nI  04001000,3\n", 31, -EPROTONOSUPPORT, "known kind");
	check_guess("an ELF file", noise, sizeof(noise), -EPROTONOSUPPORT, "known kind");
	check_guess("zeros", zeros, sizeof(zeros), -EPROTONOSUPPORT, "known kind");
	check_guess("a newline", "\n", 1, -EPROTONOSUPPORT, "known kind");
	check_guess("no newline", "I  04001000,3", 13, -EPROTONOSUPPORT, "known kind");
	check_guess("half a champsim record", zeros + 200, 56, -EPROTONOSUPPORT, "known kind");
}

/* If the format is said, an input without a record is just that. */
static void nothing(void)
{
	static const enum npt_trace_format formats[] = {
		NPT_TRACE_LACKEY, NPT_TRACE_DYNAMORIO, NPT_TRACE_CHAMPSIM,
	};
	struct npt_access *got;
	char err[NPT_TRACE_ERRLEN];
	size_t i, nr;

	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		CHECK_EQ(read_data("", 0, i & 1, formats[i], 10, &got, &nr, err), 0, err);
		CHECK_EQ(nr, 0, "records");
		free(got);
	}
	CHECK_EQ(read_data("", 0, false, 77, 10, &got, &nr, err), -EINVAL, "format 77");
}

/* Descriptors that cannot be read. */
static void unreadable(void)
{
	struct npt_trace_reader *r;
	char err[NPT_TRACE_ERRLEN];

	CHECK_EQ(npt_trace_open("/nonexistent/file", 0, &r, err, sizeof(err)), -ENOENT, "no file");
	CHECK(!strcmp(err, "/nonexistent/file: No such file or directory"), "'%s'", err);
	CHECK_EQ(npt_trace_open("/tmp", 0, &r, err, sizeof(err)), -EISDIR, "a directory");
	CHECK(!strcmp(err, "/tmp: Is a directory"), "'%s'", err);
	CHECK_EQ(npt_trace_open("/nonexistent/file", 0, &r, NULL, 0), -ENOENT, "no buffer");
}

static void names(void)
{
	enum npt_trace_format f, back;

	for (f = NPT_TRACE_AUTO; f <= NPT_TRACE_CHAMPSIM; f++)
		CHECK(!npt_trace_format_by_name(npt_trace_format_name(f), &back) && back == f,
		      "format %d", f);
	CHECK(!npt_trace_format_name(f), "one too many");
	CHECK_EQ(npt_trace_format_by_name("elf", &back), -EINVAL, "unknown name");
}

static const struct test tests[] = {
	{ "import: names of formats", names },
	{ "import: lackey", lackey_good },
	{ "import: lackey, nonsense", lackey_bad },
	{ "import: lackey, cut", lackey_cut },
	{ "import: lackey, command and exit status", lackey_origin },
	{ "import: long lines", long_lines },
	{ "import: many lines", many_lines },
	{ "import: dynamorio", dynamorio_good },
	{ "import: dynamorio, nonsense", dynamorio_bad },
	{ "import: champsim", champsim_good },
	{ "import: champsim, cut and nonsense", champsim_bad },
	{ "import: inputs that are no trace", not_guessed },
	{ "import: inputs without a record", nothing },
	{ "import: inputs that cannot be read", unreadable },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
