// SPDX-License-Identifier: GPL-2.0
/*
 * The campaign: choose a program, note it where a crash leaves it readable (the
 * kernel's log), let a child run it, watch that no operation hangs, keep it
 * if it reached code that none did before.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../nlraw.h"
#include "kfuzz.h"

#define MAX_CORPUS	4096
#define SECOND		1000000000ull
/* An operation is asked to come back after so long, */
#define PATIENCE	(SECOND / 2)
/* and so long after that it hangs: emulators are slow and shared. */
#define HANG		(40 * SECOND)
/* A program is cut short. */
#define LONGEST		(5 * SECOND)

static struct {
	uint64_t seed, ops, seconds;
	unsigned int times;
	const char *replay;
	bool print, alone;
} opts = { .seed = 1, .ops = 20000, .seconds = 1ull << 32, .times = 20 };

static struct chain corpus[MAX_CORPUS];
static unsigned int ncorpus;
static unsigned long programs;
static int kmsg = -1;

static int usage(FILE *f)
{
	fprintf(f,
		"usage: kfuzz [--seed N] [--ops M] [--seconds S]	(M 0: as many as there is time for)\n"
		"       kfuzz --replay FILE|CHAIN [--times N] [--alone]\n"
		"       kfuzz --print CHAIN\n\n"
		"Run random programs against /dev/npt. Each one's chain of seeds goes to the\n"
		"kernel's log before it runs: --print gives its operations, --replay runs them.\n"
		"--alone runs them in one thread, in their order.\n");
	return f == stdout ? 0 : 2;
}

/* --- one program ---------------------------------------------------------------- */

static void note(const struct prog *p)
{
	char line[320], chain[256];
	int n;

	chain_print(&p->chain, chain, sizeof(chain));
	n = snprintf(line, sizeof(line), "<4>kfuzz: %s\n", p->chain.n ? chain : "file");
	if (kmsg >= 0 && write(kmsg, line, n) < 0)
		kmsg = -1;
}

static void show_stack(pid_t pid, int tid)
{
	char path[64], buf[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", pid, tid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, sizeof(buf));
	if (n > 0)
		printf("%.*s", (int)n, buf);
	if (fd >= 0)
		close(fd);
}

/* An operation that lasts gets signals; true: one does not heed them. */
static bool nudge(const struct prog *p, pid_t pid)
{
	uint64_t now = now_ns();

	for (unsigned int i = 0; i < MAX_THREADS; i++) {
		struct progress *t = &shared->thread[i];
		uint64_t since = t->since;

		if (!since || now < since + PATIENCE)
			continue;
		syscall(SYS_tgkill, pid, (int)t->tid, SIGUSR1);
		if (now < since + PATIENCE + HANG)
			continue;
		printf("not done after %llu s: %s %llx\n",
		       (unsigned long long)((now - since) / SECOND), kinds[p->op[t->op].kind].name,
		       (unsigned long long)p->op[t->op].seed);
		show_stack(pid, t->tid);
		return true;
	}
	return false;
}

static bool ended(pid_t pid, int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)pid;
	return poll(&p, 1, ms) > 0;
}

/* False: it hangs. */
static bool watch(const struct prog *p, pid_t pid, int fd)
{
	uint64_t begin = now_ns();

	while (!ended(pid, fd, 100)) {
		if (now_ns() > begin + LONGEST)
			shared->stop = true;
		if (nudge(p, pid))
			return false;
		if (now_ns() > begin + LONGEST + 2 * HANG)
			break;
	}
	if (ended(pid, fd, 0))
		return true;
	kill(pid, SIGKILL);
	if (ended(pid, fd, HANG / 1000000))
		return true;
	printf("killed, and still there\n");
	return false;
}

static bool run(const struct prog *p)
{
	pid_t pid;
	bool ok;
	int fd;

	memset(shared->thread, 0, sizeof(shared->thread));
	shared->stop = false;
	shared->nr_fresh = 0;
	fflush(stdout);
	note(p);
	pid = fork();
	if (pid < 0)
		return true;	/* out of memory: not the module's fault */
	if (!pid)
		child_run(p);
	fd = syscall(SYS_pidfd_open, pid, 0);
	ok = watch(p, pid, fd);
	close(fd);
	waitpid(pid, NULL, ok ? 0 : WNOHANG);
	programs++;
	if (shared->bad)
		printf("a result that can't be: %s (%u)\n", shared->what, shared->bad);
	return ok && !shared->bad;
}

/* --- the campaign ---------------------------------------------------------------- */

static void choose(struct rnd *r, struct chain *c)
{
	if (!ncorpus || rnd_one_in(r, 6)) {
		c->n = 1;
		c->seed[0] = rnd64(r) & 0xffffffff;
		return;
	}
	/* What came last is looked at most. */
	*c = corpus[rnd_bool(r) ? rnd_below(r, ncorpus) : ncorpus - 1 - rnd_below(r, ncorpus) / 8];
	if (c->n < MAX_CHAIN)
		c->seed[c->n++] = rnd64(r) & 0xffffffff;
	else
		c->seed[MAX_CHAIN - 1] = rnd64(r) & 0xffffffff;
}

static void tell(const char *how)
{
	unsigned int places = 0;

	for (unsigned int i = 0; i < COVER_SIZE; i++)
		places += shared->cover[i];
	printf("%s: %llu operations in %lu programs, %u places, %u programs kept\n", how,
	       (unsigned long long)shared->ops, programs, places, ncorpus);
	fflush(stdout);
}

static bool campaign(void)
{
	uint64_t begin = now_ns(), told = begin;
	static struct prog p;
	struct chain c;
	struct rnd r;

	rnd_seed(&r, opts.seed);
	while ((!opts.ops || shared->ops < opts.ops) && now_ns() < begin + opts.seconds * SECOND) {
		choose(&r, &c);
		prog_from_chain(&p, &c);
		if (!run(&p))
			return false;
		if (shared->nr_fresh && ncorpus < MAX_CORPUS)
			corpus[ncorpus++] = c;
		if (now_ns() > told + 20 * SECOND) {
			tell("so far");
			told = now_ns();
		}
	}
	return true;
}

static bool load(struct prog *p, const char *what)
{
	FILE *f = fopen(what, "re");
	struct chain c;
	bool ok;

	if (f) {
		ok = prog_read(p, f);
		fclose(f);
		return ok;
	}
	if (!chain_parse(&c, what))
		return false;
	prog_from_chain(p, &c);
	return true;
}

static bool replay(void)
{
	static struct prog p;

	if (!load(&p, opts.replay)) {
		fprintf(stderr, "kfuzz: %s: neither a log nor a chain of seeds\n", opts.replay);
		return false;
	}
	for (unsigned int i = 0; i < p.n && opts.alone; i++)
		p.op[i].thread = 0;
	if (opts.print) {
		prog_write(&p, stdout);
		return true;
	}
	for (unsigned int i = 0; i < opts.times; i++)
		if (!run(&p))
			return false;
	return true;
}

/* --- what is left behind ----------------------------------------------------------- */

static bool nothing_left(void *arg)
{
	struct nlraw_answer a;
	struct nlraw_msg m;
	struct nlraw *nl = arg;

	nlraw_init(&m, nl, NPT_CMD_VM_GET, NLM_F_DUMP);
	return !nlraw_do(nl, &m, &a, NULL, NULL) && !a.n;
}

static void tell_errors(void)
{
	printf("records of batches: %llu; ioctls: %lu done", (unsigned long long)shared->records,
	       shared->errors[0]);
	for (unsigned int i = 1; i < 134; i++)
		if (shared->errors[i])
			printf(", %s %lu", strerrorname_np(i) ?: "?", shared->errors[i]);
	printf("\n");
}

static void tell_times(void)
{
	printf("microseconds:");
	for (unsigned int i = 0; i < nr_kinds; i++)
		if (shared->times[i])
			printf(" %s %llu", kinds[i].name,
			       (unsigned long long)(shared->ns[i] / shared->times[i] / 1000));
	printf("\n");
}

static void open_kmsg(void)
{
	int fd = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY);

	/* Every line counts. */
	if (fd >= 0 && write(fd, "on\n", 3) != 3)
		perror("kfuzz: printk_devkmsg");
	if (fd >= 0)
		close(fd);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("kfuzz: mmap");
		exit(2);
	}
	return p;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seed", 1, NULL, 's' }, { "ops", 1, NULL, 'o' }, { "seconds", 1, NULL, 't' },
		{ "replay", 1, NULL, 'r' }, { "times", 1, NULL, 'n' }, { "print", 1, NULL, 'p' },
		{ "alone", 0, NULL, 'a' }, { "help", 0, NULL, 'h' }, { }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			opts.seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			opts.ops = strtoull(optarg, NULL, 0);
			break;
		case 't':
			opts.seconds = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			opts.print = true;
			opts.replay = optarg;
			break;
		case 'r':
			opts.replay = optarg;
			break;
		case 'n':
			opts.times = strtoul(optarg, NULL, 0);
			break;
		case 'a':
			opts.alone = true;
			break;
		default:
			exit(usage(c == 'h' ? stdout : stderr));
		}
	}
}

int main(int argc, char **argv)
{
	struct nlraw nl;
	bool ok;

	parse(argc, argv);
	shared = share(sizeof(*shared));
	shared->cover = share(COVER_SIZE);
	if (opts.print)
		return !replay();
	if (nlraw_open(&nl) < 0) {
		fprintf(stderr, "kfuzz: no family npt: is the module loaded?\n");
		return 2;
	}
	world.family = nl.family;
	world.events = nl.events;
	world.stats = nl.stats;
	open_kmsg();
	ok = opts.replay ? replay() : campaign();
	tell(kcov_there() ? "kcov" : "no kcov");
	tell_errors();
	tell_times();
	if (ok && !nlraw_wait(nothing_left, &nl, 20)) {
		printf("VMs are left behind\n");
		ok = false;
	}
	printf("%s 1 - kfuzz, seed %llu\n1..1\n", ok ? "ok" : "not ok",
	       (unsigned long long)opts.seed);
	return !ok;
}
