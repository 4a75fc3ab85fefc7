// SPDX-License-Identifier: GPL-2.0
/* Running a program under valgrind's lackey. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "npt.h"
#include "signals.h"
#include "tracee.h"

/* The log's descriptor in the program: above those that it would get itself. */
#define LOG_FD		100

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define PIPE_SIZE	(1024 * 1024)

/* What a program gets to clean up before it is killed, and how often we look. */
#define GRACE_MS	2000
#define LOOK_MS		20

extern char **environ;

/* 0 if @path is a program that may be run, else an errno. */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) ? errno : 0;
}

/* The same for what a shell would find for @name. */
static int find_program(const char *name)
{
	const char *path = getenv("PATH");
	int ret, found = ENOENT;
	char *file;

	if (strchr(name, '/'))
		return check_program(name);
	path = path ? path : "/bin:/usr/bin";
	while (*path) {
		size_t len = strcspn(path, ":");

		if (asprintf(&file, "%.*s/%s", (int)len, len ? path : ".", name) < 0)
			return ENOMEM;
		ret = check_program(file);
		free(file);
		if (!ret)
			return 0;
		if (ret != ENOENT && ret != ENOTDIR)
			found = ret;
		path += len + (path[len] == ':');
	}
	return found;
}

static int check_both(const struct tracee_options *opt)
{
	int err = find_program(opt->tool);

	if (err == ENOENT)
		return npt_err("record: %s: not found, expected valgrind (Debian: apt install valgrind, or say --tool-path FILE)",
			       opt->tool);
	if (!err) {
		err = *opt->argv[0] ? find_program(opt->argv[0]) : ENOENT;
		if (!err)
			return NPT_EXIT_OK;
		return npt_err("record: %s: %s", opt->argv[0],
			       err == ENOENT ? "program not found" : strerror(err));
	}
	return npt_err("record: %s: %s", opt->tool, strerror(err));
}

static int choose_log_fd(int fd)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur <= LOG_FD)
		return fd;
	return LOG_FD;
}

/*
 * Options from the user's environment could change what is written; the
 * debugger's files are of no use here.
 */
static char **make_command(const struct tracee_options *opt, char *log_option)
{
	char *const fixed[] = {
		(char *)opt->tool, "--command-line-only=yes", "--tool=lackey",
		"--trace-mem=yes", "--vgdb=no", log_option,
		opt->children ? "--trace-children=yes" : "--trace-children=no",
		opt->children ? "--child-silent-after-fork=no" :
				"--child-silent-after-fork=yes",
		"--",
	};
	size_t n = ARRAY_SIZE(fixed);
	size_t args = 0;
	char **command;

	while (opt->argv[args])
		args++;
	command = malloc((n + args + 1) * sizeof(*command));
	if (!command)
		return NULL;
	memcpy(command, fixed, sizeof(fixed));
	memcpy(command + n, opt->argv, (args + 1) * sizeof(*command));
	return command;
}

static int spawn(struct tracee *t, const struct tracee_options *opt, int log)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char log_option[32];
	char **command;
	sigset_t reset;
	int fd = choose_log_fd(log);
	int err;

	snprintf(log_option, sizeof(log_option), "--log-fd=%d", fd);
	command = make_command(opt, log_option);
	if (!command)
		return ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, log, fd);
	if (opt->stdout_to_stderr)
		posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	sigemptyset(&reset);
	sigaddset(&reset, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &reset);
	posix_spawnattr_setsigmask(&attr, signals_old_mask());
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	err = posix_spawnp(&t->pid, opt->tool, &actions, &attr, command, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(command);
	return err;
}

int tracee_start(struct tracee *t, const struct tracee_options *opt)
{
	int fds[2];
	int ret = check_both(opt);

	if (ret)
		return ret;
	if (pipe2(fds, O_CLOEXEC))
		return npt_err("record: cannot make a pipe: %s", strerror(errno));
	/* Fewer switches between the two processes; the default does, too. */
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	memset(t, 0, sizeof(*t));
	t->children = opt->children;
	t->log = fds[0];
	ret = spawn(t, opt, fds[1]);
	close(fds[1]);
	if (ret) {
		close(fds[0]);
		return npt_err("record: %s: %s", opt->tool, strerror(ret));
	}
	return NPT_EXIT_OK;
}

static void reap(struct tracee *t)
{
	if (!t->exited && waitpid(t->pid, &t->status, WNOHANG) == t->pid)
		t->exited = true;
}

/* The first wish goes to the program (if it did not get it), the second kills it. */
static void obey(struct tracee *t)
{
	int sig = signals_private();

	t->interrupts = signals_wishes();
	if (t->exited)
		return;
	if (t->interrupts > 1)
		kill(t->pid, SIGKILL);
	else if (sig)
		kill(t->pid, sig);
}

/* See to all that a signal may have told; waits for none if it is not to @block. */
static int look_around(struct tracee *t, int fd, bool block)
{
	int ret = signals_wait(fd, block);

	if (signals_wishes() != t->interrupts)
		obey(t);
	reap(t);
	return ret;
}

int tracee_wait(void *arg)
{
	struct tracee *t = arg;
	bool last;
	int ret;

	for (;;) {
		/* Others may hold the pipe open for ever once the program is gone. */
		last = t->exited && (!t->children || t->interrupts);
		ret = look_around(t, t->log, !last);
		if (ret)
			return ret < 0 ? ret : 0;
		if (last)
			return 1;
	}
}

void tracee_join(struct tracee *t)
{
	reap(t);
	while (!t->exited)
		look_around(t, -1, true);
}

void tracee_end(struct tracee *t)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	int waited;

	reap(t);
	if (!t->exited)
		kill(t->pid, SIGTERM);
	for (waited = 0; !t->exited && waited < GRACE_MS; waited += LOOK_MS) {
		nanosleep(&look, NULL);
		reap(t);
	}
	if (!t->exited) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, &t->status, 0);
		t->exited = true;
	}
}
