// SPDX-License-Identifier: GPL-2.0
/*
 * The TLB model through the ABI: hits, misses, evictions and flushes of
 * sequences worked out by hand, in each mode alike.
 */
#include <stdio.h>
#include "kselftest_harness.h"
#include "refguest.h"
#include "svmguest.h"

#define MEM_SIZE (8 * MIB)
#define TABLES (6 * MIB)
#define PAGE_AT(n) ((n) * PAGE)

#define L1(k, p, e, w) { .level = 1, .kinds = (k), .pages = (p), .entries = (e), .ways = (w) }
#define L2(k, p, e, w) { .level = 2, .kinds = (k), .pages = (p), .entries = (e), .ways = (w) }

FIXTURE(tlb_model) {
	int dev;
	struct guest g;
	int vcpu;
};

FIXTURE_VARIANT(tlb_model) {
	unsigned int mmu;
};

FIXTURE_VARIANT_ADD(tlb_model, native) { .mmu = NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(tlb_model, shadow) { .mmu = NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(tlb_model, nested) { .mmu = NPT_MMU_NESTED };

FIXTURE_SETUP(tlb_model)
{
	struct npt_create_vm args = vm_args(variant->mmu);
	uint64_t gva, v;

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	args.leaf_pages = NPT_PAGE_4K;
	ASSERT_EQ(0, guest_make(&self->g, self->dev, &args, MEM_SIZE, 1));
	identity_tables(self->g.mem + TABLES, TABLES, MEM_SIZE);
	guest_paging(&self->g, 4, TABLES);
	ASSERT_EQ(0, guest_load(&self->g));
	self->vcpu = self->g.vcpu[0];
	/* bring everything in, so that no fault or flush comes between */
	for (gva = 0; gva < MIB; gva += PAGE) {
		v = gva;
		ASSERT_EQ(0, write_virt(self->vcpu, gva, &v, 8));
	}
}

FIXTURE_TEARDOWN(tlb_model)
{
	guest_free(&self->g);
	close(self->dev);
}

/* A processor has the TLBs that it has: a model of others would never be flushed. */
TEST(no_model_on_a_processor)
{
	struct npt_tlb_model m = {
		.size = sizeof(m), .tlb[0] = L1(NPT_TLB_DATA, NPT_PAGE_4K, 16, 4),
	}, none = { .size = sizeof(none) }, got = { .size = sizeof(got) };
	struct npt_create_vm args = {
		.size = sizeof(args), .engine = NPT_ENGINE_SVM, .mmu = NPT_MMU_SHADOW,
	};
	int dev = open_npt(), vm, vcpu;

	ASSERT_LE(0, dev);
	if (!have_svm(dev)) {
		close(dev);
		SKIP(return, "no svm engine here");
	}
	args.tlb = (uintptr_t)&m;
	EXPECT_EQ(-EOPNOTSUPP, call(dev, NPT_CREATE_VM, &args));
	args.tlb = 0;
	vm = call(dev, NPT_CREATE_VM, &args);
	ASSERT_LE(0, vm);
	vcpu = call_value(vm, KVM_CREATE_VCPU, 0);
	EXPECT_EQ(-EOPNOTSUPP, call(vm, NPT_SET_TLB, &m));
	memset(&m.tlb, 0, sizeof(m.tlb));
	m.cost.ref = 1;
	EXPECT_EQ(-EOPNOTSUPP, call(vm, NPT_SET_TLB, &m));
	EXPECT_EQ(0, call(vm, NPT_SET_TLB, &none));
	/* What no engine takes is told as on any. */
	m.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, call(vm, NPT_SET_TLB, &m));
	EXPECT_EQ(0, call(vm, NPT_GET_TLB, &got));
	EXPECT_EQ(0, memcmp(&none, &got, sizeof(none)));
	close(vcpu);
	close(vm);
	close(dev);
}

/* Touch the page: where the translation came from, or -1. */
static int touch(int vcpu, unsigned int page, uint8_t op)
{
	struct npt_access_result res;

	if (access_one(vcpu, op, 0, PAGE_AT(page), NULL, 1, &res))
		return -1;
	return res.source;
}

static int reads(int vcpu, unsigned int page)
{
	return touch(vcpu, page, NPT_OP_READ);
}

static int set_tlb(struct guest *g, struct npt_tlb_model *m)
{
	m->size = sizeof(*m);
	return call(g->vm, NPT_SET_TLB, m);
}

/* Four entries, fully associative, each policy: who goes? */
TEST_F(tlb_model, policies)
{
	/* after 1 2 3 4 1 1 2: a fifth page pushes one out */
	static const struct { unsigned int policy, victim; } c[] = {
		{ NPT_TLB_LRU, 3 },	/* not used for longest */
		{ NPT_TLB_FIFO, 1 },	/* came first */
		{ NPT_TLB_LFU, 3 },	/* 3 and 4 used once: the lower way */
	};
	static const unsigned int order[] = { 1, 2, 3, 4, 1, 1, 2, 5 };
	unsigned int i, k, p;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct npt_tlb_model m = { .tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 4, 0) } };
		uint64_t evictions = counter(self->vcpu, NPT_CTR_l1d_evict);

		m.tlb[0].policy = c[i].policy;
		ASSERT_EQ(0, set_tlb(&self->g, &m));
		for (k = 0; k < sizeof(order) / sizeof(order[0]); k++)
			ASSERT_EQ(k < 4 || k == 7 ? NPT_SOURCE_WALK : NPT_SOURCE_L1,
				  reads(self->vcpu, order[k]));
		EXPECT_EQ(evictions + 1, counter(self->vcpu, NPT_CTR_l1d_evict));
		for (p = 1; p <= 5; p++)
			if (p != c[i].victim)
				EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, p)) {
					TH_LOG("policy %u page %u", c[i].policy, p);
				}
		EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, c[i].victim));
	}
}

/* 8 sets x 2 ways: pages 8 apart share a set, others don't. */
TEST_F(tlb_model, sets)
{
	struct npt_tlb_model m = { .tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 16, 2) } };
	unsigned int p;

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	for (p = 0; p < 16; p++)
		ASSERT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, p));
	for (p = 0; p < 16; p++)
		ASSERT_EQ(NPT_SOURCE_L1, reads(self->vcpu, p));
	ASSERT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 16));	/* takes page 0's place */
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 8));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 1));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 0));
}

/* The second level holds what fell out of the first, for both kinds. */
TEST_F(tlb_model, two_levels)
{
	struct npt_tlb_model m = {
		.tlb = {
			L1(NPT_TLB_DATA, NPT_PAGE_4K, 2, 0), L1(NPT_TLB_FETCH, NPT_PAGE_4K, 2, 0),
			L2(NPT_TLB_DATA | NPT_TLB_FETCH, NPT_PAGE_4K, 64, 4),
		},
	};
	uint64_t hit, miss;
	unsigned int p;

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	hit = counter(self->vcpu, NPT_CTR_l2_hit);
	miss = counter(self->vcpu, NPT_CTR_l2_miss);
	for (p = 0; p < 4; p++)
		ASSERT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, p));
	ASSERT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 3));
	ASSERT_EQ(NPT_SOURCE_L2, reads(self->vcpu, 0));
	ASSERT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 0));
	ASSERT_EQ(NPT_SOURCE_L2, touch(self->vcpu, 1, NPT_OP_FETCH));
	ASSERT_EQ(NPT_SOURCE_L1, touch(self->vcpu, 1, NPT_OP_FETCH));
	EXPECT_EQ(hit + 2, counter(self->vcpu, NPT_CTR_l2_hit));
	EXPECT_EQ(miss + 4, counter(self->vcpu, NPT_CTR_l2_miss));
}

/* What each flush drops: one address, one PCID, all; global pages stay where they may. */
TEST_F(tlb_model, flushes)
{
	struct npt_tlb_model m = {
		.flags = NPT_TLB_PCID | NPT_TLB_VPID,
		.tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 64, 0) },
	};
	struct npt_flush f = {
		.size = sizeof(f), .scope = NPT_FLUSH_ADDRESS, .gva = PAGE_AT(3) + 5,
	};
	volatile uint64_t *global = pte_of(self->g.mem + TABLES, PAGE_AT(9));
	uint64_t user = counter(self->vcpu, NPT_CTR_flush_user);

	*global |= 0x100;
	self->g.cpu.cr4 |= REF_CR4_PGE | REF_CR4_PCIDE;
	ASSERT_EQ(0, guest_load(&self->g));
	ASSERT_EQ(0, set_tlb(&self->g, &m));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 3));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 9));
	ASSERT_EQ(0, call(self->vcpu, NPT_FLUSH, &f));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 3));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 4));
	/* another PCID has its own entries but for the global one */
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_MOV_CR3, TABLES | 7));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 9));
	/* bit 63 keeps what PCID 0 had */
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_MOV_CR3, TABLES | 1ull << 63));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 4));
	f = (struct npt_flush){ .size = sizeof(f), .scope = NPT_FLUSH_TAG, .pcid = 7 };
	ASSERT_EQ(0, call(self->g.vm, NPT_FLUSH, &f));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 4));
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_MOV_CR3, TABLES | 7 | 1ull << 63));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	/* VPIDs: nothing is lost to another VM */
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_SWITCH, 0));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 4));
	/* INVLPG takes the global page too, a flush of all takes everything */
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_INVLPG, PAGE_AT(9)));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 9));
	f = (struct npt_flush){ .size = sizeof(f), .scope = NPT_FLUSH_ALL };
	ASSERT_EQ(0, call(self->vcpu, NPT_FLUSH, &f));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 9));
	EXPECT_EQ(user + 3, counter(self->vcpu, NPT_CTR_flush_user));
}

/* Without tags a load of CR3 and a switch of VMs empty the TLB. */
TEST_F(tlb_model, no_tags)
{
	struct npt_tlb_model m = { .tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 64, 0) } };
	uint64_t cr3 = counter(self->vcpu, NPT_CTR_flush_cr3);
	uint64_t other = counter(self->vcpu, NPT_CTR_flush_switch);

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 4));
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_MOV_CR3, TABLES));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	ASSERT_EQ(0, guest_op(self->vcpu, NPT_OP_SWITCH, 0));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 4));
	EXPECT_EQ(cr3 + 1, counter(self->vcpu, NPT_CTR_flush_cr3));
	EXPECT_EQ(other + 1, counter(self->vcpu, NPT_CTR_flush_switch));
}

/*
 * The oracle looks on while a guest changes entries, with and without the flush that is
 * due, and the host takes pages away: nothing is stale that was to be flushed.
 */
TEST_F(tlb_model, oracle)
{
	struct npt_tlb_model m = {
		.flags = NPT_TLB_ORACLE | NPT_TLB_PCID,
		.tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 16, 4) },
	};
	unsigned int i, page;
	volatile uint64_t *pte;
	uint64_t e;
	int ret;

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	for (i = 0; i < 400; i++) {
		page = 1 + i % 7;
		pte = pte_of(self->g.mem + TABLES, PAGE_AT(page));
		e = PAGE_AT(1 + i % 11) | 0x67;
		ASSERT_LE(0, reads(self->vcpu, page));
		ASSERT_LE(0, reads(self->vcpu, page));
		ASSERT_EQ(0, write_phys(self->vcpu, (char *)pte - (char *)self->g.mem, &e, 8));
		ret = 0;
		if (i % 5 == 1)
			ret = guest_op(self->vcpu, NPT_OP_INVLPG, PAGE_AT(page));
		else if (i % 5 == 2)
			ret = guest_op(self->vcpu, NPT_OP_MOV_CR3, TABLES);
		else if (i % 5 == 3)
			ret = madvise(self->g.mem + PAGE_AT(page), PAGE, MADV_DONTNEED);
		ASSERT_EQ(0, ret);
		ASSERT_LE(0, reads(self->vcpu, page));
	}
	EXPECT_EQ(0, counter(self->vcpu, NPT_CTR_tlb_stale_hits));
}

/* A clean entry is no use for a write: one more walk, then it is. */
TEST_F(tlb_model, dirty_bit)
{
	struct npt_tlb_model m = { .tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 64, 0) } };
	volatile uint64_t *pte = pte_of(self->g.mem + TABLES, PAGE_AT(300));
	uint64_t upgrades = counter(self->vcpu, NPT_CTR_walk_upgrade);

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	EXPECT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 300));
	EXPECT_EQ(0, *pte & 0x40);
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 300));
	EXPECT_EQ(NPT_SOURCE_WALK, touch(self->vcpu, 300, NPT_OP_WRITE));
	EXPECT_EQ(0x40, *pte & 0x40);
	EXPECT_EQ(NPT_SOURCE_L1, touch(self->vcpu, 300, NPT_OP_WRITE));
	EXPECT_EQ(upgrades + 1, counter(self->vcpu, NPT_CTR_walk_upgrade));
}

/* Walk caches and the nested TLB: fewer reads, the same sum. */
TEST_F(tlb_model, walk_caches)
{
	struct npt_tlb_model none = { 0 }, m = {
		.pwc[0] = { .dims = NPT_PWC_GUEST, .levels = 0x1c, .entries = 16 },
	};
	unsigned int full = variant->mmu == NPT_MMU_NESTED ? 24 : 4;
	struct npt_access_result res;
	uint64_t uncached, made, saved;

	ASSERT_EQ(0, set_tlb(&self->g, &none));
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(1), NULL, 1, &res));
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(1), NULL, 1, &res));
	EXPECT_EQ(full, res.refs_guest + res.refs_nested);
	ASSERT_EQ(0, set_tlb(&self->g, &m));
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(1), NULL, 1, &res));
	EXPECT_EQ(full, res.refs_guest + res.refs_nested);
	/* the next page of the same table: its entry, and in nested mode 4 + 4 around it */
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(2), NULL, 1, &res));
	EXPECT_EQ(variant->mmu == NPT_MMU_NESTED ? 9 : 1, res.refs_guest + res.refs_nested);
	m.ntlb_entries = 64;
	ASSERT_EQ(0, set_tlb(&self->g, &m));
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(1), NULL, 1, &res));
	ASSERT_EQ(0, access_one(self->vcpu, NPT_OP_READ, 0, PAGE_AT(2), NULL, 1, &res));
	/* the table's own page is in the nested TLB now, the data page isn't */
	EXPECT_EQ(variant->mmu == NPT_MMU_NESTED ? 5 : 1, res.refs_guest + res.refs_nested);
	uncached = counter(self->g.vm, NPT_CTR_refs_uncached);
	made = counter(self->g.vm, NPT_CTR_refs_guest) + counter(self->g.vm, NPT_CTR_refs_nested);
	saved = counter(self->g.vm, NPT_CTR_refs_saved_pwc_guest) +
		counter(self->g.vm, NPT_CTR_refs_saved_pwc_nested) +
		counter(self->g.vm, NPT_CTR_refs_saved_ntlb);
	EXPECT_EQ(uncached, made + saved);
	EXPECT_LT(0, saved);
}

/* What was set is what is read; a geometry that makes no sense changes nothing. */
TEST_F(tlb_model, set_and_get)
{
	struct npt_tlb_model m = {
		.flags = NPT_TLB_VPID,
		.tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 16, 4) },
		.cost = { .l1_hit = 1, .ref = 30 },
	}, bad, got;

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	ASSERT_EQ(NPT_SOURCE_WALK, reads(self->vcpu, 1));
	bad = m;
	bad.tlb[0].ways = 3;
	EXPECT_EQ(-EINVAL, set_tlb(&self->g, &bad));
	bad = m;
	bad.tlb[0].entries = 0;
	EXPECT_EQ(-EINVAL, set_tlb(&self->g, &bad));
	bad = m;
	bad.flags = ~0u;
	EXPECT_EQ(-EINVAL, set_tlb(&self->g, &bad));
	EXPECT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 1));
	memset(&got, 0xff, sizeof(got));
	got.size = sizeof(got);
	ASSERT_EQ(0, call(self->g.vm, NPT_GET_TLB, &got));
	EXPECT_EQ(0, memcmp(&m, &got, sizeof(m)));
}

/* The cost model: cycles are what the counters say they are. */
TEST_F(tlb_model, cost)
{
	struct npt_tlb_model m = {
		.tlb = { L1(NPT_TLB_DATA, NPT_PAGE_4K, 16, 4) },
		.cost = { .l1_hit = 1 },
	};
	uint64_t before, i;

	ASSERT_EQ(0, set_tlb(&self->g, &m));
	reads(self->vcpu, 1);
	before = counter(self->vcpu, NPT_CTR_cycles);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(NPT_SOURCE_L1, reads(self->vcpu, 1));
	EXPECT_EQ(before + 100, counter(self->vcpu, NPT_CTR_cycles));
}

TEST_HARNESS_MAIN
