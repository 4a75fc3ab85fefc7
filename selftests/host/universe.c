// SPDX-License-Identifier: GPL-2.0
#include "universe.h"
#include "test.h"

#define LOW_TABLES 18		/* the first so many lie in low memory */
#define TABLES_GPA (2ull << 20)
#define BIG_GPA (1ull << 30)
#define PSE36_GPA (0x7ull << 36)
#define ROM_GPA (3ull << 30)
#define HOLE_GPA (5ull << 30)

static unsigned int esize(const struct uni *u)
{
	return u->levels == 2 ? 4 : 8;
}

static unsigned int shift_of(const struct uni *u, unsigned int level)
{
	return 12 + (level - 1) * (u->levels == 2 ? 10 : 9);
}

static unsigned int entries_of(const struct uni *u, unsigned int level)
{
	return u->levels == 2 ? 1024 : u->levels == 3 && level == 3 ? 4 : 512;
}

static u64 random_frame(struct uni *u, unsigned int level, bool leaf)
{
	struct rnd *r = u->rnd;
	unsigned int t, tries = 0;

	if (!leaf && rnd_below(r, 16)) {
		do {
			t = rnd_below(r, UNI_TABLES);
		} while (u->nominal[t] != level - 1 && ++tries < 10);
		return u->table[t];
	}
	switch (rnd_below(r, 12)) {
	case 0:
		return HOLE_GPA;
	case 1:
		return ROM_GPA + rnd_below(r, 16) * PAGE_SIZE;
	case 2:
		return u->top_gpa + rnd_below(r, 16) * PAGE_SIZE;
	case 3:
	case 4:
		return BIG_GPA + (rnd64(r) & 0x3ffff000);
	case 5:
		return PSE36_GPA + rnd_below(r, 64) * PAGE_SIZE;
	case 6:
		return u->table[rnd_below(r, UNI_TABLES)];
	case 7:
		return rnd64(r) & ((1ull << u->env.mmu.gpa_bits) - PAGE_SIZE);
	default:
		return rnd_below(r, 1024) * PAGE_SIZE;
	}
}

static u64 random_entry(struct uni *u, unsigned int level)
{
	struct rnd *r = u->rnd;
	bool pdpte = u->levels == 3 && level == 3;
	bool large = (level == 2 || (level == 3 && u->levels > 3)) && rnd_one_in(r, 5);
	u64 e = random_frame(u, level, large || level == 1);

	if (large && rnd_below(r, 16)) {
		e &= ~((1ull << shift_of(u, level)) - 1);
		if (rnd_one_in(r, 4))
			e |= 1 << 12;	/* PAT */
	}
	if (u->levels == 2)
		e = (e & 0xfffff000) | (large ? (e >> 32 & 0xff) << 13 : 0);
	if (rnd_below(r, 16))
		e |= 1;
	if (pdpte)
		return rnd_one_in(r, 16) ? e | 1ull << rnd_below(r, 64) : e | (rnd64(r) & 0xe18);
	e |= rnd64(r) & 0xf78;	/* all that decides nothing or little */
	e |= rnd_one_in(r, 6) ? 0 : 2;
	e |= rnd_one_in(r, 5) ? 0 : 4;
	e |= large || (level == 1 && rnd_one_in(r, 8)) ? 0x80 : 0;
	if (u->levels == 2)
		return rnd_one_in(r, 20) ? e ^ 1u << rnd_below(r, 32) : e;
	if (rnd_one_in(r, 6))
		e |= 1ull << 63;
	if (u->levels > 3)
		e |= (rnd64(r) & 0x7f) << 52;
	if (u->levels > 3 && rnd_one_in(r, 4))
		e |= (u64)rnd_below(r, 16) << 59;
	return rnd_one_in(r, 20) ? e ^ 1ull << rnd_below(r, 64) : e;
}

static void place_tables(struct uni *u)
{
	unsigned int l = u->levels ? u->levels : 1;

	for (unsigned int t = 0; t < UNI_TABLES; t++) {
		u->nominal[t] = l - rnd_below(u->rnd, l);
		if (t < l)
			u->nominal[t] = l - t;
		u->table[t] = TABLES_GPA + t * PAGE_SIZE;
		if (t < LOW_TABLES)
			continue;
		if (t & 1)
			u->table[t] = ROM_GPA + (t - LOW_TABLES) * PAGE_SIZE;
		else if (u->levels != 2)
			u->table[t] = u->top_gpa + (t - LOW_TABLES) * PAGE_SIZE;
	}
}

static void fill_tables(struct uni *u)
{
	for (unsigned int l = 1; l <= 5; l++)
		for (unsigned int i = 0; i < UNI_IDX; i++)
			u->index[l][i] = rnd_below(u->rnd, rnd_bool(u->rnd) ? 16 : 1024) &
				(entries_of(u, l) - 1);
	for (unsigned int t = 0; t < UNI_TABLES; t++) {
		u8 *page = env_ptr(&u->env, u->table[t]);
		unsigned int l = u->nominal[t];
		/* a PDPT may begin at any 32 bytes of a page */
		unsigned int part = u->levels == 3 && l == 3 ? 128 : 1;

		for (unsigned int p = 0; p < part; p += 1 + rnd_below(u->rnd, 24)) {
			for (unsigned int i = 0; i < UNI_IDX; i++) {
				u64 e = random_entry(u, l);

				memcpy(page + p * 32 + u->index[l][i] * esize(u), &e, esize(u));
			}
		}
	}
}

/* The tables as they must be: from memory once, then kept by hand. */
static void copy_tables(struct uni *u)
{
	for (unsigned int t = 0; t < UNI_TABLES; t++)
		memcpy(u->copy[t], env_ptr(&u->env, u->table[t]), PAGE_SIZE);
}

void uni_compare_tables(struct uni *u)
{
	for (unsigned int t = 0; t < UNI_TABLES; t++) {
		u64 *now = env_ptr(&u->env, u->table[t]);

		for (unsigned int i = 0; i < 512; i++)
			CHECK(now[i] == u->copy[t][i],
			      "table at %#llx word %u: memory has %#llx, must be %#llx",
			      u->table[t], i, now[i], u->copy[t][i]);
	}
}

static void apply(struct uni *u, const struct ref_out *ref, bool must)
{
	for (unsigned int i = 0; i < ref->n; i++) {
		const struct ref_step *s = &ref->step[i];
		u64 set = (s->after & ~s->value) << (s->gpa & 4) * 8, *now;
		unsigned int t;

		for (t = 0; t < UNI_TABLES && u->table[t] != (s->gpa & ~0xfffull); t++)
			;
		if (t == UNI_TABLES)
			continue;
		now = env_ptr(&u->env, s->gpa & ~7ull);
		u->copy[t][(s->gpa & 0xfff) / 8] |= must ? set : set & *now;
	}
}

void uni_apply_steps(struct uni *u, const struct ref_out *ref)
{
	apply(u, ref, true);
}

void uni_accept_steps(struct uni *u, const struct ref_out *ref)
{
	apply(u, ref, false);
}

u64 uni_random_gva(struct uni *u)
{
	struct rnd *r = u->rnd;
	u64 gva = rnd_below(r, 4096), low;

	if (!u->levels)
		return random_frame(u, 1, true) & 0xffffffff;
	for (unsigned int l = u->levels; l; l--)
		gva |= (u64)(rnd_below(r, 12) ? u->index[l][rnd_below(r, UNI_IDX)] :
			     rnd_below(r, entries_of(u, l))) << shift_of(u, l);
	/* large pages reach memory only at small offsets: make these likely */
	low = rnd_below(r, 4) ? ~0ull : ~((1ull << shift_of(u, 3)) - 1) | 0x3fffff;
	gva &= low;
	if (u->levels < 4)
		return gva & 0xffffffff;
	if (gva >> (shift_of(u, u->levels + 1) - 1))
		gva |= ~0ull << shift_of(u, u->levels + 1);
	if (rnd_one_in(r, 40))
		gva ^= 1ull << (47 + rnd_below(r, 17));
	return gva;
}

void uni_random_regs(struct uni *u)
{
	struct rnd *r = u->rnd;
	struct npt_regs regs = { .cr0 = REF_CR0_PE };
	unsigned int l = u->levels, t, tries = 0;
	u64 cr4 = rnd64(r);
	int ret;

	cr4 &= REF_CR4_PSE | REF_CR4_PGE | REF_CR4_SMEP | REF_CR4_SMAP | REF_CR4_PKE;
	if (l > 2)
		cr4 |= REF_CR4_PAE;
	if (l > 3) {
		regs.efer |= REF_EFER_LME | REF_EFER_LMA;
		cr4 |= rnd64(r) & REF_CR4_PCIDE;
	}
	if (l > 4)
		cr4 |= REF_CR4_LA57;
	if (rnd_below(r, 4))
		regs.efer |= REF_EFER_NXE;
	regs.cr0 |= l ? REF_CR0_PG : 0;
	regs.cr0 |= rnd64(r) & REF_CR0_WP;
	regs.cr4 = cr4;
	do {
		t = rnd_below(r, UNI_TABLES);
	} while (u->nominal[t] != l && ++tries < 20);
	regs.cr3 = u->table[t];
	if (l == 3)
		regs.cr3 = (regs.cr3 & 0xffffffff) | rnd_below(r, 128) * 32;
	else if (l > 3 && !(cr4 & REF_CR4_PCIDE))
		regs.cr3 |= rnd_below(r, 4) << 3;	/* PWT, PCD */
	if (l < 3)
		regs.cr3 &= 0xffffffff;
	if (rnd_one_in(r, 40))
		regs.cr3 = HOLE_GPA & (l < 4 ? 0xffffffff : ~0ull);
	regs.pkru = rnd_bool(r) ? 0 : (u32)rnd64(r);
	regs.ac = rnd_bool(r);
	ret = npt_cpu_set_regs(u->env.cpu[0], &regs);
	CHECK(!ret, "registers refused: %d for cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx", ret,
	      regs.cr0, regs.cr3, regs.cr4, regs.efer);
}

void uni_make(struct uni *u, u32 mode)
{
	struct rnd *r = u->rnd;
	struct npt_mmu_config cfg = env_config(mode);

	cfg.nested_format = rnd_bool(r) ? NPT_NESTED_NPT : NPT_NESTED_EPT;
	cfg.nested_levels = 4 + rnd_below(r, 2);
	cfg.leaf_pages = NPT_PAGE_4K | rnd_below(r, 4) << 1;
	cfg.unsync = rnd_bool(r);
	cfg.prefetch = rnd_bool(r) ? 0 : 8;
	CHECK(!env_init(&u->env, &cfg, r), "npt_mmu_init() failed");
	CHECK_EQ(u->env.mmu.gpa_bits, cfg.nested_levels == 4 ? 48 : 52, "gpa_bits");
	u->top_gpa = (1ull << u->env.mmu.gpa_bits) - (2 << 20);
	env_add_slot(&u->env, 0, 4 << 20, rnd_below(r, 2), false);
	env_add_slot(&u->env, u->top_gpa, 2 << 20, rnd_below(r, 2), false);
	env_add_slot(&u->env, PSE36_GPA, 4 << 20, NPT_SIZE_2M, false);
	env_add_slot(&u->env, ROM_GPA, 16 * PAGE_SIZE, NPT_SIZE_4K, true);
	if (rnd_one_in(r, 4))
		env_add_slot(&u->env, BIG_GPA, 1 << 30, NPT_SIZE_1G, false);
	CHECK(!env_add_cpu(&u->env, NULL), "npt_cpu_init() failed");
	place_tables(u);
	fill_tables(u);
	copy_tables(u);
	snprintf(test_context, sizeof(test_context), "mode %u levels %u nested %s/%u pages %#x",
		 mode, u->levels, cfg.nested_format == NPT_NESTED_EPT ? "ept" : "npt",
		 cfg.nested_levels, cfg.leaf_pages);
}
