// SPDX-License-Identifier: GPL-2.0
/*
 * Every law of the counter catalogue after a busy life, in each mode, on the
 * VM and on the sum of its vCPUs, while nothing runs.
 */
#include <stdio.h>
#include "kselftest_harness.h"
#include "laws.h"
#include "refguest.h"

#define MEM_SIZE (8 * MIB)
#define TABLES (6 * MIB)

FIXTURE(laws) {
	int dev;
	struct guest g;
};

FIXTURE_VARIANT(laws) {
	unsigned int mmu, format, leaf_pages, flags, max_table_pages;
	bool tlb;
};

FIXTURE_VARIANT_ADD(laws, native) { .mmu = NPT_MMU_NATIVE };
FIXTURE_VARIANT_ADD(laws, native_tlb) { .mmu = NPT_MMU_NATIVE, .tlb = true };
FIXTURE_VARIANT_ADD(laws, shadow) { .mmu = NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(laws, shadow_tlb) { .mmu = NPT_MMU_SHADOW, .tlb = true };
FIXTURE_VARIANT_ADD(laws, shadow_sync) { .mmu = NPT_MMU_SHADOW, .flags = NPT_VM_NO_UNSYNC };
FIXTURE_VARIANT_ADD(laws, shadow_tiny) {
	.mmu = NPT_MMU_SHADOW, .max_table_pages = NPT_MIN_TABLE_PAGES, .tlb = true,
};

FIXTURE_VARIANT_ADD(laws, nested_npt) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(laws, nested_tlb) { .mmu = NPT_MMU_NESTED, .tlb = true };
FIXTURE_VARIANT_ADD(laws, nested_ept) {
	.mmu = NPT_MMU_NESTED, .format = NPT_NESTED_EPT, .leaf_pages = NPT_PAGE_4K, .tlb = true,
};

FIXTURE_SETUP(laws)
{
	struct npt_create_vm args = vm_args(variant->mmu);
	struct npt_tlb_model tlb = {
		.size = sizeof(tlb),
		.tlb = {
			{ .level = 1, .kinds = NPT_TLB_DATA, .pages = NPT_PAGE_4K, .entries = 16,
			  .ways = 4 },
			{ .level = 1, .kinds = NPT_TLB_FETCH, .pages = NPT_PAGE_4K, .entries = 8 },
			{ .level = 2, .kinds = NPT_TLB_DATA | NPT_TLB_FETCH,
			  .pages = NPT_PAGE_4K | NPT_PAGE_2M, .entries = 64, .ways = 8 },
		},
		.pwc[0] = { .dims = NPT_PWC_GUEST | NPT_PWC_NESTED, .levels = 0x1c, .entries = 8 },
		.ntlb_entries = 16,
	};

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	args.nested_format = variant->format;
	args.leaf_pages = variant->leaf_pages;
	args.flags = variant->flags;
	args.max_table_pages = variant->max_table_pages;
	if (variant->tlb)
		args.tlb = (uintptr_t)&tlb;
	ASSERT_EQ(0, guest_make(&self->g, self->dev, &args, MEM_SIZE, 2));
	identity_tables(self->g.mem + TABLES, TABLES, MEM_SIZE);
	guest_paging(&self->g, 4, TABLES);
	ASSERT_EQ(0, guest_load(&self->g));
}

FIXTURE_TEARDOWN(laws)
{
	guest_free(&self->g);
	close(self->dev);
}

/* Accesses of all kinds, good and bad, table writes, flushes, what the host does. */
static void live(struct guest *g)
{
	uint64_t seed = 1, value;
	unsigned int i;

	for (i = 0; i < 6000; i++) {
		uint64_t r = guest_random(&seed), gva = r % (MEM_SIZE + MIB);
		int vcpu = g->vcpu[r >> 60 & 1];
		uint8_t flags = r >> 50 & 1 ? NPT_ACCESS_USER : 0;

		switch (r >> 40 & 31) {
		case 0:
			value = (r >> 8 & 0x3ff000) | (r & 0x8000000000000067ull);
			write_phys(vcpu, TABLES + (FIRST_PT * 512 + (r >> 12) % 2048) * 8,
				   &value, 8);
			break;
		case 1:
			guest_op(vcpu, NPT_OP_INVLPG, gva);
			break;
		case 2:
			guest_op(vcpu, NPT_OP_MOV_CR3, TABLES);
			break;
		case 3:
			guest_op(vcpu, r & 1 ? NPT_OP_FLUSH : NPT_OP_SWITCH, 0);
			break;
		case 4:
			madvise(g->mem + (r % 1024) * PAGE, 8 * PAGE, MADV_DONTNEED);
			break;
		case 5:
			access_one(vcpu, NPT_OP_READ, 0, 1ull << 60 | gva, NULL, 1, NULL);
			break;
		case 6:
			access_one(vcpu, NPT_OP_WRITE, flags, gva, NULL, 1 + r % 9000, NULL);
			break;
		default:
			access_one(vcpu, r % 3, flags, gva, NULL, 1 + r % 16, NULL);
		}
	}
}

TEST_F(laws, hold)
{
	uint64_t vm[NPT_CTR_NR], vcpu[NPT_CTR_NR];
	unsigned int i, v;

	live(&self->g);
	ASSERT_EQ(0, read_counters(self->g.vm, vm));
	EXPECT_EQ(0, laws_not_kept(vm));
	/* what a VM says of a vCPU's counters is the sum of what they say */
	for (v = 0; v < self->g.vcpus; v++) {
		ASSERT_EQ(0, read_counters(self->g.vcpu[v], vcpu));
		for (i = 0; i < NPT_CTR_NR; i++) {
			EXPECT_TRUE(law_counters[i].vcpu || !vcpu[i]);
			vm[i] -= law_counters[i].vcpu ? vcpu[i] : 0;
		}
	}
	for (i = 0; i < NPT_CTR_NR; i++) {
		EXPECT_TRUE(!law_counters[i].vcpu || !vm[i]) {
			TH_LOG("%s: the VM has %llu more than its vCPUs", law_counters[i].name,
			       (unsigned long long)vm[i]);
		}
	}
	/* and it was a busy life */
	ASSERT_EQ(0, read_counters(self->g.vm, vm));
	EXPECT_LT(1000, vm[NPT_CTR_accesses]);
	EXPECT_LT(100, vm[NPT_CTR_guest_pf]);
	EXPECT_LT(10, vm[NPT_CTR_guest_gp]);
	EXPECT_LT(10, vm[NPT_CTR_flush_invlpg]);
	EXPECT_LT(10, vm[NPT_CTR_zap_notifier]);
}

/* A memslot that goes takes every mapping of it along. */
TEST_F(laws, slot_gone)
{
	uint64_t vm[NPT_CTR_NR];

	live(&self->g);
	ASSERT_EQ(0, set_slot(self->g.vm, 0, 0, 0, 0, NULL));
	ASSERT_EQ(0, read_counters(self->g.vm, vm));
	EXPECT_EQ(0, vm[NPT_CTR_mapped_bytes]);
	EXPECT_EQ(0, vm[NPT_CTR_shadow_leaves]);
	EXPECT_EQ(0, vm[NPT_CTR_slots]);
	EXPECT_LT(0, vm[NPT_CTR_zap_slot]);
	EXPECT_EQ(0, laws_not_kept(vm));
}

TEST_HARNESS_MAIN
