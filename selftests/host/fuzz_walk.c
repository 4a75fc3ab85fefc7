// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the walker on hostile tables, as fast as it goes. A VM of each
 * kind is made once; an input writes some entries of its guest tables, sets the
 * registers and translates a few addresses, each held against ref_walk.c, with
 * the bits that the walk leaves in the tables. Then the entries go again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "host_env.h"
#include "test.h"

#define TABLES		8
#define TABLE_GPA	0x10000ull
#define RAM_BYTES	(1ull << 20)
#define ROM_GPA		(3ull << 30)
#define HOLE_GPA	(2ull << 30)
#define HIGH_GPA	(1ull << 40)
#define MAX_WRITES	24

/* The kinds of VMs: mode, nested format, nested levels. */
static const struct kind {
	u32 mode, format, levels;
} kinds[] = {
	{ NPT_MMU_NATIVE, NPT_NESTED_NPT, 4 },
	{ NPT_MMU_NATIVE, NPT_NESTED_NPT, 5 },
	{ NPT_MMU_NESTED, NPT_NESTED_NPT, 4 },
	{ NPT_MMU_NESTED, NPT_NESTED_EPT, 4 },
	{ NPT_MMU_NESTED, NPT_NESTED_NPT, 5 },
	{ NPT_MMU_NESTED, NPT_NESTED_EPT, 5 },
	{ NPT_MMU_SHADOW, NPT_NESTED_NPT, 4 },
	{ NPT_MMU_SHADOW, NPT_NESTED_NPT, 5 },
};

struct world {
	struct env *env;
	struct npt_cpu *cpu;
	struct rnd *r;
	unsigned int levels;
	u64 written[MAX_WRITES];	/* gpas of words that were written */
	unsigned int n;
};

static struct env envs[ARRAY_SIZE(kinds)];

/* A table's owner is found from its address alone: no leak checker can follow that. */
static void destroy_worlds(void)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++)
		if (envs[k].alive)
			env_destroy(&envs[k]);
}

#ifdef FUZZ_ALONE
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static struct env *world_of(unsigned int k)
{
	static bool registered;
	struct npt_mmu_config cfg = env_config(kinds[k].mode);
	struct env *env = &envs[k];

	if (env->alive)
		return env;
	if (!registered)
		registered = !atexit(destroy_worlds);
	cfg.nested_format = kinds[k].format;
	cfg.nested_levels = kinds[k].levels;
	CHECK(!env_init(env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(env, 0, RAM_BYTES, NPT_SIZE_4K, false);
	env_add_slot(env, ROM_GPA, 4 * PAGE_SIZE, NPT_SIZE_4K, true);
	env_add_slot(env, HIGH_GPA, 2 << 20, NPT_SIZE_2M, false);
	CHECK(!env_add_cpu(env, NULL), "npt_cpu_init() failed");
	return env;
}

/* Tables' entries that are in use, so that addresses find them. */
static u64 choose_index(struct rnd *r, unsigned int entries)
{
	static const u16 index[] = { 0, 1, 2, 3, 255, 256, 511, 1023 };

	return index[rnd_below(r, 8)] & (entries - 1);
}

static u64 choose_frame(struct rnd *r)
{
	u8 how = rnd_take(r, 1);

	switch (how >> 4) {
	case 0:
		return HOLE_GPA;
	case 1:
		return ROM_GPA + (how & 3) * PAGE_SIZE;
	case 2:
		return HIGH_GPA + (how & 15) * PAGE_SIZE;
	case 3:
		return 0;
	case 4:
		return rnd64(r) & ~0xfffull;
	default:
		return TABLE_GPA + how % TABLES * PAGE_SIZE;
	}
}

static u64 choose_entry(struct rnd *r)
{
	u64 e = choose_frame(r) | 1;

	switch (rnd_below(r, 8)) {
	case 0:
		return e ^ rnd64(r);
	case 1:
		return e | 7 | rnd_take(r, 2) << 52;
	case 2:
		return e | 0x87;
	case 3:
		return e | rnd_take(r, 2) % 0x1000;
	case 4:
		return e | (rnd_take(r, 1) & 6);
	default:
		return e | 7;
	}
}

/* As the guest itself would: shadow tables want to know. */
static void write_word(struct world *w, u64 gpa, u64 value)
{
	struct npt_access_result res;

	if (w->env->mmu.cfg.mode == NPT_MMU_SHADOW)
		env_data(w->cpu, gpa, NPT_OP_WRITE, NPT_ACCESS_PHYS, &value, 8, &res);
	else
		memcpy(env_ptr(w->env, gpa), &value, 8);
}

static void write_tables(struct world *w)
{
	unsigned int n = rnd_below(w->r, MAX_WRITES + 1);
	unsigned int bytes = w->levels == 2 ? 4 : 8;
	u64 gpa, word;

	for (w->n = 0; w->n < n && !w->r->dry; w->n++) {
		gpa = TABLE_GPA + rnd_below(w->r, TABLES) * PAGE_SIZE;
		gpa += choose_index(w->r, PAGE_SIZE / bytes) * bytes;
		memcpy(&word, env_ptr(w->env, gpa & ~7ull), 8);
		if (bytes == 4)
			((u32 *)&word)[gpa >> 2 & 1] = choose_entry(w->r);
		else
			word = choose_entry(w->r);
		w->written[w->n] = gpa & ~7ull;
		write_word(w, gpa & ~7ull, word);
	}
}

static void clear_tables(struct world *w)
{
	struct npt_pending_flush f = { .scope = NPT_FLUSH_ALL };

	while (w->n--)
		write_word(w, w->written[w->n], 0);
	npt_cpu_flush(w->cpu, &f);
}

static bool set_regs(struct world *w)
{
	struct npt_regs regs = { .cr0 = REF_CR0_PE };
	struct rnd *r = w->r;
	u64 bits = rnd_take(r, 2);

	w->levels = rnd_below(r, 8);
	w->levels = w->levels < 6 ? w->levels : 4;
	w->levels = w->levels == 1 ? 4 : w->levels;
	regs.cr0 |= (bits & 1 ? REF_CR0_WP : 0) | (w->levels ? REF_CR0_PG : 0);
	regs.cr4 = (bits & 2 ? REF_CR4_PSE : 0) | (bits & 4 ? REF_CR4_PGE : 0) |
		   (bits & 8 ? REF_CR4_SMEP : 0) | (bits & 16 ? REF_CR4_SMAP : 0) |
		   (bits & 32 ? REF_CR4_PKE : 0);
	regs.cr4 |= w->levels > 2 ? REF_CR4_PAE : 0;
	regs.cr4 |= w->levels > 4 ? REF_CR4_LA57 : 0;
	regs.cr4 |= w->levels > 3 && bits & 64 ? REF_CR4_PCIDE : 0;
	regs.efer = (bits & 128 ? REF_EFER_NXE : 0) |
		    (w->levels > 3 ? REF_EFER_LME | REF_EFER_LMA : 0);
	regs.ac = bits & 256;
	regs.pkru = bits & 512 ? rnd_take(r, 4) : 0;
	regs.cr3 = TABLE_GPA + rnd_below(r, TABLES) * PAGE_SIZE;
	if (w->levels == 3)
		regs.cr3 += (bits >> 10) * 32 % PAGE_SIZE;
	else if ((bits >> 10) == 63)
		regs.cr3 = HOLE_GPA;
	return !npt_cpu_set_regs(w->cpu, &regs);
}

static u64 choose_gva(struct world *w)
{
	unsigned int bits = w->levels == 2 ? 10 : 9, shift = 12;
	u64 gva = rnd_take(w->r, 1) * 16;

	for (unsigned int l = 1; l <= w->levels; l++, shift += bits)
		gva |= choose_index(w->r, 1u << bits) << shift;
	if (w->levels < 4)
		return (u32)gva;
	return rnd_one_in(w->r, 32) ? gva : (u64)((s64)(gva << (64 - shift)) >> (64 - shift));
}

static bool agree(const struct npt_access_result *res, const struct env_answer *a)
{
	return res->status == a->status && res->error_code == a->error && res->cr2 == a->cr2 &&
		(a->status == NPT_STATUS_GUEST_PF || a->status == NPT_STATUS_GUEST_GP ||
		 res->gpa == a->gpa);
}

static const char *describe(const struct env_answer *a)
{
	static char text[80];

	snprintf(text, sizeof(text), "%u %#llx %#x %#llx", a->status, a->gpa, a->error, a->cr2);
	return text;
}

/* The bits that the walk sets are there; another level may have set more in the same entry. */
static void check_bits(struct world *w, const struct ref_out *ref)
{
	for (unsigned int i = 0; i < ref->n; i++) {
		const struct ref_step *s = &ref->step[i];
		u64 now = 0;

		memcpy(&now, env_ptr(w->env, s->gpa), s->bytes);
		CHECK((now & s->after) == s->after, "entry at %#llx: %#llx, must be %#llx",
		      (u64)s->gpa, now, (u64)s->after);
		CHECK(!(now & ~(s->after | 0x60)), "entry at %#llx: bits in %#llx beyond %#llx",
		      (u64)s->gpa, now, (u64)s->after);
	}
}

static void translate(struct world *w)
{
	u64 gva = choose_gva(w);
	unsigned int op = rnd_below(w->r, 3);
	bool user = rnd_bool(w->r);
	struct npt_access_result res;
	struct env_answer a;
	struct ref_out ref;

	env_ref(w->cpu, gva, op, user, &ref);
	/* Processors hold PDPTEs in registers; whether they see such a bit differs (SDM 4.4.1). */
	if (w->levels == 3 && (ref_spoils_pdpte(&ref) ||
			       (ref.n && (ref.step[0].value & 0x60))))
		return;
	env_answer(w->env, &ref, op, &a);
	env_access(w->cpu, gva, op, user, &res);
	CHECK(agree(&res, &a), "levels %u gva %#llx op %u user %u: %u %#llx %#x %#llx, not %s",
	      w->levels, gva, op, user, res.status, res.gpa, res.error_code, res.cr2,
	      describe(&a));
	check_bits(w, &ref);
	/* A first access may walk again, once the host has brought the page in. */
	if (w->env->mmu.cfg.mode != NPT_MMU_SHADOW)
		CHECK(res.refs_guest >= ref.n && res.refs_guest <= 12 * (ref.n + 1),
		      "%u entries read, expected %u", res.refs_guest, ref.n);
}

void fuzz_walk(const uint8_t *data, size_t size)
{
	struct world w = { .n = 0 };
	struct rnd r;

	if (size < 8)
		return;
	rnd_bytes(&r, data, size);
	w.r = &r;
	w.env = world_of(rnd_below(&r, ARRAY_SIZE(kinds)));
	w.cpu = w.env->cpu[0];
	if (!set_regs(&w))
		return;
	write_tables(&w);
	for (unsigned int i = 0; i < 4 && !(i && r.dry); i++)
		translate(&w);
	clear_tables(&w);
}

FUZZ_TARGET(walk)
