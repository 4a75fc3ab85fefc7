// SPDX-License-Identifier: GPL-2.0
/* Programs: made from seeds, changed by seeds, written to and read from a log. */
#include <stdlib.h>
#include <string.h>

#include "kfuzz.h"

static unsigned int choose_kind(struct rnd *r)
{
	unsigned int sum = 0, i, n;

	for (i = 0; i < nr_kinds; i++)
		sum += kinds[i].weight;
	n = rnd_below(r, sum);
	for (i = 0; n >= kinds[i].weight; i++)
		n -= kinds[i].weight;
	return i;
}

static void make_op(struct rnd *r, struct op *op, unsigned int threads)
{
	op->kind = choose_kind(r);
	op->thread = rnd_below(r, threads);
	op->seed = rnd64(r);
}

/* Nearly every program begins with a VM that has all it needs. */
static void generate(struct prog *p, uint64_t seed)
{
	unsigned int threads, i, want;
	struct rnd r;

	rnd_seed(&r, seed);
	threads = rnd_below(&r, 4) ? 1 + rnd_below(&r, MAX_THREADS) : 1;
	want = 20 + rnd_below(&r, MAX_OPS - 20);
	for (i = 0; i < want; i++)
		make_op(&r, &p->op[i], threads);
	p->n = want;
	for (i = 0; i < 2 && !rnd_one_in(&r, 16); i++)
		p->op[i] = (struct op) { .kind = 0, .seed = rnd64(&r) };
}

static void insert(struct prog *p, unsigned int at, const struct op *op)
{
	if (p->n == MAX_OPS)
		p->n--;
	memmove(&p->op[at + 1], &p->op[at], (p->n - at) * sizeof(*op));
	p->op[at] = *op;
	p->n++;
}

static void change_once(struct prog *p, struct rnd *r)
{
	unsigned int at = rnd_below(r, p->n);
	struct op op;

	switch (rnd_below(r, 6)) {
	case 0:
		p->op[at].seed = rnd64(r);
		break;
	case 1:
		p->op[at].thread = rnd_below(r, MAX_THREADS);
		break;
	case 2:
		op = p->op[rnd_below(r, p->n)];
		insert(p, at, &op);
		break;
	case 3:
		if (p->n < 2)
			break;
		p->n--;
		memmove(&p->op[at], &p->op[at + 1], (p->n - at) * sizeof(op));
		break;
	default:
		make_op(r, &op, MAX_THREADS);
		insert(p, at, &op);
	}
}

static void change(struct prog *p, uint64_t seed)
{
	struct rnd r;

	rnd_seed(&r, seed);
	for (unsigned int n = 1 + rnd_below(&r, 12); n; n--)
		change_once(p, &r);
}

void prog_from_chain(struct prog *p, const struct chain *c)
{
	memset(p, 0, sizeof(*p));
	p->chain = *c;
	generate(p, c->seed[0]);
	for (unsigned int i = 1; i < c->n; i++)
		change(p, c->seed[i]);
}

void chain_print(const struct chain *c, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < c->n && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%llx", i ? "." : "",
				(unsigned long long)c->seed[i]);
}

bool chain_parse(struct chain *c, const char *text)
{
	char *end;

	for (c->n = 0; c->n < MAX_CHAIN; text = end + 1) {
		c->seed[c->n++] = strtoull(text, &end, 16);
		if (end == text || (*end && *end != '.'))
			return false;
		if (!*end)
			return true;
	}
	return false;
}

void prog_write(const struct prog *p, FILE *f)
{
	for (unsigned int i = 0; i < p->n; i++)
		fprintf(f, "%u %s %llx\n", p->op[i].thread, kinds[p->op[i].kind].name,
			(unsigned long long)p->op[i].seed);
}

static bool read_op(struct op *op, const char *line)
{
	unsigned long long seed;
	unsigned int thread;
	char name[32];

	if (sscanf(line, "%u %31s %llx", &thread, name, &seed) != 3 || thread >= MAX_THREADS)
		return false;
	op->thread = thread;
	op->seed = seed;
	for (op->kind = 0; op->kind < nr_kinds; op->kind++)
		if (!strcmp(kinds[op->kind].name, name))
			return true;
	return false;
}

bool prog_read(struct prog *p, FILE *f)
{
	char line[128];

	memset(p, 0, sizeof(*p));
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (p->n == MAX_OPS || !read_op(&p->op[p->n], line))
			return false;
		p->n++;
	}
	return p->n;
}
