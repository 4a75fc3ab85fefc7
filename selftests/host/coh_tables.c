// SPDX-License-Identifier: GPL-2.0
/*
 * Guest tables at random: aliased, looping, pointing at themselves, at data and
 * at nothing, with large pages over small ones and reserved bits here and there.
 */
#include "coh_internal.h"
#include "test.h"

static u64 random_leaf_gpa(struct coh *c)
{
	unsigned int t;

	if (c->opts->tidy && rnd_bool(c->rnd)) {
		t = rnd_below(c->rnd, NTABLES);
		return c->nominal[t] == 1 ? table_gpa(t) : t % NDATA * PAGE_SIZE;
	}
	switch (rnd_below(c->rnd, 10)) {
	case 0:
		return ROM_GPA + rnd_below(c->rnd, 8) * PAGE_SIZE;
	case 1:
		return HOLE_GPA;
	case 2:
	case 3:
		return c->high_gpa + rnd_below(c->rnd, 8) * PAGE_SIZE;
	case 4:
	case 5:
	case 6:
		return table_gpa(rnd_below(c->rnd, NTABLES));
	default:
		return rnd_below(c->rnd, NDATA) * PAGE_SIZE;
	}
}

static u64 random_table_gpa(struct coh *c, unsigned int level)
{
	unsigned int t, tries = 0;

	do {
		t = rnd_below(c->rnd, NTABLES);
	} while (c->nominal[t] != level && !c->rnd->dry && (c->opts->tidy || ++tries < 12));
	return table_gpa(t);
}

static u64 random_large_gpa(struct coh *c, unsigned int level)
{
	static const u64 at[] = { 0, 2 << 20, 0, 2 << 20, HOLE_GPA };
	u64 gpa = rnd_one_in(c->rnd, 4) ? c->high_gpa + (rnd_bool(c->rnd) ? 2 << 20 : 0) :
		at[rnd_below(c->rnd, 5)];
	unsigned int shift = c->levels == 2 ? 22 : level == 2 ? 21 : 30;

	gpa &= ~((1ull << shift) - 1);
	if (c->levels == 2)
		return (gpa & 0xffc00000) | (gpa >> 32 & 0xff) << 13;
	return gpa;
}

u64 random_entry(struct coh *c, unsigned int level)
{
	struct rnd *r = c->rnd;
	bool pdpte = c->levels == 3 && level == 3;
	bool large = level > 1 && level < 4 && !pdpte && rnd_one_in(r, 6);
	u64 e = level == 1 ? random_leaf_gpa(c) : large ? random_large_gpa(c, level) :
		random_table_gpa(c, level - 1);

	if (c->levels == 2)
		e &= 0xffffffff;
	if (c->opts->tidy && level > 1 && rnd_below(r, 32))
		return e | (large ? 0x80 : 0) | (pdpte ? 1 : 7);
	if (c->opts->tidy && rnd_below(r, 6))
		return e | 7 | rnd_below(r, 4) << 5;
	if (!rnd_one_in(r, 10))
		e |= 1;
	if (pdpte)
		return e | (rnd_one_in(r, 30) ? 1 << rnd_below(r, 9) : 0);
	e |= rnd_one_in(r, 8) ? 0 : 2;
	e |= rnd_one_in(r, 8) ? 0 : 4;
	e |= rnd_below(r, 4) << 5;
	e |= large ? 0x80 : 0;
	if (level < 4)
		e |= rnd_one_in(r, 5) ? 0x100 : 0;
	if (c->levels == 2)
		return e;
	e |= rnd_one_in(r, 8) ? 1ull << 63 : 0;
	if (c->levels > 3)
		e |= rnd_one_in(r, 4) ? (u64)rnd_below(r, 16) << 59 : 0;
	if (rnd_one_in(r, 40))
		e ^= 1ull << rnd_below(r, 64);
	return e;
}

/* An entry that differs from @old in one bit that matters. */
u64 tweak_entry(struct coh *c, u64 old)
{
	static const u8 bit[] = { 1, 1, 2, 2, 5, 6, 6, 7, 8, 59, 63, 63, 12 };

	return old ^ 1ull << bit[rnd_below(c->rnd, c->levels == 2 ? 9 : ARRAY_SIZE(bit))];
}

static unsigned int index_bits(struct coh *c, unsigned int level)
{
	return c->levels == 2 ? 10 : c->levels == 3 && level == 3 ? 2 : 9;
}

static unsigned int level_shift(struct coh *c, unsigned int level)
{
	return 12 + (level - 1) * (c->levels == 2 ? 10 : 9);
}

void choose_layout(struct coh *c)
{
	struct rnd *r = c->rnd;

	for (unsigned int t = 0; t < NTABLES; t++)
		c->nominal[t] = c->levels - rnd_below(r, c->levels);
	/* tidy: many roots over one path, few page tables that are used all the time */
	for (unsigned int t = 0; c->opts->tidy && t < NTABLES; t++)
		c->nominal[t] = t < c->levels + 2u ? 1 : c->levels;
	for (unsigned int t = 0; t < c->levels; t++)
		c->nominal[t] = c->levels - t;
	for (unsigned int l = 1; l <= c->levels; l++)
		for (unsigned int i = 0; i < NIDX; i++)
			c->index[l][i] = rnd_below(r, rnd_below(r, 3) ? 8 : 1024) &
				((1 << index_bits(c, l)) - 1);
	for (unsigned int p = 0; p < NPAGES; p++) {
		unsigned int width = level_shift(c, c->levels + 1);
		u64 gva = 0;

		for (unsigned int l = c->levels; l; l--) {
			unsigned int n = l == 1 ? NIDX : l == 2 ? 3 : 2;

			gva |= (u64)c->index[l][rnd_below(r, n)] << level_shift(c, l);
		}
		if (c->levels > 3 && gva >> (width - 1))
			gva |= ~0ull << width;
		c->page[p] = gva;
	}
}

void fill_tables(struct coh *c)
{
	for (unsigned int t = 0; t < NTABLES; t++) {
		u8 *page = env_ptr(&c->env, table_gpa(t));
		unsigned int l = c->nominal[t];

		for (unsigned int i = 0; i < NIDX; i++) {
			u64 e = random_entry(c, l);

			memcpy(page + c->index[l][i] * entry_size(c), &e, entry_size(c));
		}
		memcpy(&c->mirror[t * 512], page, PAGE_SIZE);
	}
	for (unsigned int d = 0; d < NDATA; d++) {
		u64 *data = env_ptr(&c->env, d * PAGE_SIZE);

		/* never like a present entry of any format */
		for (unsigned int i = 0; i < 512; i += 16)
			data[i] = rnd64(c->rnd) & ~0x100000001ull;
	}
}

u64 pcid_value(unsigned int pcid)
{
	return pcid * 7;
}

u64 make_cr3(struct coh *c, bool pcide, unsigned int pcid)
{
	unsigned int t, tries = 0;
	u64 cr3;

	do {
		t = rnd_below(c->rnd, NTABLES);
	} while (c->nominal[t] != c->levels && ++tries < 16);
	cr3 = table_gpa(t);
	return pcide ? cr3 | pcid_value(pcid) : cr3;
}

void random_regs(struct coh *c, struct npt_regs *regs)
{
	struct rnd *r = c->rnd;
	u64 cr4 = regs->cr4 & (REF_CR4_PAE | REF_CR4_LA57 | REF_CR4_PCIDE);

	regs->cr0 = REF_CR0_PE | REF_CR0_PG | (rnd_below(r, 4) ? REF_CR0_WP : 0);
	if (rnd_below(r, 8))
		cr4 |= REF_CR4_PSE;
	if (rnd_bool(r))
		cr4 |= REF_CR4_PGE;
	if (rnd_bool(r))
		cr4 |= REF_CR4_SMEP;
	if (rnd_one_in(r, 3))
		cr4 |= REF_CR4_SMAP;
	if (rnd_bool(r))
		cr4 |= REF_CR4_PKE;
	if (c->opts->tidy && rnd_bool(r))
		cr4 &= ~(REF_CR4_SMEP | REF_CR4_SMAP | REF_CR4_PKE);
	regs->cr4 = cr4;
	regs->efer &= ~REF_EFER_NXE;
	if (rnd_below(r, 4))
		regs->efer |= REF_EFER_NXE;
	regs->pkru = rnd_bool(r) ? 0 : (u32)rnd64(r) & (u32)rnd64(r);
	regs->ac = rnd_bool(r);
}

void set_regs(struct coh *c, struct vcpu *v, const struct npt_regs *regs)
{
	struct npt_regs *was = &v->cpu->regs;
	bool changed = was->cr0 != regs->cr0 || was->cr3 != regs->cr3 ||
		was->cr4 != regs->cr4 || was->efer != regs->efer;
	int ret = npt_cpu_set_regs(v->cpu, regs);

	test_trace("vcpu %u cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx", (unsigned int)(v - c->v),
		   regs->cr0, regs->cr3, regs->cr4, regs->efer);
	CHECK(!ret, "registers refused: %d for cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx", ret,
	      regs->cr0, regs->cr3, regs->cr4, regs->efer);
	if (changed)
		flush_all(c, v);
}

void start_vcpu(struct coh *c, struct vcpu *v)
{
	struct npt_regs regs = { 0 };
	unsigned int levels = c->levels;

	/* sometimes another format over the same tables */
	if (v != c->v && rnd_one_in(c->rnd, 4))
		levels = 2 + rnd_below(c->rnd, 4);
	c->pae |= levels == 3;
	if (levels > 2)
		regs.cr4 |= REF_CR4_PAE;
	if (levels > 3)
		regs.efer |= REF_EFER_LME | REF_EFER_LMA;
	if (levels > 4)
		regs.cr4 |= REF_CR4_LA57;
	if (levels > 3 && rnd_bool(c->rnd))
		regs.cr4 |= REF_CR4_PCIDE;
	random_regs(c, &regs);
	regs.cr3 = make_cr3(c, false, 0);
	for (unsigned int i = 0; i < NPCIDS; i++)
		v->cr3[i] = ~0ull;
	v->cr3[0] = regs.cr3;
	set_regs(c, v, &regs);
}
