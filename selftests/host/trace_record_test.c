// SPDX-License-Identifier: GPL-2.0
/*
 * npt record and npt trace as a user runs them, with a stand-in for valgrind that
 * behaves well or badly as each test wants. NPT names the tool if it is not where
 * it is built.
 */
#include <signal.h>
#include <sys/wait.h>

#include "trace_help.h"

#define TOOL		"../../userspace/npt/npt"
#define SECONDS		60	/* more than that is a hang */

/* What the stand-in starts with: descriptor 9 is the log. */
#define PROLOGUE \
	"#!/bin/sh\n" \
	"for a; do case $a in --log-fd=*) exec 9>/proc/self/fd/${a#--log-fd=};; esac; done\n" \
	"echo '==1== Using Valgrind-9.9 and LibVEX' >&9\n" \
	"echo '==1== Command: x' >&9\n"
#define RECORDS	"printf 'I  00401000,3\\n L 1fff000638,8\\n' >&9\n"
#define GOODBYE	"printf '==1== Exit code:       0' >&9\n"

/* What a run of the tool gave. */
static char out[65536], err[4096];

static const char *tool(void)
{
	const char *t = getenv("NPT");

	t = t ? t : TOOL;
	if (access(t, X_OK))
		test_skip("%s is not built", t);
	return t;
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Start the tool with up to 9 arguments; its output goes to files in memory. */
static pid_t start(int *o, int *e, const char *const *args)
{
	char *argv[12] = { (char *)tool() };
	pid_t pid;
	int i;

	for (i = 0; args[i]; i++)
		argv[i + 1] = (char *)args[i];
	*o = memfd_create("out", 0);
	*e = memfd_create("err", 0);
	pid = fork();
	if (!pid) {
		dup2(*o, 1);
		dup2(*e, 2);
		signal(SIGINT, SIG_DFL);
		execv(argv[0], argv);
		_exit(99);
	}
	return pid;
}

static int finish(pid_t pid, int o, int e)
{
	int status;

	alarm(SECONDS);
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	alarm(0);
	slurp(o, out, sizeof(out));
	slurp(e, err, sizeof(err));
	CHECK(WIFEXITED(status), "killed by signal %d: %s", WTERMSIG(status), err);
	return WEXITSTATUS(status);
}

/* Run it; the exit code must be @code and standard error one line that holds @text. */
static void run(int code, const char *text, const char *const *args)
{
	int o, e, got;
	pid_t pid = start(&o, &e, args);

	got = finish(pid, o, e);
	CHECK(got == code, "exit code %d, expected %d: %s", got, code, err);
	CHECK(strstr(err, text), "no '%s' in '%s'", text, err);
	CHECK(!*text || strchr(err, '\n') == err + strlen(err) - 1, "not one line: '%s'", err);
	test_cases++;
}

#define ARGS(...)		((const char *const[]){ __VA_ARGS__, NULL })
#define RUN(code, text, ...)	run(code, text, ARGS(__VA_ARGS__))

/* Make the stand-in; its name stays valid. */
static const char *stand_in(const char *what)
{
	static char path[128];
	FILE *f;

	strcpy(path, tmp_path("valgrind"));
	f = fopen(path, "w");
	CHECK(f && fputs(PROLOGUE, f) >= 0 && fputs(what, f) >= 0 && !fchmod(fileno(f), 0755) &&
	      !fclose(f), "%s: %s", path, strerror(errno));
	return path;
}

static const char *trace_path(void)
{
	static char path[128];

	return strcpy(path, tmp_path("t"));
}

/* Record with a stand-in that does @what; @text must be in the one line that is said. */
static void record(int code, const char *text, const char *what)
{
	const char *tool_path = stand_in(what);

	RUN(code, text, "record", "-o", trace_path(), "--tool-path", tool_path, "--", "true");
}

/* The trace holds @n records and this exit status; then all files go. */
static void check_trace(size_t n, int status)
{
	const struct npt_trace_info *info;
	struct npt_trace_reader *r;
	struct npt_access a[16];
	size_t got = 0;
	ssize_t ret;

	CHECK(!npt_trace_open(trace_path(), NPT_TRACE_NPT, &r, err, sizeof(err)), "%s", err);
	while ((ret = npt_trace_read(r, a, 16)) > 0)
		got += ret;
	CHECK(!ret, "%s", npt_trace_error(r));
	info = npt_trace_info(r);
	CHECK_EQ(got, n, "records");
	CHECK(info->exit_status == status, "status %#x, expected %#x", info->exit_status, status);
	CHECK(!strcmp(info->command, "true") && !strcmp(info->tool, "valgrind-9.9 lackey") &&
	      info->page_shift && info->arch[0], "'%s' '%s'", info->command, info->tool);
	npt_trace_close(r);
	unlink(tmp_path("valgrind"));
	tmp_end("t");
}

static void check_no_trace(void)
{
	tmp_end("valgrind");
}

static void endings(void)
{
	record(0, "npt: 2 accesses in ", RECORDS GOODBYE);
	check_trace(2, 0);
	record(0, "; true exited with status 3", RECORDS GOODBYE "exit 3");
	check_trace(2, 3 << 8);
	record(0, "; true was killed by signal 9", RECORDS "kill -9 $$");
	check_trace(2, 9);
	record(0, "; then true became another program", RECORDS "exec true");
	check_trace(2, 0);
	/* Somebody else has inherited the pipe and keeps it. */
	record(0, "npt: 2 accesses in ", RECORDS GOODBYE "sleep 20 >/dev/null 2>&1 & exit 0");
	check_trace(2, 0);
}

static void failures(void)
{
	record(1, "no access of true was recorded (valgrind ended with status 7)", "exit 7");
	check_no_trace();
	record(1, "no access of true was recorded (valgrind ended with signal 15)", "kill $$");
	check_no_trace();
	record(1, "valgrind: line 5: expected ", RECORDS "echo nonsense >&9; exec sleep 20");
	check_no_trace();
	record(1, "valgrind: line 5: cut in mid-line", RECORDS "printf 'I  0040' >&9");
	check_no_trace();
	RUN(1, "/dev/full: No space left on device", "record", "-o", "/dev/full", "--tool-path",
	    stand_in(RECORDS GOODBYE), "--", "true");
	RUN(1, "/nonexistent/t: No such file", "record", "-o", "/nonexistent/t", "--tool-path",
	    stand_in("touch $0.ran"), "--", "true");
	/* A disk that is full from the start must not cost a run of the program. */
	CHECK(access(tmp_path("valgrind.ran"), F_OK), "the program ran");
	check_no_trace();
}

static void usage(void)
{
	const char *t = stand_in("");

	RUN(1, "nosuch-program: program not found", "record", "--tool-path", t, "--",
	    "nosuch-program");
	RUN(1, "/etc: Is a directory", "record", "--tool-path", t, "--", "/etc");
	RUN(1, "/etc/passwd: Permission denied", "record", "--tool-path", t, "--", "/etc/passwd");
	RUN(1, "expected valgrind", "record", "--tool-path", "/nonexistent", "--", "true");
	RUN(2, "expected a program", "record");
	RUN(2, "-o needs a value", "record", "-o");
	RUN(2, "unknown option --what", "record", "--what", "--", "true");
	RUN(2, "expected a number", "record", "--max", "0", "--", "true");
	RUN(2, "standard output", "-j", "record", "-o", "-", "--", "true");
	RUN(2, "expected npt or lackey", "trace", "convert", "--to", "champsim", "a", "b");
	RUN(2, "expected npt, lackey", "trace", "convert", "--from", "elf", "a", "b");
	RUN(2, "expected IN and OUT", "trace", "convert", "a");
	RUN(2, "expected one trace", "trace", "show");
	RUN(1, "/nonexistent: No such file", "trace", "show", "/nonexistent");
	RUN(1, "/dev/null: empty", "trace", "convert", "/dev/null", "/dev/null");
	tmp_end("valgrind");
}

static void limit(void)
{
	const char *t = stand_in("trap 'exit 0' TERM\nwhile :; do " RECORDS "done");

	RUN(0, "limit reached", "record", "-o", trace_path(), "--max", "1001", "--tool-path", t,
	    "--", "true");
	check_trace(1001, -1);
}

/* Wait for a file that the stand-in makes, and remove it. */
static void wait_for(const char *path)
{
	alarm(SECONDS);
	while (unlink(path))
		usleep(1000);
	alarm(0);
}

/*
 * SIGINT to the tool alone: it passes that on, and kills at the second. The files
 * say when the program is ready and when it has got the signal and lives on.
 */
static void interrupted(void)
{
	static const struct {
		const char *trap;
		bool again;
		int status;
	} cases[] = {
		{ ":", false, SIGINT },
		{ "trap 'exit 5' INT", false, 5 << 8 },
		{ "trap 'touch $0.got' INT", true, SIGKILL },
	};
	char ready[128], got[128], what[256];
	const char *t;
	pid_t pid;
	size_t i;
	int o, e;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		strcpy(ready, tmp_path("valgrind.ready"));
		strcpy(got, tmp_path("valgrind.got"));
		snprintf(what, sizeof(what), "%s\n" RECORDS "touch $0.ready\n"
			 "while :; do sleep 0.01; done", cases[i].trap);
		t = stand_in(what);
		pid = start(&o, &e, ARGS("record", "-o", trace_path(), "--tool-path", t, "--",
					 "true"));
		wait_for(ready);
		CHECK(!kill(pid, SIGINT), "kill");
		if (cases[i].again) {
			wait_for(got);
			CHECK(!kill(pid, SIGINT), "kill");
		}
		CHECK_EQ(finish(pid, o, e), 0, err);
		CHECK(strstr(err, "; ended by the user"), "'%s'", err);
		check_trace(2, cases[i].status);
		test_cases++;
	}
}

/* The program's output must not get into the trace, nor into JSON. */
static void outputs(void)
{
	const char *t = stand_in("echo hello\n" RECORDS GOODBYE);

	RUN(0, "", "record", "-o", "-", "--tool-path", t, "--", "true");
	CHECK(!memcmp(out, "\x89NPT", 4) && strstr(err, "hello\n"), "'%s' '%s'", out, err);
	RUN(0, "hello", "-j", "record", "-o", trace_path(), "--tool-path", t, "--", "true");
	CHECK(out[0] == '{' && strstr(out, "\"records\""), "'%s'", out);
	RUN(0, "", "record", "-o", trace_path(), "--tool-path", t, "--", "true");
	CHECK(!strcmp(out, "hello\n"), "'%s'", out);
	check_trace(2, 0);
}

static void converting(void)
{
	char text[128], back[128];
	const char *t = stand_in(RECORDS GOODBYE);

	RUN(0, "", "record", "-o", trace_path(), "--tool-path", t, "--", "true");
	strcpy(text, tmp_path("text"));
	strcpy(back, tmp_path("back"));
	RUN(0, "", "trace", "convert", "--to", "lackey", trace_path(), text);
	RUN(0, "", "-j", "trace", "convert", text, back);
	CHECK(strstr(out, "\"from\"") && strstr(out, "lackey"), "'%s'", out);
	RUN(0, "", "trace", "convert", "--to", "lackey", back, "-");
	CHECK(!strcmp(out, "==0== Command: true\nI  00401000,3\n L 1fff000638,8\n"), "'%s'", out);
	RUN(0, "", "trace", "show", back);
	CHECK(strstr(out, "0x1fff000000"), "'%s'", out);
	RUN(1, "line 1: expected", "trace", "convert", "--from", "dynamorio", text, back);
	RUN(0, "", "trace", "show", back);
	unlink(text);
	unlink(back);
	check_trace(2, 0);
}

static void real_valgrind(void)
{
	struct npt_trace_reader *r;
	struct npt_access a;

	if (access("/usr/bin/valgrind", X_OK))
		test_skip("valgrind is not installed");
	RUN(0, " accesses in ", "record", "-o", trace_path(), "--max", "20000", "--", "/bin/ls",
	    "/");
	CHECK(!npt_trace_open(trace_path(), NPT_TRACE_AUTO, &r, err, sizeof(err)), "%s", err);
	CHECK(npt_trace_read(r, &a, 1) == 1 && a.op == NPT_OP_FETCH &&
	      a.flags == NPT_ACCESS_USER && !strcmp(npt_trace_info(r)->command, "/bin/ls /"),
	      "'%s'", npt_trace_info(r)->command);
	npt_trace_close(r);
	tmp_end("t");
}

static const struct test tests[] = {
	{ "record: how a program may end", endings },
	{ "record: what may go wrong", failures },
	{ "record: wrong command lines", usage },
	{ "record: --max", limit },
	{ "record: ended by the user", interrupted },
	{ "record: standard output", outputs },
	{ "record: show and convert", converting },
	{ "record: with valgrind itself", real_valgrind },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
