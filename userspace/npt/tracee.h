/* SPDX-License-Identifier: GPL-2.0 */
/* A program that runs under valgrind's lackey, which writes to a pipe what it sees. */
#ifndef NPT_TRACEE_H
#define NPT_TRACEE_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct tracee_options - how to run the program
 * @tool: valgrind, as a file or a name to be found in PATH
 * @children: trace the programs that it starts, too
 * @stdout_to_stderr: its standard output goes to standard error
 * @argv: the program and its arguments, NULL at the end
 */
struct tracee_options {
	const char *tool;
	bool children;
	bool stdout_to_stderr;
	char **argv;
};

/**
 * struct tracee - a running program
 * @pid: its process, which is valgrind's
 * @log: read end of the pipe; the caller passes it to a reader, which closes it
 * @children: as in the options
 * @exited: it has ended, with @status
 * @status: as waitpid(2) gives it
 * @interrupts: how often the user asked for an end
 */
struct tracee {
	pid_t pid;
	int log;
	bool children;
	bool exited;
	int status;
	int interrupts;
};

/*
 * Start the program; signals_take() must have been called. Returns an exit code
 * of npt, after a message if it is not NPT_EXIT_OK.
 */
int tracee_start(struct tracee *t, const struct tracee_options *opt);

/*
 * Wait until there is something in the pipe. 0: there is; 1: nothing will come
 * any more. In the form of struct npt_trace_source, @arg is the tracee.
 */
int tracee_wait(void *arg);

/* The pipe has ended: wait for the program, which may go on without it. */
void tracee_join(struct tracee *t);

/*
 * Stop the program if it still runs and learn its status. The pipe must be closed,
 * so that the program cannot hang on it.
 */
void tracee_end(struct tracee *t);

#endif /* NPT_TRACEE_H */
