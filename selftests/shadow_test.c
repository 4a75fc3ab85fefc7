// SPDX-License-Identifier: GPL-2.0
/*
 * Shadow tables against the guest's: writes to tables by physical address and
 * through the guest's own mappings, INVLPG, roots, several vCPUs, recycling.
 * The same sequences run in the other modes, which must not differ.
 */
#include <stdio.h>
#include "kselftest_harness.h"
#include "refguest.h"

#define MEM_SIZE (8 * MIB)
#define TABLES (6 * MIB)		/* the first root and its tables */
#define OTHER_ROOT (7 * MIB)		/* a second PML4 over the same PDPT */
#define NPAGES 64
#define VALUE(gpa) (0xabcd000000000000ull | (gpa))

FIXTURE(shadow) {
	int dev;
	struct guest g;
};

FIXTURE_VARIANT(shadow) {
	unsigned int mmu, flags, max_table_pages, leaf_pages;
};

FIXTURE_VARIANT_ADD(shadow, unsync) { .mmu = NPT_MMU_SHADOW };
FIXTURE_VARIANT_ADD(shadow, sync) { .mmu = NPT_MMU_SHADOW, .flags = NPT_VM_NO_UNSYNC };
FIXTURE_VARIANT_ADD(shadow, tiny) {
	.mmu = NPT_MMU_SHADOW, .max_table_pages = NPT_MIN_TABLE_PAGES,
};

FIXTURE_VARIANT_ADD(shadow, small_pages) {
	.mmu = NPT_MMU_SHADOW, .leaf_pages = NPT_PAGE_4K,
};

FIXTURE_VARIANT_ADD(shadow, nested) { .mmu = NPT_MMU_NESTED };
FIXTURE_VARIANT_ADD(shadow, native) { .mmu = NPT_MMU_NATIVE };

FIXTURE_SETUP(shadow)
{
	struct npt_create_vm args = vm_args(variant->mmu);
	uint64_t gpa;

	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	args.flags = variant->flags;
	args.max_table_pages = variant->max_table_pages;
	args.leaf_pages = variant->leaf_pages;
	ASSERT_EQ(0, guest_make(&self->g, self->dev, &args, MEM_SIZE, 2));
	identity_tables(self->g.mem + TABLES, TABLES, MEM_SIZE);
	memcpy(self->g.mem + OTHER_ROOT, self->g.mem + TABLES, PAGE);
	for (gpa = 0; gpa < 4 * MIB; gpa += PAGE)
		*(uint64_t *)(self->g.mem + gpa) = VALUE(gpa);
	guest_paging(&self->g, 4, TABLES);
	ASSERT_EQ(0, guest_load(&self->g));
}

FIXTURE_TEARDOWN(shadow)
{
	guest_free(&self->g);
	close(self->dev);
}

/* gpa of the level-1 entry for @gva; the tables are mapped one to one. */
static uint64_t pte_gpa(uint64_t gva)
{
	return TABLES + (FIRST_PT * 512 + gva / PAGE) * 8;
}

static uint64_t value_at(int vcpu, uint64_t gva)
{
	uint64_t v = 0;

	return read_virt(vcpu, gva, &v, 8) ? ~0ull : v;
}

/* A table write by physical address is seen after INVLPG, on each vCPU that did one. */
TEST_F(shadow, write_and_invlpg)
{
	uint64_t pte, gva;
	int *vcpu = self->g.vcpu;

	for (gva = 0; gva < NPAGES * PAGE; gva += PAGE) {
		ASSERT_EQ(VALUE(gva), value_at(vcpu[0], gva));
		ASSERT_EQ(VALUE(gva), value_at(vcpu[1], gva));
	}
	for (gva = 0; gva < NPAGES * PAGE; gva += PAGE) {
		pte = (gva + MIB) | PTE_RWU;
		ASSERT_EQ(0, write_phys(vcpu[0], pte_gpa(gva), &pte, 8));
		ASSERT_EQ(0, guest_op(vcpu[0], NPT_OP_INVLPG, gva));
		ASSERT_EQ(VALUE(gva + MIB), value_at(vcpu[0], gva));
		ASSERT_EQ(0, guest_op(vcpu[1], NPT_OP_INVLPG, gva));
		ASSERT_EQ(VALUE(gva + MIB), value_at(vcpu[1], gva));
	}
}

/* The same through the guest's own mapping of its tables: caught or out of sync. */
TEST_F(shadow, write_through_mapping)
{
	uint64_t pte, gva, *mem = (uint64_t *)self->g.mem;
	unsigned int round;

	for (round = 0; round < 4; round++) {
		for (gva = 0; gva < NPAGES * PAGE; gva += PAGE) {
			uint64_t to = (gva + (round + 1) * 37 * PAGE) % (4 * MIB);

			pte = to | PTE_RWU;
			ASSERT_EQ(0, write_virt(self->g.vcpu[0], pte_gpa(gva), &pte, 8));
			/* the guest's memory has it at once */
			ASSERT_EQ(pte, mem[pte_gpa(gva) / 8] & ~0x60ull);
			ASSERT_EQ(0, guest_op(self->g.vcpu[0], NPT_OP_INVLPG, gva));
			ASSERT_EQ(VALUE(to), value_at(self->g.vcpu[0], gva));
			/* accessed, by that read */
			ASSERT_EQ(pte | 0x20, mem[pte_gpa(gva) / 8]);
		}
	}
	if (variant->mmu != NPT_MMU_SHADOW) {
		EXPECT_EQ(0, counter(self->g.vm, NPT_CTR_pf_emulate));
		EXPECT_EQ(0, counter(self->g.vm, NPT_CTR_pf_unsync));
	} else if (variant->flags & NPT_VM_NO_UNSYNC) {
		EXPECT_EQ(0, counter(self->g.vm, NPT_CTR_pf_unsync));
		EXPECT_EQ(0, counter(self->g.vm, NPT_CTR_mmu_unsync));
		EXPECT_LE(NPAGES, counter(self->g.vm, NPT_CTR_mmu_pte_write));
	} else {
		EXPECT_LT(0, counter(self->g.vm, NPT_CTR_pf_unsync));
		/* INVLPG looks at its own entry; a flush brings whole tables back. */
		EXPECT_LT(0, counter(self->g.vm, NPT_CTR_mmu_unsync));
		ASSERT_EQ(0, guest_op(self->g.vcpu[0], NPT_OP_FLUSH, 0));
		EXPECT_EQ(0, counter(self->g.vm, NPT_CTR_mmu_unsync));
		EXPECT_LT(0, counter(self->g.vm, NPT_CTR_mmu_unsync_sync));
	}
}

/* A table that the guest frees and uses for data is no table any more. */
TEST_F(shadow, table_becomes_data)
{
	uint64_t table = pte_gpa(0), pde = TABLES + 2 * PAGE, zero = 0, word = 0x1111, got;
	int vcpu = self->g.vcpu[0];
	unsigned int i;

	ASSERT_EQ(VALUE(0), value_at(vcpu, 0));
	ASSERT_EQ(0, write_phys(vcpu, pde, &zero, 8));
	ASSERT_EQ(0, guest_op(vcpu, NPT_OP_FLUSH, 0));
	ASSERT_EQ(NPT_STATUS_GUEST_PF, read_virt(vcpu, 0, &got, 8));
	for (i = 0; i < 512; i++, word += 0x1111) {
		ASSERT_EQ(0, write_virt(vcpu, table + i * 8, &word, 8));
		ASSERT_EQ(0, read_virt(vcpu, table + i * 8, &got, 8));
		ASSERT_EQ(word, got);
	}
	ASSERT_EQ(NPT_STATUS_GUEST_PF, read_virt(vcpu, 0, &got, 8));
}

/* Rights, dirty and accessed bits that the guest takes back take effect. */
TEST_F(shadow, rights_and_bits)
{
	volatile uint64_t *pte = pte_of(self->g.mem + TABLES, 5 * PAGE);
	uint64_t gva = 5 * PAGE, e, v = 1;
	struct npt_access_result res;
	int vcpu = self->g.vcpu[0];

	ASSERT_EQ(VALUE(gva), value_at(vcpu, gva));
	EXPECT_EQ(gva | PTE_RWU | 0x20, *pte);
	ASSERT_EQ(0, write_virt(vcpu, gva, &v, 8));
	EXPECT_EQ(gva | PTE_RWU | 0x60, *pte);
	/* clean again: the next write makes it dirty again */
	e = gva | PTE_RWU;
	ASSERT_EQ(0, write_phys(vcpu, pte_gpa(gva), &e, 8));
	ASSERT_EQ(0, guest_op(vcpu, NPT_OP_INVLPG, gva));
	ASSERT_EQ(1, value_at(vcpu, gva));
	EXPECT_EQ(gva | PTE_RWU | 0x20, *pte);
	ASSERT_EQ(0, write_virt(vcpu, gva, &v, 8));
	EXPECT_EQ(gva | PTE_RWU | 0x60, *pte);
	/* read-only */
	e = gva | PTE_P | PTE_U;
	ASSERT_EQ(0, write_phys(vcpu, pte_gpa(gva), &e, 8));
	ASSERT_EQ(0, guest_op(vcpu, NPT_OP_INVLPG, gva));
	ASSERT_EQ(NPT_STATUS_GUEST_PF, access_one(vcpu, NPT_OP_WRITE, 0, gva, &v, 8, &res));
	EXPECT_EQ(REF_PF_P | REF_PF_W, res.error_code);
	EXPECT_EQ(gva, res.cr2);
	EXPECT_EQ(e, *pte);
	ASSERT_EQ(1, value_at(vcpu, gva));
}

/* Two roots in turn; what changed in one while the other was in use is seen. */
TEST_F(shadow, roots)
{
	uint64_t entry, got;
	int vcpu = self->g.vcpu[0];
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, guest_op(vcpu, NPT_OP_MOV_CR3, OTHER_ROOT));
		ASSERT_EQ(i && i % 2 ? ~0ull : VALUE(PAGE), value_at(vcpu, PAGE));
		ASSERT_EQ(0, guest_op(vcpu, NPT_OP_MOV_CR3, TABLES));
		ASSERT_EQ(VALUE(PAGE), value_at(vcpu, PAGE));
		/* unplug the other root's PDPT every other time */
		entry = i % 2 ? (TABLES + PAGE) | PTE_RWU : 0;
		ASSERT_EQ(0, write_phys(vcpu, OTHER_ROOT, &entry, 8));
	}
	ASSERT_EQ(NPT_STATUS_GUEST_GP, guest_op(vcpu, NPT_OP_MOV_CR3, TABLES | 1ull << 60));
	ASSERT_EQ(0, read_virt(vcpu, 0, &got, 8));
	if (variant->mmu == NPT_MMU_SHADOW)
		EXPECT_LT(0, counter(self->g.vm, NPT_CTR_mmu_root_reuse));
}

/* Hundreds of tables under whatever cap there is. */
TEST_F(shadow, many_tables)
{
	uint64_t *pd = (uint64_t *)(self->g.mem + TABLES + 2 * PAGE), gva;
	unsigned int i, round;
	int vcpu = self->g.vcpu[0];

	/* each directory entry leads to a table of its own, all map the same page */
	for (i = 8; i < 264; i++) {
		uint64_t table = 4 * MIB + i * PAGE;

		pd[i] = table | PTE_RWU;
		((uint64_t *)(self->g.mem + table))[0] = (i % 16 * PAGE) | PTE_RWU;
	}
	ASSERT_EQ(0, guest_op(vcpu, NPT_OP_FLUSH, 0));
	for (round = 0; round < 2; round++) {
		for (i = 8; i < 264; i++) {
			gva = i * 2 * MIB;
			ASSERT_EQ(VALUE(i % 16 * PAGE), value_at(vcpu, gva));
		}
	}
	if (variant->max_table_pages) {
		EXPECT_LT(0, counter(self->g.vm, NPT_CTR_mmu_recycled));
		EXPECT_GE(variant->max_table_pages, counter(self->g.vm, NPT_CTR_table_pages));
	}
}

/* Random table writes and accesses by a guest that flushes as it must, against the reference. */
TEST_F(shadow, random)
{
	uint64_t seed = 42, r, e, gva;
	struct npt_access_result res;
	struct ref_out want;
	unsigned int i, v;
	uint8_t flags, op;

	for (i = 0; i < 8000; i++) {
		r = guest_random(&seed);
		v = r >> 63;
		if ((r & 7) == 0) {
			gva = (r >> 8) % NPAGES * PAGE;
			e = ((r >> 16) % 2048 * PAGE) | (r >> 40 & 0x167) | (r >> 56 & 7 ? 1 : 0);
			/* by its own mapping, if that allows it */
			if (r >> 50 & 1 || write_virt(self->g.vcpu[v], pte_gpa(gva), &e, 8))
				write_phys(self->g.vcpu[v], pte_gpa(gva), &e, 8);
			ASSERT_EQ(0, guest_op(self->g.vcpu[0], NPT_OP_INVLPG, gva));
			ASSERT_EQ(0, guest_op(self->g.vcpu[1], NPT_OP_INVLPG, gva));
			continue;
		}
		gva = (r >> 8) % NPAGES * PAGE + (r >> 20) % PAGE;
		op = (r >> 33) % 3;
		flags = r >> 40 & 1 ? NPT_ACCESS_USER : 0;
		guest_ref(&self->g, gva, op, flags, &want);
		access_one(self->g.vcpu[v], op, flags, gva, NULL, 1, &res);
		ASSERT_TRUE(guest_agrees(&self->g, &want, &res)) {
			TH_LOG("step %u gva %llx op %u", i, (unsigned long long)gva, op);
			TH_LOG("status %u gpa %llx error %x, must be %u %llx %x", res.status,
			       res.gpa, res.error_code, want.end, (unsigned long long)want.gpa,
			       want.error);
		}
		if (want.n == 4)
			ASSERT_EQ(want.step[3].after,
				  *(uint64_t *)(self->g.mem + want.step[3].gpa));
	}
}

TEST_HARNESS_MAIN
