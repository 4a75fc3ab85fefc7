// SPDX-License-Identifier: GPL-2.0
/*
 * The permission matrix through the module: rights in the leaf and in the entry
 * above it, under each setting of the control registers, for each kind of
 * access; error codes and accessed and dirty bits to the bit.
 */
#include <stdio.h>
#include "kselftest_harness.h"
#include "refguest.h"

#define MEM_SIZE (4 * MIB)
#define ROOT 0x1000
#define DIR 0x4000
#define TABLE 0x5000
#define PAGE_GPA 0x200000

#define P 1ull
#define W 2ull
#define U 4ull
#define A 0x20ull
#define D 0x40ull
#define PS 0x80ull
#define NX (1ull << 63)

#define DIRS 128
#define LEAVES 32
#define MAX_RECORDS (DIRS * LEAVES * 6)

FIXTURE(permissions) {
	int dev;
	struct npt_access *rec;
	struct npt_access_result *res;
	struct ref_out *want;
	uint32_t count;
};

FIXTURE_VARIANT(permissions) {
	unsigned int mmu, levels;
};

FIXTURE_VARIANT_ADD(permissions, native_32bit) { .mmu = NPT_MMU_NATIVE, .levels = 2 };
FIXTURE_VARIANT_ADD(permissions, native_pae) { .mmu = NPT_MMU_NATIVE, .levels = 3 };
FIXTURE_VARIANT_ADD(permissions, native_4) { .mmu = NPT_MMU_NATIVE, .levels = 4 };
FIXTURE_VARIANT_ADD(permissions, native_5) { .mmu = NPT_MMU_NATIVE, .levels = 5 };
FIXTURE_VARIANT_ADD(permissions, shadow_32bit) { .mmu = NPT_MMU_SHADOW, .levels = 2 };
FIXTURE_VARIANT_ADD(permissions, shadow_pae) { .mmu = NPT_MMU_SHADOW, .levels = 3 };
FIXTURE_VARIANT_ADD(permissions, shadow_4) { .mmu = NPT_MMU_SHADOW, .levels = 4 };
FIXTURE_VARIANT_ADD(permissions, shadow_5) { .mmu = NPT_MMU_SHADOW, .levels = 5 };
FIXTURE_VARIANT_ADD(permissions, nested_32bit) { .mmu = NPT_MMU_NESTED, .levels = 2 };
FIXTURE_VARIANT_ADD(permissions, nested_pae) { .mmu = NPT_MMU_NESTED, .levels = 3 };
FIXTURE_VARIANT_ADD(permissions, nested_4) { .mmu = NPT_MMU_NESTED, .levels = 4 };
FIXTURE_VARIANT_ADD(permissions, nested_5) { .mmu = NPT_MMU_NESTED, .levels = 5 };

FIXTURE_SETUP(permissions)
{
	self->dev = open_npt();
	if (self->dev < 0)
		SKIP(return, "no /dev/npt");
	self->rec = calloc(MAX_RECORDS, sizeof(*self->rec));
	self->res = calloc(MAX_RECORDS, sizeof(*self->res));
	self->want = calloc(MAX_RECORDS, sizeof(*self->want));
	ASSERT_TRUE(self->rec && self->res && self->want);
}

FIXTURE_TEARDOWN(permissions)
{
	free(self->rec);
	free(self->res);
	free(self->want);
	close(self->dev);
}

static uint64_t pick(unsigned int n, unsigned int bit, uint64_t value)
{
	return n >> bit & 1 ? value : 0;
}

static void put(struct guest *g, unsigned int levels, uint64_t gpa, unsigned int i, uint64_t e)
{
	unsigned int size = levels == 2 ? 4 : 8;

	memcpy(g->mem + gpa + i * size, &e, size);
}

static void fill(struct guest *g, unsigned int levels)
{
	uint64_t nx = levels > 2 ? NX : 0, rsvd = levels > 2 ? 1ull << 50 : 0, at = ROOT;
	unsigned int n, l;

	for (n = 0; n < DIRS; n++) {	/* the upper half maps large pages */
		uint64_t e = pick(n, 0, P) | pick(n, 1, W) | pick(n, 2, U) | pick(n, 3, nx);

		e |= n & 64 ? PS | pick(n, 4, D) | pick(n, 5, levels == 2 ? 1 << 21 : 1 << 15) |
			(levels == 2 ? 0 : PAGE_GPA) : pick(n, 4, A) | pick(n, 5, rsvd) | TABLE;
		put(g, levels, DIR, n, e);
	}
	for (n = 0; n < LEAVES; n++)
		put(g, levels, TABLE, n, PAGE_GPA | pick(n, 0, P) | pick(n, 1, W) | pick(n, 2, U) |
		    pick(n, 3, nx) | pick(n, 4, rsvd));
	for (l = levels; l > 3; l--, at += PAGE)
		put(g, levels, at, 0, (at + PAGE) | P | W | U | A);
	if (levels > 2)
		put(g, levels, at, 0, DIR | P | (levels > 3 ? W | U | A : 0));
}

static uint32_t make_records(struct npt_access *rec, unsigned int levels)
{
	unsigned int dshift = levels == 2 ? 22 : 21, d, l, a;
	uint32_t n = 0;

	for (d = 0; d < DIRS; d++) {
		/* all leaves only where the directory leads to them */
		unsigned int leaves = (d & 1) && !(d & 64) && !(d & 32) ? LEAVES : 1;

		for (l = 0; l < leaves; l++)
			for (a = 0; a < 6; a++)
				rec[n++] = (struct npt_access){
					.gva = (uint64_t)d << dshift | l << 12 | 0x123,
					.size = 1, .op = a % 3,
					.flags = a < 3 ? 0 : NPT_ACCESS_USER,
				};
	}
	return n;
}

/* What must come of it, from memory as it is before; bits are set in a copy. */
static void ask_reference(struct guest *g, const struct npt_access *rec, struct ref_out *want,
			  uint8_t *copy)
{
	unsigned int i;

	guest_ref(g, rec->gva, rec->op, rec->flags & NPT_ACCESS_USER, want);
	for (i = 0; i < want->n; i++)
		copy[want->step[i].gpa] |= want->step[i].after & ~want->step[i].value;
}

/* Bits of a setting: WP, NXE, SMEP, SMAP, AC. */
static void set_registers(struct guest *g, unsigned int levels, unsigned int n)
{
	guest_paging(g, levels, levels == 2 ? DIR : ROOT);
	if (!(n & 1))
		g->cpu.cr0 &= ~REF_CR0_WP;
	if (!(n & 2))
		g->cpu.efer &= ~REF_EFER_NXE;
	g->cpu.cr4 |= (n & 4 ? REF_CR4_SMEP : 0) | (n & 8 ? REF_CR4_SMAP : 0);
	g->cpu.ac = n & 16;
}

TEST_F(permissions, matrix)
{
	struct npt_create_vm args = vm_args(variant->mmu);
	uint8_t copy[TABLE + PAGE];
	struct guest g;
	unsigned int n;
	uint32_t i;

	self->count = make_records(self->rec, variant->levels);
	for (n = 0; n < 32; n++) {
		ASSERT_EQ(0, guest_make(&g, self->dev, &args, MEM_SIZE, 1));
		fill(&g, variant->levels);
		set_registers(&g, variant->levels, n);
		ASSERT_EQ(0, guest_load(&g));
		memcpy(copy, g.mem, sizeof(copy));
		for (i = 0; i < self->count; i++)
			ask_reference(&g, &self->rec[i], &self->want[i], copy);
		ASSERT_EQ(self->count,
			  guest_batch(g.vcpu[0], self->rec, self->res, self->count, 0));
		for (i = 0; i < self->count; i++) {
			EXPECT_TRUE(guest_agrees(&g, &self->want[i], &self->res[i])) {
				TH_LOG("setting %u gva %llx op %u flags %u", n, self->rec[i].gva,
				       self->rec[i].op, self->rec[i].flags);
				TH_LOG("status %u error %x, must be error %x", self->res[i].status,
				       self->res[i].error_code, self->want[i].error);
				goto out;
			}
		}
		EXPECT_EQ(0, memcmp(copy, g.mem, sizeof(copy)));
out:
		guest_free(&g);
		if (!_metadata->passed)
			break;
	}
}

/* Protection keys, SDM vol. 3A, 4.6.2. */
TEST_F(permissions, keys)
{
	struct npt_create_vm args = vm_args(variant->mmu);
	const unsigned int key = 11;
	struct guest g;
	unsigned int n, a;

	if (variant->levels < 4)
		SKIP(return, "protection keys belong to 64-bit mode");
	ASSERT_EQ(0, guest_make(&g, self->dev, &args, MEM_SIZE, 1));
	fill(&g, variant->levels);
	for (n = 0; n < 16; n++)
		put(&g, variant->levels, TABLE, n, PAGE_GPA | P | pick(n, 0, W) | pick(n, 1, U) |
		    pick(n, 2, NX) | (uint64_t)(n & 8 ? key : 4) << 59);
	for (n = 0; n < 32; n++) {
		set_registers(&g, variant->levels, 2 | (n >> 2 & 1) | (n & 8) | (n & 16));
		g.cpu.cr4 |= REF_CR4_PKE;
		g.cpu.pkru = (n & 3) << (2 * key);
		ASSERT_EQ(0, guest_load(&g));
		for (a = 0; a < 16 * 6 * 2; a++) {
			/* through a directory entry with all rights, and one without U */
			uint64_t gva = (uint64_t)(a & 1 ? 7 : 3) << 21 | a / 12 << 12;
			struct npt_access rec = {
				.gva = gva, .size = 1, .op = a / 2 % 3,
				.flags = a / 6 % 2 ? NPT_ACCESS_USER : 0,
			};
			struct npt_access_result res;
			struct ref_out want;

			guest_ref(&g, gva, rec.op, rec.flags, &want);
			ASSERT_EQ(1, guest_batch(g.vcpu[0], &rec, &res, 1, g.cpu.pkru));
			ASSERT_TRUE(guest_agrees(&g, &want, &res)) {
				TH_LOG("case %u access %u", n, a);
				TH_LOG("status %u error %x, must be error %x", res.status,
				       res.error_code, want.error);
			}
		}
	}
	guest_free(&g);
}

TEST_HARNESS_MAIN
