// SPDX-License-Identifier: GPL-2.0
/*
 * Random guests on every engine and mode at once: soft native, nested and shadow, svm nested
 * and shadow. After each ring of commands all of them must have had the same faults and read
 * the same data, and memory must be the same, with every accessed and dirty bit.
 *
 *   differ_test                      a share of it: TAP
 *   differ_test replay FILE...       logs
 *
 * NPT_DIFFER_CASES	cases for each format (3); NPT_DIFFER_STEPS: steps of a case (2000)
 * NPT_DIFFER_SEED	the first seed (1); NPT_DIFFER_LEVELS: this format only
 * NPT_DIFFER_MODES	bits: which of these modes, from soft native on (all, and all must be there)
 * NPT_DIFFER_TRACE	compare after each step, and print what it came to
 * NPT_DIFFER_LOG	where the log of a failure goes, made as short as can be
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "differ.h"

#define VMS		5
#define SLOTS		(D_SIZE / (2 * MIB))
#define BITMAP_WORDS	(512 / 64)

static unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : otherwise;
}

/* --- a run of a case ------------------------------------------------------------- */

struct run {
	const struct differ_case *c;
	struct differ_vm vm[VMS];
	unsigned int nr;
	struct differ_regs regs;
	struct differ_cmd cmd[D_RING_MAX];
	unsigned int n;			/* commands in the ring */
	unsigned int step_of[D_RING_MAX];
	uint8_t *logged[SLOTS];		/* contents when the log was last read */
	bool quiet, trace;
	uint64_t commands[VMS], faults;
};

enum { SAME, DIFFERENT = 1 };

static bool reserved_without_p(uint32_t error)
{
	return error & D_FAULT && error & 8;
}

/* The emulated processor's own walk leaves P out where a reserved bit is set. Nobody else may. */
static uint32_t normal_error(const struct differ_vm *vm, uint32_t error)
{
	return vm->own_walk && reserved_without_p(error) ? error | 1 : error;
}

/* Did command @i end on VM @v as on the first? */
static bool same_result(const struct run *r, unsigned int v, unsigned int i)
{
	const struct differ_cmd *a = &r->vm[0].cmd[i], *b = &r->vm[v].cmd[i];

	if (normal_error(&r->vm[0], a->error) != normal_error(&r->vm[v], b->error))
		return false;
	if (a->error & D_FAULT)
		return a->cr2 == b->cr2;
	return !differ_is_read(a->op) || !memcmp(&a->data, &b->data, differ_width(r->c));
}

/* What became of command @i. */
static void tell(const struct run *r, unsigned int i)
{
	const struct differ_cmd *cmd = &r->cmd[i];
	unsigned int v;

	printf("# step %u, op %u at %#" PRIx64 " data %#" PRIx64 ":\n", r->step_of[i], cmd->op,
	       cmd->gva, cmd->data);
	for (v = 0; v < r->nr; v++) {
		cmd = &r->vm[v].cmd[i];
		printf("# %-12s error %#x cr2 %#" PRIx64 " data %#" PRIx64 "\n", r->vm[v].name,
		       cmd->error, cmd->cr2, cmd->data);
	}
}

static int compare_results(struct run *r)
{
	unsigned int i, v;

	for (i = 0; i < r->n; i++) {
		r->faults += !!(r->vm[0].cmd[i].error & D_FAULT);
		for (v = 0; v < r->nr; v++) {
			if (r->vm[v].cmd[i].error && r->vm[v].cmd[i].error != ~0U &&
			    same_result(r, v, i))
				continue;
			if (r->quiet)
				return DIFFERENT;
			tell(r, i);
			return DIFFERENT;
		}
	}
	return SAME;
}

static bool is_low(uint64_t gpa)
{
	return gpa >= D_LOW && gpa < D_ARENA;
}

static int compare_page(struct run *r, uint64_t gpa)
{
	const uint64_t *a = (uint64_t *)(r->vm[0].mem + gpa), *b;
	unsigned int v, i;

	for (v = 1; v < r->nr; v++) {
		b = (uint64_t *)(r->vm[v].mem + gpa);
		if (!memcmp(a, b, PAGE))
			continue;
		for (i = 0; !r->quiet && i < 512; i++)
			if (a[i] != b[i])
				printf("# gpa %#" PRIx64 ": %s has %#" PRIx64 ", %s %#" PRIx64
				       "\n", gpa + i * 8, r->vm[0].name, a[i], r->vm[v].name, b[i]);
		return DIFFERENT;
	}
	return SAME;
}

/* Pages that addresses in use can reach, and at the @end all. */
static int compare_memory(struct run *r, bool end)
{
	unsigned int i;
	uint64_t gpa;

	for (gpa = 0; gpa < D_SIZE; gpa += PAGE) {
		if (is_low(gpa))
			continue;
		if (!end && gpa % (2 * MIB) >= (D_TABLES_NR + D_DATA_NR) * PAGE) {
			for (i = 0; i < D_IDX_NR; i++)
				if (r->c->index[1][i] == gpa / PAGE % 512)
					break;
			if (i == D_IDX_NR)
				continue;
		}
		if (compare_page(r, gpa))
			return DIFFERENT;
	}
	return SAME;
}

/* Carry out what is in the ring. */
static int run_ring(struct run *r)
{
	unsigned int v, i;
	int ret;

	if (!r->n)
		return SAME;
	for (v = 0; v < r->nr; v++) {
		memcpy(r->vm[v].cmd, r->cmd, r->n * sizeof(r->cmd[0]));
		ret = differ_vm_run(&r->vm[v], r->n);
		if (ret) {
			if (!r->quiet)
				printf("# in steps %u to %u\n", r->step_of[0],
				       r->step_of[r->n - 1]);
			return ret;
		}
		r->commands[v] += r->n;
	}
	for (i = 0; r->trace && i < r->n; i++)
		tell(r, i);
	ret = compare_results(r) ?: compare_memory(r, false);
	if (ret && !r->quiet)
		printf("# in steps %u to %u\n", r->step_of[0], r->step_of[r->n - 1]);
	r->n = 0;
	return ret;
}

/* What has changed since the log was read last must be in the log. */
static int check_log(struct run *r, unsigned int slot)
{
	uint64_t bitmap[BITMAP_WORDS];
	uint8_t *now = r->vm[0].mem + slot * 2 * MIB;
	unsigned int v, p;

	for (v = 0; v < r->nr; v++) {
		memset(bitmap, 0, sizeof(bitmap));
		if (differ_vm_log(&r->vm[v], slot, bitmap))
			return -EIO;
		for (p = 0; p < 512; p++) {
			if (bitmap[p / 64] >> p % 64 & 1 ||
			    !memcmp(now + p * PAGE, r->logged[slot] + p * PAGE, PAGE))
				continue;
			if (!r->quiet)
				printf("# %s: page %u of slot %u has changed unlogged\n",
				       r->vm[v].name, p, slot);
			return DIFFERENT;
		}
	}
	memcpy(r->logged[slot], now, 2 * MIB);
	return SAME;
}

static int host_step(struct run *r, const struct differ_step *s)
{
	unsigned int slot = s->a / (2 * MIB), v;
	int ret = run_ring(r);

	if (ret)
		return ret;
	if (s->op == HOST_LOG_GET)
		return r->vm[0].logging[slot] ? check_log(r, slot) : SAME;
	if (s->op == HOST_LOG_ON || s->op == HOST_SLOT) {
		if (!r->logged[slot])
			r->logged[slot] = malloc(2 * MIB);
		if (!r->logged[slot])
			return -ENOMEM;
		memcpy(r->logged[slot], r->vm[0].mem + slot * 2 * MIB, 2 * MIB);
	}
	for (v = 0; v < r->nr && !ret; v++)
		ret = differ_vm_host(&r->vm[v], s);
	return ret;
}

static int run_steps(struct run *r)
{
	struct differ_cmd cmd[D_STEP_CMDS];
	unsigned int i, k, n;
	int ret = 0;

	r->regs = differ_first_regs(r->c);
	for (i = 0; i < r->c->nr && !ret; i++) {
		if (r->c->step[i].kind == STEP_HOST) {
			ret = host_step(r, &r->c->step[i]);
			continue;
		}
		n = differ_commands(r->c, &r->c->step[i], &r->regs, cmd);
		if (r->n + n >= D_RING_MAX || r->trace)
			ret = run_ring(r);
		for (k = 0; k < n; k++) {
			r->step_of[r->n] = i;
			r->cmd[r->n++] = cmd[k];
		}
	}
	return ret ?: run_ring(r) ?: compare_memory(r, true);
}

/* Operations that each mode has carried out. */
static uint64_t done[VMS], faults;
static const char *names[VMS];

/* All modes that are asked for must be there, and that is all if nothing is asked for. */
static int open_modes(struct run *r)
{
	unsigned long modes = env_number("NPT_DIFFER_MODES", ~0UL);
	unsigned int m;
	int ret = 0;

	for (m = 0; differ_mode(m) && !ret; m++) {
		if (!(modes >> m & 1))
			continue;
		ret = differ_vm_open(&r->vm[r->nr], m, r->c);
		if (!ret) {
			r->nr++;
			continue;
		}
		differ_vm_close(&r->vm[r->nr]);
		if (ret > 0) {
			printf("# %s is not there: NPT_DIFFER_MODES can leave it out\n",
			       differ_mode(m));
			ret = -ENODEV;
		}
	}
	return ret;
}

/* SAME, DIFFERENT, or -errno. */
static int run_case(const struct differ_case *c, bool quiet)
{
	struct run *r = calloc(1, sizeof(*r));
	unsigned int v;
	int ret;

	if (!r)
		return -ENOMEM;
	r->c = c;
	r->quiet = quiet;
	r->trace = getenv("NPT_DIFFER_TRACE");
	ret = open_modes(r) ?: run_steps(r);
	for (v = 0; v < r->nr; v++) {
		done[v] += r->commands[v];
		names[v] = r->vm[v].name;
		differ_vm_close(&r->vm[v]);
	}
	faults += r->faults;
	for (v = 0; v < SLOTS; v++)
		free(r->logged[v]);
	free(r);
	return ret;
}

/* --- logs ---------------------------------------------------------------------------- */

static const char *const kind_name[STEP_KINDS] = {
	"access", "entry", "invlpg", "cr3", "regs", "host"
};

static void print_log(const struct differ_case *c, FILE *f)
{
	unsigned int i;

	fprintf(f, "seed %" PRIu64 " levels %u\n", c->seed, c->levels);
	for (i = 0; i < c->nr; i++)
		fprintf(f, "%s %u %#" PRIx64 " %#" PRIx64 "\n", kind_name[c->step[i].kind],
			c->step[i].op, c->step[i].a, c->step[i].b);
}

static bool read_step(const char *line, struct differ_step *s)
{
	unsigned int kind, op;
	char name[16];

	if (sscanf(line, "%15s %u %" SCNx64 " %" SCNx64, name, &op, &s->a, &s->b) != 4)
		return false;
	for (kind = 0; kind < STEP_KINDS && strcmp(name, kind_name[kind]); kind++)
		;
	s->kind = kind;
	s->op = op;
	return kind < STEP_KINDS;
}

/* Lines that begin with # are remarks. */
static bool first_line(FILE *f, char *line, int size)
{
	do {
		if (!fgets(line, size, f))
			return false;
	} while (line[0] == '#');
	return true;
}

static bool read_log(struct differ_case *c, const char *path, unsigned int room)
{
	FILE *f = fopen(path, "r");
	char line[128];
	bool ok = f && first_line(f, line, sizeof(line)) &&
		  sscanf(line, "seed %" SCNu64 " levels %u", &c->seed, &c->levels) == 2 &&
		  c->levels >= 2 && c->levels <= 5;

	for (c->nr = 0; ok && c->nr < room && first_line(f, line, sizeof(line)); c->nr++)
		ok = read_step(line, &c->step[c->nr]);
	if (f)
		fclose(f);
	if (ok)
		differ_layout(c);
	return ok;
}

/* --- making it short ------------------------------------------------------------------- */

static bool still_fails(const struct differ_case *c)
{
	return run_case(c, true) == DIFFERENT;
}

/* Leave out ever smaller pieces, as long as it goes on failing. */
static void minimise(struct differ_case *c, unsigned int seconds)
{
	struct differ_step *all = malloc(c->nr * sizeof(*all));
	time_t end = time(NULL) + seconds;
	unsigned int chunk, at, n;

	for (chunk = c->nr / 2; all && chunk && time(NULL) < end; chunk /= 2) {
		for (at = 0; at < c->nr && time(NULL) < end; ) {
			n = chunk < c->nr - at ? chunk : c->nr - at;
			memcpy(all, c->step, c->nr * sizeof(*all));
			memmove(c->step + at, c->step + at + n,
				(c->nr - at - n) * sizeof(*all));
			c->nr -= n;
			if (still_fails(c))
				continue;
			c->nr += n;
			memcpy(c->step, all, c->nr * sizeof(*all));
			at += n;
		}
	}
	free(all);
}

static void report_failure(struct differ_case *c)
{
	const char *path = getenv("NPT_DIFFER_LOG");
	FILE *f = path ? fopen(path, "w") : NULL;

	minimise(c, env_number("NPT_DIFFER_MINIMISE", 60));
	printf("# seed %" PRIu64 " levels %u, %u steps left:\n", c->seed, c->levels, c->nr);
	run_case(c, false);
	print_log(c, f ? f : stdout);
	if (f)
		fclose(f);
}

/* --- all --------------------------------------------------------------------------------- */

static bool one_case(struct differ_case *c, uint64_t seed, unsigned int levels, unsigned int steps)
{
	int ret;

	c->seed = seed;
	c->levels = levels;
	differ_layout(c);
	differ_random_steps(c, steps);
	ret = run_case(c, false);
	if (ret == SAME)
		return true;
	printf("# seed %" PRIu64 " levels %u: %s\n", seed, levels,
	       ret == DIFFERENT ? "different" : strerror(-ret));
	if (ret == DIFFERENT)
		report_failure(c);
	return false;
}

static int random_cases(struct differ_case *c)
{
	unsigned long cases = env_number("NPT_DIFFER_CASES", 3), i;
	unsigned long steps = env_number("NPT_DIFFER_STEPS", 2000);
	unsigned long first = env_number("NPT_DIFFER_SEED", 1);
	unsigned long only = env_number("NPT_DIFFER_LEVELS", 0);
	unsigned int levels, failed = 0, v;
	bool ok;

	c->step = calloc(steps, sizeof(*c->step));
	if (!c->step)
		return 1;
	printf("TAP version 13\n1..4\n");
	for (levels = 2; levels <= 5; levels++) {
		ok = true;
		for (i = 0; i < cases && ok && (!only || only == levels); i++)
			ok = one_case(c, (first + i) * 10, levels, steps);
		failed += !ok;
		printf("%sok %u - %u levels\n", ok ? "" : "not ", levels - 1, levels);
		fflush(stdout);
	}
	for (v = 0; v < VMS && names[v]; v++)
		printf("# %s: %" PRIu64 " operations\n", names[v], done[v]);
	printf("# %" PRIu64 " faults in each\n", faults);
	return failed ? 1 : 0;
}

static int replay(struct differ_case *c, int n, char **path)
{
	const unsigned int room = 1 << 20;
	int i, ret, failed = 0;

	c->step = calloc(room, sizeof(*c->step));
	if (!c->step)
		return 1;
	printf("TAP version 13\n1..%d\n", n);
	for (i = 0; i < n; i++) {
		ret = read_log(c, path[i], room) ? run_case(c, false) : -EINVAL;
		failed += !!ret;
		printf("%sok %d - %s\n", ret ? "not " : "", i + 1, path[i]);
	}
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct differ_case c = { .seed = 0 };
	int ret;

	if (access("/dev/npt", R_OK | W_OK)) {
		printf("1..0 # SKIP no /dev/npt\n");
		return 4;
	}
	ret = argc > 2 && !strcmp(argv[1], "replay") ? replay(&c, argc - 2, argv + 2) :
						       random_cases(&c);
	free(c.step);
	return ret;
}
