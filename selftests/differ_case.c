// SPDX-License-Identifier: GPL-2.0
/*
 * Tables and steps at random. Whatever changes an entry is followed by the flushes that the
 * architecture asks for, so that no engine may answer otherwise than another.
 */
#include "differ.h"

#define P	1ull
#define W	2ull
#define U	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define G	0x100ull
#define NX	(1ull << 63)
#define STABLE	(P | W | A | D)

#define CR0_BASE	(CR0_PE | CR0_PG | 0x30)
#define CR4_PSE		(1ull << 4)
#define CR4_PGE		(1ull << 7)
#define CR4_LA57	(1ull << 12)
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)
#define CR4_PKE		(1ull << 22)
#define EFER_NXE	(1ull << 11)

static unsigned int index_bits(const struct differ_case *c, unsigned int level)
{
	return c->levels == 2 ? 10 : c->levels == 3 && level == 3 ? 2 : 9;
}

static unsigned int level_shift(const struct differ_case *c, unsigned int level)
{
	return 12 + (level - 1) * (c->levels == 2 ? 10 : 9);
}

static uint64_t table_gpa(unsigned int t)
{
	return D_ARENA + t * PAGE;
}

static uint64_t data_gpa(struct rnd *r)
{
	return D_ARENA + rnd_below(r, 2) * D_HALF + (D_TABLES_NR + rnd_below(r, D_DATA_NR)) * PAGE;
}

/* --- layout ------------------------------------------------------------------ */

/*
 * Entries 2 and 3 are in use in tables of every level, so that a table can serve for
 * another level than its own. Of level 2 they alone are (32 bits apart): that is where a
 * page of 1 GiB at 0 has the arena. The first two entries of a root are ours.
 */
static void choose_indices(struct differ_case *c, struct rnd *r)
{
	unsigned int l, i, last;

	for (l = 1; l <= c->levels; l++) {
		last = (1U << index_bits(c, l)) - 32;
		for (i = 0; i < D_IDX_NR; i++) {
			c->index[l][i] = 2 + (i & 1);
			if (i > 1 && (l != 2 || c->levels == 2))
				c->index[l][i] = 2 + rnd_below(r, rnd_bool(r) ? 14 : last - 2);
			if (c->levels == 3 && l == 3)
				c->index[l][i] = 1 + i % 3;
		}
	}
}

static void choose_pages(struct differ_case *c, struct rnd *r)
{
	unsigned int p, l, width = level_shift(c, c->levels + 1);
	uint64_t gva;

	for (p = 0; p < D_PAGES_NR; p++) {
		gva = 0;
		for (l = c->levels; l; l--)
			gva |= (uint64_t)c->index[l][rnd_below(r, l == 1 ? D_IDX_NR : 3)] <<
			       level_shift(c, l);
		if (c->levels > 3 && gva >> (width - 1))
			gva |= ~0ull << width;
		c->page[p] = gva;
	}
}

static uint64_t random_root(const struct differ_case *c, struct rnd *r)
{
	unsigned int t;

	if (c->levels == 3)
		return D_PAE_ROOTS + rnd_below(r, D_ROOTS_NR) * PAGE;
	do {
		t = rnd_below(r, D_TABLES_NR);
	} while (c->nominal[t] != c->levels);
	return table_gpa(t);
}

static uint64_t random_regs(const struct differ_case *c, struct rnd *r)
{
	uint64_t regs = rnd64(r) & 0x3f;

	if (rnd_below(r, 4))
		regs |= D_REG_WP;
	if (rnd_bool(r))
		regs &= ~(uint64_t)(D_REG_SMAP | D_REG_PKE);
	if (c->levels < 4)
		regs &= ~(uint64_t)D_REG_PKE;
	if (c->levels == 2)
		regs &= ~(uint64_t)D_REG_NXE;
	return regs;
}

/* Protection key 0 is the stub's. */
static uint64_t random_pkru(struct rnd *r)
{
	return rnd_bool(r) ? 0 : (rnd64(r) & rnd64(r) & 0xfffffffc);
}

void differ_layout(struct differ_case *c)
{
	unsigned int t, top = c->levels == 3 ? 2 : c->levels;
	struct rnd r;

	rnd_seed(&r, c->seed);
	for (t = 0; t < D_TABLES_NR; t++)
		c->nominal[t] = t < 2 * top ? 1 + t % top : 1 + rnd_below(&r, top);
	choose_indices(c, &r);
	choose_pages(c, &r);
	c->root = random_root(c, &r);
	c->regs = random_regs(c, &r);
	c->pkru = random_pkru(&r);
}

/* --- entries ------------------------------------------------------------------ */

static uint64_t leaf_gpa(struct rnd *r)
{
	return rnd_below(r, 3) ? data_gpa(r) : table_gpa(rnd_below(r, D_TABLES_NR));
}

static uint64_t next_gpa(const struct differ_case *c, unsigned int level, struct rnd *r)
{
	unsigned int t, tries = 0;

	do {
		t = rnd_below(r, D_TABLES_NR);
	} while (c->nominal[t] != level - 1 && ++tries < 12);
	return table_gpa(t);
}

static uint64_t large_gpa(const struct differ_case *c, unsigned int level, struct rnd *r)
{
	if (level == 3)
		return 0;
	return c->levels == 2 ? D_ARENA : D_ARENA + rnd_below(r, 2) * D_HALF;
}

/*
 * Reserved bits are those that don't depend on how wide addresses are. QEMU marks a page of
 * 1 GiB accessed even if the access fails: what may be taken for one always has that bit.
 */
static uint64_t random_bits(const struct differ_case *c, unsigned int level, struct rnd *r)
{
	uint64_t e = rnd_below(r, 4) << 5;

	e |= rnd_one_in(r, 12) ? 0 : P;
	e |= rnd_one_in(r, 6) ? 0 : W;
	e |= rnd_one_in(r, 6) ? 0 : U;
	if (level == 1)
		e |= rnd_one_in(r, 4) ? G : 0;
	if (c->levels == 2)
		return e;
	e |= rnd_one_in(r, 8) ? NX : 0;
	if (c->levels > 3 && rnd_one_in(r, 3))
		e |= (uint64_t)rnd_below(r, 16) << 59;
	if (level > 3 && rnd_one_in(r, 30))
		e |= PS | A;
	return e;
}

static uint64_t random_entry(const struct differ_case *c, unsigned int level, struct rnd *r)
{
	bool large = level > 1 && level < 4 && rnd_one_in(r, 5);

	if (c->levels == 3 && level == 3)
		return next_gpa(c, 3, r) | (rnd_one_in(r, 8) ? 0 : P);
	if (large)
		return large_gpa(c, level, r) | PS | random_bits(c, level, r) |
		       (rnd_one_in(r, 4) ? G : 0) | (c->levels > 3 ? A : 0) |
		       (c->levels > 2 && rnd_one_in(r, 20) ? 1ull << (13 + rnd_below(r, 8)) : 0);
	if (level > 1)
		return next_gpa(c, level, r) | random_bits(c, level, r) |
		       (rnd_below(r, 3) ? P | W | U : 0);
	return leaf_gpa(r) | random_bits(c, 1, r);
}

/* --- memory at the start -------------------------------------------------------- */

static void put_entry(const struct differ_case *c, uint8_t *table, unsigned int i, uint64_t e)
{
	memcpy(table + i * differ_entry_size(c), &e, differ_entry_size(c));
}

/* The tables that map low memory and the arena, up to the one that the roots name. */
static uint64_t fill_stable(const struct differ_case *c, uint8_t *mem)
{
	uint64_t at = D_TABLES, gpa;
	unsigned int l;

	for (gpa = D_LOW; gpa < D_LOW + 2 * MIB; gpa += PAGE)
		put_entry(c, mem + at, (gpa / PAGE) & (c->levels == 2 ? 1023 : 511),
			  gpa | STABLE | (gpa == D_STUB ? U : 0));
	if (c->levels == 2)
		return at | P | W | U | A;
	for (l = 2; l < c->levels; l++) {
		at += PAGE;
		put_entry(c, mem + at, l == 2, (at - PAGE) | P | W | U | A);
		if (l > 2)
			continue;
		put_entry(c, mem + at, 2, D_ARENA | PS | STABLE);
		put_entry(c, mem + at, 3, (D_ARENA + D_HALF) | PS | STABLE);
	}
	return at | (c->levels == 3 ? P : P | W | U | A);
}

static void fill_tables(const struct differ_case *c, uint8_t *arena, uint64_t stable,
			struct rnd *r)
{
	unsigned int t, i, l;

	for (t = 0; t < D_TABLES_NR; t++) {
		l = c->nominal[t];
		for (i = 0; i < D_IDX_NR; i++)
			put_entry(c, arena + t * PAGE, c->index[l][i], random_entry(c, l, r));
		if (l != c->levels)
			continue;
		put_entry(c, arena + t * PAGE, 0, stable);
		if (c->levels == 2)
			put_entry(c, arena + t * PAGE, 1, D_ARENA | PS | STABLE);
	}
}

void differ_fill(const struct differ_case *c, uint8_t *mem)
{
	uint64_t stable = fill_stable(c, mem), value;
	unsigned int i, k;
	struct rnd r;

	rnd_seed(&r, c->seed + 1);
	for (i = 0; i < D_SIZE / PAGE; i++) {
		if (i * PAGE >= D_LOW && i * PAGE < D_ARENA)
			continue;
		mem[i * PAGE + D_AT_RET] = 0xc3;
		mem[i * PAGE + D_AT_INT] = 0xcd;
		mem[i * PAGE + D_AT_INT + 1] = 0x80;
		for (k = 0; k < 8; k++) {
			value = rnd64(&r);
			memcpy(mem + i * PAGE + D_AT_DATA + k * 8, &value, 8);
		}
	}
	fill_tables(c, mem + D_ARENA, stable, &r);
	for (i = 0; c->levels == 3 && i < D_ROOTS_NR; i++) {
		put_entry(c, mem + D_PAE_ROOTS + i * PAGE, 0, stable);
		for (k = 1; k < 4; k++)
			put_entry(c, mem + D_PAE_ROOTS + i * PAGE, k, random_entry(c, 3, &r));
	}
	differ_guest_fill(c, mem);
}

/* --- registers -------------------------------------------------------------------- */

static void set_regs(const struct differ_case *c, uint64_t bits, uint64_t pkru,
		     struct differ_regs *r)
{
	r->cr0 = CR0_BASE | (bits & D_REG_WP ? CR0_WP : 0);
	r->cr4 = CR4_PSE | (c->levels > 2 ? CR4_PAE : 0) | (c->levels > 4 ? CR4_LA57 : 0) |
		 (bits & D_REG_PGE ? CR4_PGE : 0) | (bits & D_REG_SMEP ? CR4_SMEP : 0) |
		 (bits & D_REG_SMAP ? CR4_SMAP : 0) | (bits & D_REG_PKE ? CR4_PKE : 0);
	r->efer = (c->levels > 3 ? EFER_LME | EFER_LMA : 0) | (bits & D_REG_NXE ? EFER_NXE : 0);
	r->pkru = r->cr4 & CR4_PKE ? pkru : 0;
}

struct differ_regs differ_first_regs(const struct differ_case *c)
{
	struct differ_regs r = { .cr3 = c->root };

	/* PKRU is 0 until the first step that sets it */
	set_regs(c, c->regs, 0, &r);
	return r;
}

/* --- steps -------------------------------------------------------------------------- */

static void random_access(const struct differ_case *c, struct rnd *r, struct differ_step *s)
{
	static const uint8_t op[] = {
		D_READ, D_READ, D_READ, D_WRITE, D_WRITE, D_WRITE, D_FETCH, D_FETCH,
		D_USER_READ, D_USER_READ, D_USER_WRITE, D_USER_WRITE, D_USER_FETCH,
	};
	unsigned int l = 1 + rnd_below(r, c->levels);

	s->op = op[rnd_below(r, sizeof(op))];
	if (rnd_one_in(r, 100))
		s->op = rnd_bool(r) ? D_AC_READ : D_AC_WRITE;
	s->a = c->page[rnd_below(r, D_PAGES_NR)];
	s->b = rnd64(r);
	if (s->op == D_FETCH) {
		s->a += D_AT_RET;
	} else if (s->op == D_USER_FETCH) {
		s->a += D_AT_INT;
	} else if (rnd_below(r, 3)) {
		s->a += D_AT_DATA + rnd_below(r, 8) * 8;
	} else {
		/* where an entry may be */
		s->a += c->index[l][rnd_below(r, D_IDX_NR)] * differ_entry_size(c);
		s->b = random_entry(c, l, r);
	}
}

static void random_change(const struct differ_case *c, struct rnd *r, struct differ_step *s)
{
	unsigned int t = rnd_below(r, D_TABLES_NR), l = c->nominal[t];
	uint64_t at = table_gpa(t);

	if (c->levels == 3 && rnd_one_in(r, 12)) {
		at = D_PAE_ROOTS + rnd_below(r, D_ROOTS_NR) * PAGE;
		l = 3;
	}
	s->op = rnd_below(r, 8) ? FLUSH_PAGES : rnd_below(r, FLUSH_WAYS);
	s->a = at + c->index[l][rnd_below(r, D_IDX_NR)] * differ_entry_size(c);
	s->b = random_entry(c, l, r);
}

static void random_host(struct rnd *r, struct differ_step *s)
{
	s->op = rnd_below(r, HOST_OPS);
	if (s->op == HOST_FORK && rnd_below(r, 4))
		s->op = HOST_MOVE;
	s->a = D_ARENA + rnd_below(r, 2) * D_HALF +
	       rnd_below(r, rnd_bool(r) ? 512 : D_TABLES_NR + D_DATA_NR) * PAGE;
	s->b = 1 + rnd_below(r, rnd_bool(r) ? 4 : 512);
}

static void random_step(const struct differ_case *c, struct rnd *r, struct differ_step *s)
{
	unsigned int what = rnd_below(r, 1000);

	memset(s, 0, sizeof(*s));
	if (what < 720) {
		s->kind = STEP_ACCESS;
		random_access(c, r, s);
	} else if (what < 890) {
		s->kind = STEP_ENTRY;
		random_change(c, r, s);
	} else if (what < 930) {
		s->kind = STEP_INVLPG;
		s->a = c->page[rnd_below(r, D_PAGES_NR)] + rnd_below(r, PAGE);
	} else if (what < 965) {
		s->kind = STEP_CR3;
		s->a = random_root(c, r);
	} else if (what < 990) {
		s->kind = STEP_REGS;
		s->a = random_regs(c, r);
		s->b = random_pkru(r);
	} else {
		s->kind = STEP_HOST;
		random_host(r, s);
	}
}

void differ_random_steps(struct differ_case *c, unsigned int nr)
{
	struct rnd r;
	unsigned int i;

	rnd_seed(&r, c->seed + 2);
	c->nr = nr;
	for (i = 0; i < nr; i++)
		random_step(c, &r, &c->step[i]);
}

/* --- what steps become ---------------------------------------------------------------- */

static void put(struct differ_cmd **cmd, uint32_t op, uint64_t gva, uint64_t data)
{
	*(*cmd)++ = (struct differ_cmd) { .op = op, .gva = gva, .data = data };
}

/* Does a walk for @gva use entry @index of any table, whatever level it serves for? */
static bool uses_index(const struct differ_case *c, uint64_t gva, unsigned int index)
{
	unsigned int l;

	for (l = 1; l <= c->levels; l++)
		if ((gva >> level_shift(c, l) & ((1U << index_bits(c, l)) - 1)) == index)
			return true;
	return false;
}

/* @bytes at @offset of some page have changed: flush what may have come from there. */
static void flush_offset(const struct differ_case *c, unsigned int offset, unsigned int bytes,
			 struct differ_cmd **cmd)
{
	unsigned int size = differ_entry_size(c), first = offset / size, p;
	unsigned int last = (offset + bytes - 1) / size;

	for (p = 0; p < D_PAGES_NR; p++)
		if (uses_index(c, c->page[p], first) || uses_index(c, c->page[p], last))
			put(cmd, D_INVLPG, c->page[p], 0);
}

/* A processor may keep the PDPTEs of PAE until CR3 is loaded, and global pages beyond that. */
static void load_cr3(struct differ_regs *r, uint64_t cr3, struct differ_cmd **cmd)
{
	r->cr3 = cr3;
	put(cmd, D_CR3, 0, cr3);
	if (r->cr4 & CR4_PGE)
		put(cmd, D_FLUSH, 0, 0);
}

static void change_entry(const struct differ_case *c, const struct differ_step *s,
			 struct differ_regs *r, struct differ_cmd **cmd)
{
	unsigned int done, width = differ_width(c);

	for (done = 0; done < differ_entry_size(c); done += width)
		put(cmd, D_STORE, s->a + done, s->b >> 8 * done);
	if (s->op == FLUSH_CR3 || s->a < D_ARENA)
		load_cr3(r, r->cr3, cmd);
	else if (s->op == FLUSH_ALL)
		put(cmd, D_FLUSH, 0, 0);
	else
		flush_offset(c, s->a & 0xfff, differ_entry_size(c), cmd);
}

static void change_regs(const struct differ_case *c, const struct differ_step *s,
			struct differ_regs *r, struct differ_cmd **cmd)
{
	set_regs(c, s->a, s->b, r);
	put(cmd, D_CR0, 0, r->cr0);
	put(cmd, D_CR4, 0, r->cr4);
	put(cmd, D_EFER, 0, r->efer);
	if (r->cr4 & CR4_PKE)
		put(cmd, D_PKRU, 0, r->pkru);
	put(cmd, D_FLUSH, 0, 0);
}

unsigned int differ_commands(const struct differ_case *c, const struct differ_step *s,
			     struct differ_regs *r, struct differ_cmd *cmd)
{
	struct differ_cmd *first = cmd;

	switch (s->kind) {
	case STEP_ACCESS:
		put(&cmd, s->op, s->a, s->b);
		if (differ_is_write(s->op) && (s->a & 0xfff) < D_AT_RET)
			flush_offset(c, s->a & 0xfff, differ_width(c), &cmd);
		break;
	case STEP_ENTRY:
		change_entry(c, s, r, &cmd);
		break;
	case STEP_INVLPG:
		put(&cmd, D_INVLPG, s->a, 0);
		break;
	case STEP_CR3:
		load_cr3(r, s->a, &cmd);
		break;
	case STEP_REGS:
		change_regs(c, s, r, &cmd);
		break;
	}
	return cmd - first;
}
