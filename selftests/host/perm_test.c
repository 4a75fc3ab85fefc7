// SPDX-License-Identifier: GPL-2.0
/*
 * The permission matrix, exhaustively: every combination of the bits that
 * decide, in the leaf and in the entry above, under every setting of the
 * control registers, for each kind of access, in each mode and format.
 */
#include "host_env.h"
#include "laws.h"
#include "processor.h"
#include "test.h"

#define ROOT 0x1000		/* top table; the levels between it and the directory follow */
#define DIR 0x4000		/* the directory: one entry for each combination */
#define TABLE 0x5000		/* the page table, the same */
#define PAGE 0x200000		/* what the leaves map */

#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

struct matrix {
	struct env env;
	u32 mode;
	bool processor;			/* shadow tables under a processor */
	unsigned int levels;
	unsigned int ndir, nleaf;	/* entries in use */
	struct npt_access *rec;
	struct npt_access_result *res;
	struct env_answer *want;
	unsigned int nrec;
	u8 copy[2][PAGE_SIZE];		/* directory and table as they must become */
};

static unsigned int esize(const struct matrix *m)
{
	return m->levels == 2 ? 4 : 8;
}

static void put(struct matrix *m, u64 gpa, unsigned int i, u64 e)
{
	memcpy(env_ptr(&m->env, gpa + i * esize(m)), &e, esize(m));
}

/* A bit that is reserved in an entry of this kind; 0: there is none. */
static u64 reserved_bit(const struct matrix *m, bool large)
{
	if (m->levels == 2)
		return large ? 1 << 21 : 0;
	return large ? 1 << 15 : 1ull << 50;	/* above the 48 bits of a gpa */
}

static u64 pick(unsigned int n, unsigned int bit, u64 value)
{
	return n >> bit & 1 ? value : 0;
}

/* The directory: 0..127 lead to the table, 128..255 map a large page. */
static void fill_dir(struct matrix *m)
{
	m->ndir = 0;
	for (unsigned int n = 0; n < 256; n++) {
		bool large = n & 128;
		u64 e = pick(n, 0, P) | pick(n, 1, W) | pick(n, 2, U) | pick(n, 3, A) |
			(large ? pick(n, 4, D) | PS : 0) | pick(n, 5, reserved_bit(m, large)) |
			(m->levels > 2 ? pick(n, 6, NX) : 0);

		if (!large && (n & 16))	/* dirty means nothing here: leave it out */
			e |= D;
		e |= large ? (m->levels == 2 ? 0 : PAGE) : TABLE;
		put(m, DIR, m->ndir++, e);
	}
}

static void fill_table(struct matrix *m)
{
	m->nleaf = 0;
	for (unsigned int n = 0; n < 256; n++) {
		u64 e = pick(n, 0, P) | pick(n, 1, W) | pick(n, 2, U) | pick(n, 3, A) |
			pick(n, 4, D) | pick(n, 5, reserved_bit(m, false)) |
			(m->levels > 2 ? pick(n, 6, NX) : 0) | pick(n, 7, PS);	/* PAT */

		put(m, TABLE, m->nleaf++, e | PAGE);
	}
}

static void fill_top(struct matrix *m)
{
	u64 at = ROOT;

	for (unsigned int l = m->levels; l > 3; l--, at += PAGE_SIZE)
		put(m, at, 0, (at + PAGE_SIZE) | P | W | U | A);
	if (m->levels > 2)
		put(m, at, 0, DIR | P | (m->levels > 3 ? W | U | A : 0));
}

/* Which accesses: for directory entries that lead on, all leaves, else one. */
static void make_records(struct matrix *m)
{
	unsigned int dshift = m->levels == 2 ? 22 : 21;

	m->rec = calloc(256 * 256 * 6, sizeof(*m->rec));
	m->res = calloc(256 * 256 * 6, sizeof(*m->res));
	m->want = calloc(256 * 256 * 6, sizeof(*m->want));
	CHECK(m->rec && m->res && m->want, "no memory");
	m->nrec = 0;
	for (unsigned int d = 0; d < m->ndir; d++) {
		/* all rights of the directory with all leaves; its A and D with some */
		bool leads_on = (d & 1) && !(d & 128) && !(d & 32);
		unsigned int step = !leads_on ? 256 : (d & 24) == 8 ? 1 : 37;

		for (unsigned int l = 0; l < m->nleaf; l += step) {
			for (unsigned int a = 0; a < 6; a++) {
				m->rec[m->nrec++] = (struct npt_access){
					.gva = (u64)d << dshift | (u64)l << 12 | 0x123,
					.size = 1, .op = a % 3,
					.flags = a < 3 ? 0 : NPT_ACCESS_USER,
				};
			}
		}
	}
}

static void set_regs(struct matrix *m, unsigned int n, u32 pkru)
{
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | (n & 1 ? REF_CR0_WP : 0),
		.cr3 = m->levels == 2 ? DIR : ROOT,
		.cr4 = REF_CR4_PSE | (n & 4 ? REF_CR4_SMEP : 0) | (n & 8 ? REF_CR4_SMAP : 0),
		.efer = n & 2 ? REF_EFER_NXE : 0,
		.ac = n & 16,
		.pkru = pkru,
	};

	if (m->levels > 2)
		regs.cr4 |= REF_CR4_PAE;
	if (m->levels > 3)
		regs.efer |= REF_EFER_LME | REF_EFER_LMA;
	if (m->levels > 4)
		regs.cr4 |= REF_CR4_LA57;
	if (n & 32)
		regs.cr4 |= REF_CR4_PKE;
	CHECK(!npt_cpu_set_regs(m->env.cpu[0], &regs), "set_regs");
}

/* Ask the reference before anything runs, and collect the bits that it sets. */
static void ask_reference(struct matrix *m, unsigned int i)
{
	const struct npt_access *rec = &m->rec[i];
	struct ref_out ref;

	env_ref(m->env.cpu[0], rec->gva, rec->op, rec->flags & NPT_ACCESS_USER, &ref);
	env_answer(&m->env, &ref, rec->op, &m->want[i]);
	for (unsigned int s = 0; s < ref.n; s++) {
		u64 set = ref.step[s].after & ~ref.step[s].value;
		u64 page = ref.step[s].gpa & ~0xfffull;
		u8 *to = page == DIR ? m->copy[0] : page == TABLE ? m->copy[1] : NULL;

		if (to)
			to[ref.step[s].gpa & 0xfff] |= set;
		else
			CHECK(!set, "bits %#llx set at %#llx", set, page);
	}
}

static void check_record(struct matrix *m, unsigned int i)
{
	const struct npt_access *rec = &m->rec[i];
	const struct npt_access_result *res = &m->res[i];
	const struct env_answer *a = &m->want[i];

	test_cases++;
	if (res->status == a->status && res->error_code == a->error && res->cr2 == a->cr2 &&
	    (a->status == NPT_STATUS_GUEST_PF || res->gpa == a->gpa))
		return;
	printf("# got status %u error %#x gpa %#llx, must be status %u error %#x gpa %#llx\n",
	       res->status, res->error_code, res->gpa, a->status, a->error, a->gpa);
	FAIL("gva %#llx op %u flags %u", rec->gva, rec->op, rec->flags);
}

/* CR0.WP clear does not mean a fault for each write: but with SMAP and keys it does. */
static bool may_emulate(const struct npt_regs *r, const struct npt_access *rec)
{
	return rec->op == NPT_OP_WRITE && !(rec->flags & NPT_ACCESS_USER) &&
	       !(r->cr0 & REF_CR0_WP) && r->cr4 & (REF_CR4_SMAP | REF_CR4_PKE);
}

/* The same access twice: right, and without a fault the second time. */
static void processor_record(struct matrix *m, const struct npt_access *rec,
			     const struct env_answer *want)
{
	struct npt_cpu *cpu = m->env.cpu[0];
	bool user = rec->flags & NPT_ACCESS_USER;
	struct processor_out out;

	for (int again = 0; again < 2; again++) {
		processor_access(&m->env, cpu, rec->gva, rec->op, user, &out);
		test_cases++;
		if (out.status != want->status || out.error != want->error)
			FAIL("gva %#llx op %u user %u: got status %u error %#x, must be %u, %#x",
			     rec->gva, rec->op, user, out.status, out.error, want->status,
			     want->error);
		if (out.emulated && !may_emulate(&cpu->regs, rec))
			FAIL("gva %#llx user %u: a write is emulated", rec->gva, user);
		if (want->status == NPT_STATUS_OK && !out.emulated)
			CHECK_EQ(out.hpa, npt_ptr_hpa(env_ptr(&m->env, want->gpa)), "hpa");
		CHECK(!again || out.emulated || !out.faults,
		      "gva %#llx op %u user %u faults again", rec->gva, rec->op, user);
	}
}

/*
 * All records under one setting, on a fresh VM (shadow tables would not see
 * entries put back behind their back).
 */
static void one_setting(struct matrix *m, unsigned int n, u32 pkru)
{
	struct npt_mmu_config cfg = env_config(m->mode);
	struct npt_cpu *cpu;
	u32 failed = 0;

	cfg.nested_format = n & 1 ? NPT_NESTED_NPT : NPT_NESTED_EPT;
	/* What comes along must have the right rights too. */
	cfg.prefetch = m->processor ? 8 : 0;
	CHECK(!env_init(&m->env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&m->env, 0, 4 << 20, NPT_SIZE_2M, false);
	CHECK(!env_add_cpu(&m->env, NULL), "npt_cpu_init() failed");
	cpu = m->env.cpu[0];
	fill_dir(m);
	fill_table(m);
	fill_top(m);
	memcpy(m->copy[0], env_ptr(&m->env, DIR), PAGE_SIZE);
	memcpy(m->copy[1], env_ptr(&m->env, TABLE), PAGE_SIZE);
	set_regs(m, n, pkru);
	snprintf(test_context, sizeof(test_context),
		 "mode %u levels %u WP %u NXE %u SMEP %u SMAP %u AC %u PKE %u pkru %#x", m->mode,
		 m->levels, n & 1, n >> 1 & 1, n >> 2 & 1, n >> 3 & 1, n >> 4 & 1, n >> 5 & 1,
		 pkru);
	if (!m->rec)
		make_records(m);
	for (unsigned int i = 0; i < m->nrec; i++)
		ask_reference(m, i);
	if (m->processor) {
		for (unsigned int i = 0; i < m->nrec; i++)
			processor_record(m, &m->rec[i], &m->want[i]);
	} else {
		CHECK_EQ(npt_cpu_execute(cpu, m->rec, m->nrec, m->res, NULL, 0, false, &failed),
			 m->nrec, "records executed");
		for (unsigned int i = 0; i < m->nrec; i++)
			check_record(m, i);
	}
	CHECK(!memcmp(m->copy[0], env_ptr(&m->env, DIR), PAGE_SIZE), "bits of the directory");
	CHECK(!memcmp(m->copy[1], env_ptr(&m->env, TABLE), PAGE_SIZE), "bits of the table");
	laws_check(&m->env);
	env_destroy_clean(&m->env);
}

static void matrix(u32 mode, bool processor, unsigned int levels)
{
	struct matrix *m = calloc(1, sizeof(*m));

	CHECK(m, "no memory");
	m->mode = mode;
	m->processor = processor;
	m->levels = levels;
	for (unsigned int n = 0; n < 32; n++) {
		if (levels == 2 && (n & 2))
			continue;	/* NXE without PAE: nothing to see but that */
		one_setting(m, n, 0);
	}
	if (levels == 2)
		one_setting(m, 2, 0);
	free(m->rec);
	free(m->res);
	free(m->want);
	free(m);
}

#define KEY 11

/* 8 directory entries by W, U, NX; 16 leaves by that and by key. */
static void key_tables(struct matrix *m)
{
	fill_top(m);
	for (unsigned int d = 0; d < 8; d++)
		put(m, DIR, d, TABLE | P | pick(d, 0, W) | pick(d, 1, U) | pick(d, 2, NX));
	for (unsigned int l = 0; l < 16; l++)
		put(m, TABLE, l, PAGE | P | pick(l, 0, W) | pick(l, 1, U) | pick(l, 2, NX) |
		    (u64)(l & 8 ? KEY : 15 - KEY) << 59);
}

/* @n: bits AD, WD, WP, SMAP, AC. @a: 6 kinds of access x 16 leaves x 8 directory entries. */
static void key_access(struct matrix *m, unsigned int n, unsigned int a)
{
	struct npt_access rec = {
		.gva = (u64)(a / 96) << 21 | (a / 6 % 16) << 12, .op = a % 3,
		.flags = a / 3 % 2 ? NPT_ACCESS_USER : 0,
	};
	bool user = rec.flags;
	struct npt_access_result res;
	struct env_answer want;
	struct ref_out ref;

	set_regs(m, (n >> 2 & 1) | 2 | (n & 8) | (n & 16) | 32, (n & 3) << (2 * KEY));
	env_ref(m->env.cpu[0], rec.gva, rec.op, user, &ref);
	env_answer(&m->env, &ref, rec.op, &want);
	if (m->processor) {
		processor_record(m, &rec, &want);
		return;
	}
	env_access(m->env.cpu[0], rec.gva, rec.op, user, &res);
	test_cases++;
	CHECK_EQ(res.status, want.status, "status");
	CHECK_EQ(res.error_code, want.error, "error_code");
}

/* Protection keys: rights of both entries, the key's AD and WD, WP, SMAP, AC. */
static void keys(u32 mode, bool processor)
{
	for (unsigned int n = 0; n < 32; n++) {
		struct npt_mmu_config cfg = env_config(mode);
		struct matrix m = { .levels = 4, .processor = processor };

		CHECK(!env_init(&m.env, &cfg, NULL), "npt_mmu_init() failed");
		env_add_slot(&m.env, 0, 4 << 20, NPT_SIZE_2M, false);
		CHECK(!env_add_cpu(&m.env, NULL), "npt_cpu_init() failed");
		key_tables(&m);
		for (unsigned int a = 0; a < 8 * 16 * 6; a++) {
			snprintf(test_context, sizeof(test_context), "mode %u case %u access %u",
				 mode, n, a);
			key_access(&m, n, a);
		}
		laws_check(&m.env);
		env_destroy_clean(&m.env);
	}
}

#define MATRIX(name, mode, levels) \
	static void name(void) { matrix(NPT_MMU_##mode, false, levels); }
MATRIX(native_32bit, NATIVE, 2)
MATRIX(native_pae, NATIVE, 3)
MATRIX(native_4, NATIVE, 4)
MATRIX(shadow_32bit, SHADOW, 2)
MATRIX(shadow_pae, SHADOW, 3)
MATRIX(shadow_4, SHADOW, 4)
MATRIX(shadow_5, SHADOW, 5)
MATRIX(nested_32bit, NESTED, 2)
MATRIX(nested_pae, NESTED, 3)
MATRIX(nested_4, NESTED, 4)
MATRIX(nested_5, NESTED, 5)

#define PROCESSOR(name, levels) \
	static void name(void) { matrix(NPT_MMU_SHADOW, true, levels); }
PROCESSOR(processor_32bit, 2)
PROCESSOR(processor_pae, 3)
PROCESSOR(processor_4, 4)
PROCESSOR(processor_5, 5)

static void native_keys(void) { keys(NPT_MMU_NATIVE, false); }
static void shadow_keys(void) { keys(NPT_MMU_SHADOW, false); }
static void nested_keys(void) { keys(NPT_MMU_NESTED, false); }
static void processor_keys(void) { keys(NPT_MMU_SHADOW, true); }

static const struct test tests[] = {
#define T(name) { "permissions." #name, name }
	T(native_32bit), T(native_pae), T(native_4),
	T(shadow_32bit), T(shadow_pae), T(shadow_4), T(shadow_5),
	T(nested_32bit), T(nested_pae), T(nested_4), T(nested_5),
	T(processor_32bit), T(processor_pae), T(processor_4), T(processor_5),
	T(native_keys), T(shadow_keys), T(nested_keys), T(processor_keys),
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
