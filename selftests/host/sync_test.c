// SPDX-License-Identifier: GPL-2.0
/*
 * Guest tables that change under their shadows, one step at a time: cases that
 * random steps come by too seldom, each with what a processor would do.
 */
#include "host_env.h"
#include "map_check.h"
#include "laws.h"
#include "test.h"

#define ROOT	0x1000ull	/* 4-level tables */
#define PDPT	0x2000ull
#define PD	0x3000ull
#define TABLE	0x4000ull	/* the page table that changes: PD[0], and later PD[1] */
#define WINDOW	0x5000ull	/* PD[2]: maps the pages below WINDOW_PAGES where they are */
#define WINDOW_PAGES 16
#define PAGE_A	0x10000ull
#define PAGE_B	0x11000ull

#define GVA(pd, pt)	((pd) * 0x200000ull + (pt) * 0x1000ull)
#define LEAF	5		/* the entry of TABLE that is looked at */
#define X	GVA(0, LEAF)
#define Y	GVA(1, LEAF)	/* the same entry by another directory entry */
#define Z	GVA(512, LEAF)	/* and by another directory pointer */
#define AT(gpa)	(GVA(2, 0) + (gpa))	/* where the window shows a table */

#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull
#define KERNEL (P | W | A | D)
#define USER (KERNEL | U)

struct scene {
	struct env env;
	struct npt_cpu *cpu;
};

static void put(struct scene *s, u64 table, unsigned int i, u64 e)
{
	memcpy(env_ptr(&s->env, table + i * 8), &e, 8);
}

static void open_scene(struct scene *s, bool unsync, const struct npt_tlb_model *tlb)
{
	struct npt_mmu_config cfg = env_config(NPT_MMU_SHADOW);
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = ROOT,
		.cr4 = REF_CR4_PAE | REF_CR4_SMAP, .efer = REF_EFER_LME | REF_EFER_LMA,
	};
	unsigned int i;

	cfg.unsync = unsync;
	CHECK(!env_init(&s->env, &cfg, NULL), "npt_mmu_init() failed");
	env_add_slot(&s->env, 0, 2 << 20, NPT_SIZE_4K, false);
	CHECK(!env_add_cpu(&s->env, tlb), "npt_cpu_init() failed");
	s->cpu = s->env.cpu[0];
	put(s, ROOT, 0, PDPT | USER);
	put(s, PDPT, 0, PD | USER);
	put(s, PD, 0, TABLE | USER);
	put(s, PD, 2, WINDOW | USER);
	put(s, TABLE, LEAF, PAGE_A | KERNEL);
	put(s, TABLE, LEAF + 1, PAGE_A | KERNEL);
	for (i = 0; i < WINDOW_PAGES; i++)
		put(s, WINDOW, i, i * 0x1000ull | KERNEL);
	CHECK(!npt_cpu_set_regs(s->cpu, &regs), "set_regs");
}

static void close_scene(struct scene *s)
{
	map_check(&s->env);
	laws_check(&s->env);
	env_destroy_clean(&s->env);
}

/* A supervisor's access must end as the guest's tables say now. Gives its source. */
static unsigned int look(struct scene *s, u64 gva, unsigned int op)
{
	struct npt_access_result res;
	struct env_answer want;
	struct ref_out ref;

	env_ref(s->cpu, gva, op, false, &ref);
	env_answer(&s->env, &ref, op, &want);
	env_access(s->cpu, gva, op, false, &res);
	CHECK_EQ(res.status, want.status, "status");
	CHECK_EQ(res.error_code, want.error, "error code");
	if (!want.status)
		CHECK_EQ(res.gpa, want.gpa, "gpa");
	test_cases++;
	return res.source;
}

/* The guest writes an entry of one of its tables through the window. */
static void change(struct scene *s, u64 table, unsigned int i, u64 e)
{
	struct npt_access_result res;

	env_data(s->cpu, AT(table) + i * 8, NPT_OP_WRITE, 0, &e, 8, &res);
	CHECK_EQ(res.status, NPT_STATUS_OK, "status of the guest's write");
	CHECK_EQ(*(u64 *)env_ptr(&s->env, table + i * 8), e, "entry written");
}

static void must_be_unsync(struct scene *s)
{
	CHECK_EQ(s->env.mmu.ctr[NPT_CTR_mmu_unsync], 1, "tables out of sync");
}

/*
 * A page turns from the kernel's to the user's, or back, in a table that is out of
 * sync; then the guest says INVLPG, or flushes everything. A shadow leaf that
 * grants less is as wrong as one that grants more: SMAP.
 */
static void user_bit(void)
{
	static const u64 from[] = { KERNEL, USER }, to[] = { USER, KERNEL };
	unsigned int i, flush;
	struct scene s;

	for (i = 0; i < 2; i++)
		for (flush = 0; flush < 2; flush++) {
			open_scene(&s, true, NULL);
			put(&s, TABLE, LEAF, PAGE_A | from[i]);
			look(&s, X, NPT_OP_READ);
			/* the table is shadowed even if X itself was denied */
			look(&s, X + 0x1000, NPT_OP_READ);
			change(&s, TABLE, LEAF, PAGE_A | to[i]);
			must_be_unsync(&s);
			env_op(s.cpu, flush ? NPT_OP_FLUSH : NPT_OP_INVLPG, flush ? 0 : X);
			look(&s, X, NPT_OP_READ);
			close_scene(&s);
		}
}

/*
 * A table that is out of sync gets a second way to it. No TLB can hold anything of
 * that way, and no INVLPG is due: what is read there is what the table says now.
 */
static void second_way(void)
{
	static const struct {
		u64 table, entry, gva;
	} ways[] = {
		{ PD, TABLE | USER, Y }, { PDPT, PD | USER, Z },
	};
	struct scene s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		open_scene(&s, true, NULL);
		look(&s, X, NPT_OP_READ);
		change(&s, TABLE, LEAF, PAGE_B | KERNEL);
		must_be_unsync(&s);
		change(&s, ways[i].table, 1, ways[i].entry);
		must_be_unsync(&s);
		/* another entry first: a fault at the stale one would mend it in passing */
		look(&s, ways[i].gva + 0x1000, NPT_OP_READ);
		look(&s, ways[i].gva, NPT_OP_READ);
		close_scene(&s);
	}
}

static const struct npt_tlb_model small_tlb = {
	.size = sizeof(small_tlb),
	.tlb[0] = { .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K,
		    .entries = 64, .ways = 4 },
};

/* A page that a TLB lets the guest write is shadowed: the next write must be seen. */
static void shadowed_in_tlb(void)
{
	u64 faults;
	struct scene s;

	open_scene(&s, true, &small_tlb);
	look(&s, AT(TABLE), NPT_OP_WRITE);
	CHECK_EQ(look(&s, AT(TABLE), NPT_OP_WRITE), NPT_SOURCE_L1, "source of the second write");
	look(&s, X, NPT_OP_READ);
	faults = s.cpu->ctr[NPT_CTR_pf_shadow];
	CHECK_EQ(look(&s, AT(TABLE), NPT_OP_WRITE), NPT_SOURCE_WALK, "source of a table write");
	CHECK_EQ(s.cpu->ctr[NPT_CTR_pf_shadow] - faults, 1, "faults of a write to a table");
	close_scene(&s);
}

/* The same where no shadow leaf lets it any more, because the guest took it away. */
static void shadowed_in_stale_tlb(void)
{
	u64 faults;
	struct scene s;

	open_scene(&s, false, &small_tlb);
	look(&s, AT(TABLE), NPT_OP_WRITE);
	change(&s, WINDOW, TABLE >> 12, PAGE_B | KERNEL);
	/* no INVLPG yet: the old translation may serve until then */
	look(&s, X, NPT_OP_READ);
	faults = s.cpu->ctr[NPT_CTR_pf_shadow];
	CHECK_EQ(look(&s, AT(TABLE), NPT_OP_WRITE), NPT_SOURCE_WALK, "source of a stale write");
	CHECK_EQ(s.cpu->ctr[NPT_CTR_pf_shadow] - faults, 1, "faults of a stale write");
	close_scene(&s);
}

/* Another vCPU's TLB lets it write the table until the kick. */
static void late_write(struct env *env)
{
	u64 e = PAGE_B | KERNEL;

	memcpy(env_ptr(env, TABLE + LEAF * 8), &e, 8);
	env->on_kick = NULL;
}

/*
 * A table is shadowed that another vCPU still writes, after it has been read for
 * the fault: what was read must not stay, no write will ever tell of it.
 */
static void written_meanwhile(void)
{
	struct npt_access_result res;
	struct scene s;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		open_scene(&s, i, NULL);
		look(&s, AT(TABLE), NPT_OP_WRITE);
		s.env.on_kick = late_write;
		env_access(s.cpu, X, NPT_OP_READ, false, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of the access meanwhile");
		CHECK(!s.env.on_kick, "nobody was kicked");
		env_op(s.cpu, NPT_OP_INVLPG, X);
		look(&s, X, NPT_OP_READ);
		close_scene(&s);
	}
}

/* Another vCPU changes the entry while its page is on the way. */
static void write_at_map(struct env *env, u64 gpa)
{
	if (gpa >> 12 != PAGE_A >> 12)
		return;
	env->on_map = NULL;
	late_write(env);
}

/* Where only the page lacked, the guest's tables are not walked again: but compared. */
static void written_while_asked(void)
{
	struct npt_access_result res;
	struct scene s;

	open_scene(&s, false, NULL);
	s.env.on_map = write_at_map;
	env_access(s.cpu, X, NPT_OP_READ, false, &res);
	CHECK_EQ(res.status, NPT_STATUS_OK, "status of the access meanwhile");
	CHECK(!s.env.on_map, "the page was not asked for");
	env_op(s.cpu, NPT_OP_INVLPG, X);
	look(&s, X, NPT_OP_READ);
	close_scene(&s);
}

/*
 * Another vCPU writes an entry of a table that is being synced, as long as its TLB lets
 * it. What it has written counts from its own INVLPG on, though the table is in sync.
 */
static void written_while_synced(void)
{
	struct npt_cpu *other;
	struct scene s;

	open_scene(&s, true, NULL);
	CHECK(!env_add_cpu(&s.env, NULL), "npt_cpu_init() failed");
	other = s.env.cpu[1];
	CHECK(!npt_cpu_set_regs(other, &s.cpu->regs), "set_regs");
	look(&s, X, NPT_OP_READ);
	change(&s, TABLE, LEAF + 1, PAGE_B | KERNEL);
	must_be_unsync(&s);
	s.env.on_kick = late_write;
	env_op(other, NPT_OP_FLUSH, 0);
	CHECK(!s.env.on_kick, "nobody was kicked");
	CHECK_EQ(s.env.mmu.ctr[NPT_CTR_mmu_unsync], 0, "tables out of sync");
	env_op(s.cpu, NPT_OP_INVLPG, X);
	look(&s, X, NPT_OP_READ);
	close_scene(&s);
}

static enum npt_fault_outcome fault_at(struct scene *s, u64 gva, u64 error_code, u64 *gpa)
{
	struct npt_hw_fault f = { .gva = gva, .error_code = error_code };
	enum npt_fault_outcome outcome;

	CHECK(!npt_hw_prepare(s->cpu), "npt_hw_prepare()");
	outcome = npt_hw_shadow_fault(s->cpu, &f);
	*gpa = f.gpa;
	test_cases++;
	return outcome;
}

#define DEVICE (16ull << 20)	/* beyond the memory */

/*
 * A page of a device is remembered, but for no longer than a TLB would: not past an
 * INVLPG, a CR3, a change of rights or of memory, nor for what has not been tried.
 */
static void device_page(void)
{
	struct env_slot *slot;
	struct npt_regs regs;
	struct scene s;
	u64 gpa, asked;

	open_scene(&s, true, NULL);
	put(&s, TABLE, LEAF, DEVICE | P | A);
	CHECK_EQ(fault_at(&s, X + 8, 0, &gpa), NPT_FAULT_MMIO, "a read");
	CHECK_EQ(gpa, DEVICE + 8, "its gpa");
	asked = s.cpu->ctr[NPT_CTR_host_map];
	CHECK_EQ(fault_at(&s, X + 16, 0, &gpa), NPT_FAULT_MMIO, "another");
	CHECK_EQ(gpa, DEVICE + 16, "its gpa");
	CHECK_EQ(s.cpu->ctr[NPT_CTR_host_map] - asked, 0, "times that the host was asked");
	CHECK_EQ(fault_at(&s, X, 2, &gpa), NPT_FAULT_GUEST, "a write, which is denied");
	CHECK_EQ(fault_at(&s, X, 4, &gpa), NPT_FAULT_GUEST, "a user's read, likewise");

	put(&s, TABLE, LEAF, (DEVICE + 0x1000) | P | A);
	env_op(s.cpu, NPT_OP_INVLPG, X);
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_MMIO, "after INVLPG");
	CHECK_EQ(gpa, DEVICE + 0x1000, "its gpa");
	put(&s, TABLE, LEAF, (DEVICE + 0x2000) | P | A);
	regs = s.cpu->regs;
	CHECK(!npt_cpu_set_regs(s.cpu, &regs), "set_regs");
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_MMIO, "after registers were set");
	CHECK_EQ(gpa, DEVICE + 0x2000, "its gpa");
	put(&s, TABLE, LEAF, DEVICE | USER);
	env_op(s.cpu, NPT_OP_MOV_CR3, ROOT);
	npt_hw_set_rights(s.cpu, true, 0);
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_MMIO, "with AC");
	npt_hw_set_rights(s.cpu, false, 0);
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_GUEST, "without it: SMAP");

	put(&s, TABLE, LEAF, DEVICE | KERNEL);
	env_op(s.cpu, NPT_OP_INVLPG, X);
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_MMIO, "a device");
	slot = env_add_slot(&s.env, 32ull << 20, 4096, NPT_SIZE_4K, false);
	env_hide_slot(&s.env, slot);
	env_show_slot(&s.env, slot, DEVICE >> 12, 1);
	CHECK_EQ(fault_at(&s, X, 0, &gpa), NPT_FAULT_FIXED, "memory in its place");
	close_scene(&s);
}

/* A flush of the PCID in use reaches its entries, whether or not the TLB tags them. */
static void flush_of_tag(void)
{
	struct npt_pending_flush f = { .scope = NPT_FLUSH_TAG, .pcid = 7, .reason = NPT_FL_USER };
	struct npt_tlb_model model = small_tlb;
	struct npt_regs regs;
	struct scene s;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		model.flags = i & 1 ? NPT_TLB_PCID : 0;
		open_scene(&s, true, &model);
		regs = s.cpu->regs;
		regs.cr3 |= f.pcid;
		regs.cr4 |= REF_CR4_PCIDE;
		CHECK(!npt_cpu_set_regs(s.cpu, &regs), "set_regs");
		look(&s, X, NPT_OP_READ);
		CHECK_EQ(look(&s, X, NPT_OP_READ), NPT_SOURCE_L1, "source before the flush");
		if (i & 2)
			npt_cpu_flush_async(s.cpu, &f);
		else
			npt_cpu_flush(s.cpu, &f);
		CHECK_EQ(look(&s, X, NPT_OP_READ), NPT_SOURCE_WALK, "source after it");
		close_scene(&s);
	}
}

/*
 * A process that dies gives its memory back before it closes its VM: the root
 * that a vCPU still holds goes with the vCPU, when nothing is left to flush.
 */
static void released(void)
{
	struct scene s = { 0 };

	open_scene(&s, true, NULL);
	look(&s, X, NPT_OP_READ);
	npt_mmu_zap_slowly(&s.env.mmu, 0, 1ull << (s.env.mmu.gpa_bits - 12), NPT_ZAP_EXIT,
			   NPT_FL_NOTIFIER);
	close_scene(&s);
}

#define ROOT5	0x6000ull	/* its first entry leads to ROOT */
#define PDPTS	0x7000ull	/* PAE's four pointers */
#define JUNK	0x123456789000ull

enum { OFF, PAE, LEVEL4, LEVEL5, FORMATS };

static void set_format(struct npt_cpu *cpu, unsigned int f)
{
	static const u64 cr3[] = { ROOT, PDPTS, ROOT, ROOT5 };
	struct npt_regs regs = {
		.cr0 = REF_CR0_PE | (f == OFF ? 0 : REF_CR0_PG | REF_CR0_WP), .cr3 = cr3[f],
		.cr4 = REF_CR4_PAE | (f == LEVEL5 ? REF_CR4_LA57 : 0),
		.efer = f >= LEVEL4 ? REF_EFER_LME | REF_EFER_LMA : 0,
	};

	CHECK(!npt_cpu_set_regs(cpu, &regs), "set_regs");
}

static u32 dump(struct scene *s, struct npt_cpu *cpu, struct npt_table_range *r, u32 max)
{
	u64 cursor = 0;
	bool done;
	u32 n;

	memset(r, 0, max * sizeof(*r));
	n = npt_table_dump(&s->env.mmu, cpu, NPT_DIM_SHADOW, &cursor, r, max, &done);
	CHECK(done, "more than %u ranges", n);
	return n;
}

/*
 * Registers change the format while the root of the old one is still there. Whoever
 * looks at that root, or flushes an address, must not take it for one of the new
 * format: with more levels, what guest pages contain would pass for tables.
 */
static void root_of_other_format(struct scene *s, unsigned int from, unsigned int to)
{
	struct npt_table_range before[8], after[8];
	struct npt_cpu *first = s->cpu, *cpu = s->env.cpu[1];
	unsigned int i;
	u32 n;

	set_format(cpu, from);
	s->cpu = cpu;
	look(s, X, NPT_OP_READ);
	n = dump(s, cpu, before, ARRAY_SIZE(before));
	CHECK_EQ(n, 1, "ranges");
	set_format(cpu, to);
	CHECK_EQ(dump(s, cpu, after, ARRAY_SIZE(after)), n, "ranges");
	CHECK(before->start == after->start && before->end == after->end &&
	      before->target == after->target && before->flags == after->flags,
	      "the table became another");

	s->cpu = first;
	look(s, X, NPT_OP_READ);
	change(s, TABLE, LEAF + 2, PAGE_B | KERNEL);
	CHECK(s->env.mmu.ctr[NPT_CTR_mmu_unsync], "no table is out of sync");
	/* also where the leaf would be taken for a directory entry */
	for (i = 0; i < 4; i++)
		env_op(cpu, NPT_OP_INVLPG, i & 1 ? GVA(LEAF, i) : X + i * 0x8000001000ull);
	s->cpu = cpu;
	look(s, X, NPT_OP_READ);
	s->cpu = first;
}

static void format_changed(void)
{
	unsigned int from, to, i;
	struct scene s;

	for (from = 0; from < FORMATS; from++)
		for (to = 0; to < FORMATS; to++) {
			if (from == to)
				continue;
			open_scene(&s, true, NULL);
			CHECK(!env_add_cpu(&s.env, NULL), "npt_cpu_init() failed");
			put(&s, ROOT5, 0, ROOT | USER);
			put(&s, PDPTS, 0, PD | P);
			/* without paging X is WINDOW, which is full of entries */
			for (i = 0; i < 512; i++)
				put(&s, PAGE_A, i, JUNK | USER);
			/* page->private of memory is its own: no table's owner */
			npt_page_set_owner(env_ptr(&s.env, PAGE_A), (void *)8);
			npt_page_set_owner(env_ptr(&s.env, WINDOW), (void *)8);
			root_of_other_format(&s, from, to);
			close_scene(&s);
		}
}

#define MANY	(NPT_MAX_UNSYNC + 8)	/* page tables from MANY_AT on */
#define MANY_AT	0x200000ull
#define MANY_PD	0x6000ull		/* two: PDPT[1] and PDPT[2] */
#define MANY_WINDOW 0x8000ull		/* two: PD[4] and PD[5] map the tables */

static u64 many_gva(unsigned int i)
{
	return GVA(512 + i, LEAF);
}

static void make_many(struct scene *s)
{
	unsigned int i, half;
	u64 table;

	env_add_slot(&s->env, MANY_AT, 4 << 20, NPT_SIZE_4K, false);
	for (half = 0; half < 2; half++) {
		put(s, PDPT, 1 + half, (MANY_PD + half * 0x1000) | USER);
		put(s, PD, 4 + half, (MANY_WINDOW + half * 0x1000) | USER);
	}
	for (i = 0; i < MANY; i++) {
		table = MANY_AT + i * 0x1000ull;
		put(s, MANY_PD, i, table | USER);
		put(s, MANY_WINDOW, i, table | KERNEL);
		put(s, table, LEAF, PAGE_A | KERNEL);
	}
}

/*
 * A guest that writes to all its tables and flushes never: what a flush has to do in
 * the end has a bound. Writes that go past it are emulated, and at once in effect.
 */
static void many_tables(void)
{
	struct npt_access_result res;
	u64 e = PAGE_B | KERNEL;
	unsigned int i, want;
	struct scene s;

	open_scene(&s, true, NULL);
	make_many(&s);
	for (i = 0; i < MANY; i++)
		look(&s, many_gva(i), NPT_OP_READ);
	for (i = 0; i < MANY; i++) {
		env_data(s.cpu, GVA(4, i) + LEAF * 8, NPT_OP_WRITE, 0, &e, 8, &res);
		CHECK_EQ(res.status, NPT_STATUS_OK, "status of the guest's write");
		want = i + 1 < NPT_MAX_UNSYNC ? i + 1 : NPT_MAX_UNSYNC;
		CHECK_EQ(s.env.mmu.ctr[NPT_CTR_mmu_unsync], want, "tables out of sync");
	}
	env_op(s.cpu, NPT_OP_FLUSH, 0);
	CHECK_EQ(s.env.mmu.ctr[NPT_CTR_mmu_unsync], 0, "tables out of sync");
	for (i = 0; i < MANY; i++)
		look(&s, many_gva(i), NPT_OP_READ);
	close_scene(&s);
}

static const struct test tests[] = {
	{ "sync.user_bit", user_bit },
	{ "sync.second_way", second_way },
	{ "sync.shadowed_in_tlb", shadowed_in_tlb },
	{ "sync.shadowed_in_stale_tlb", shadowed_in_stale_tlb },
	{ "sync.written_meanwhile", written_meanwhile },
	{ "sync.written_while_asked", written_while_asked },
	{ "sync.written_while_synced", written_while_synced },
	{ "sync.device_page", device_page },
	{ "sync.flush_of_tag", flush_of_tag },
	{ "sync.released", released },
	{ "sync.format_changed", format_changed },
	{ "sync.many_tables", many_tables },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
