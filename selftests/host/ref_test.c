// SPDX-License-Identifier: GPL-2.0
/*
 * The reference itself, against translations worked out by hand from the
 * manuals' tables: a reference nobody checks proves nothing.
 */
#include <stdio.h>
#include <string.h>

#include "host_env.h"
#include "test.h"

#define BYTES 0x8000

struct flat {
	struct ref_mem mem;
	uint8_t bytes[BYTES];
};

static bool flat_read(const struct ref_mem *mem, uint64_t gpa, unsigned int bytes, uint64_t *v)
{
	const struct flat *f = (const struct flat *)mem;

	if (gpa + bytes > BYTES)
		return false;
	*v = 0;
	memcpy(v, f->bytes + gpa, bytes);
	return true;
}

static void put(struct flat *f, uint64_t gpa, uint64_t value, unsigned int bytes)
{
	memcpy(f->bytes + gpa, &value, bytes);
}

static struct flat flat_new(void)
{
	return (struct flat){ .mem.read = flat_read };
}

static struct ref_cpu long_mode(void)
{
	return (struct ref_cpu){
		.cr0 = REF_CR0_PE | REF_CR0_PG | REF_CR0_WP, .cr3 = 0x1000, .cr4 = REF_CR4_PAE,
		.efer = REF_EFER_LME | REF_EFER_LMA | REF_EFER_NXE, .maxphy = 48,
	};
}

/* gva 0x00007f12_3456789a: indices 0xfe, 0x48, 0x1a2, 0x167, offset 0x89a */
static void four_levels(void)
{
	const uint64_t gva = 0x7f123456789a;
	struct flat f = flat_new();
	struct ref_cpu cpu = long_mode();
	struct ref_out o;

	put(&f, 0x1000 + 0xfe * 8, 0x2007, 8);
	put(&f, 0x2000 + 0x48 * 8, 0x3007, 8);
	put(&f, 0x3000 + 0x1a2 * 8, 0x4007, 8);
	put(&f, 0x4000 + 0x167 * 8, 0xabcd000 | 7, 8);
	ref_walk(&cpu, &f.mem, gva, REF_WRITE, true, &o);
	CHECK_EQ(o.end, REF_OK, "end");
	CHECK_EQ(o.gpa, 0xabcd89a, "gpa");
	CHECK_EQ(o.n, 4, "reads");
	CHECK_EQ(o.shift, 12, "shift");
	CHECK_EQ(o.step[0].after, 0x2027, "PML4E with A");
	CHECK_EQ(o.step[3].after, 0xabcd067, "PTE with A and D");
	ref_walk(&cpu, &f.mem, gva, REF_READ, true, &o);
	CHECK_EQ(o.step[3].after, 0xabcd027, "PTE with A");
	/* the same as a 2M page, then 1G: the offset grows */
	put(&f, 0x3000 + 0x1a2 * 8, 0x40000000 | 0x87, 8);
	ref_walk(&cpu, &f.mem, gva, REF_READ, true, &o);
	CHECK_EQ(o.gpa, 0x40000000 + (gva & 0x1fffff), "gpa in 2M");
	put(&f, 0x2000 + 0x48 * 8, 0x80000000 | 0x1087, 8);
	ref_walk(&cpu, &f.mem, gva, REF_READ, true, &o);
	CHECK_EQ(o.gpa, 0x80000000 + (gva & 0x3fffffff), "gpa in 1G with the PAT bit");
	CHECK_EQ(o.n, 2, "reads");
	/* non-canonical: bit 47 clear, bit 48 set */
	ref_walk(&cpu, &f.mem, gva | 1ull << 48, REF_READ, true, &o);
	CHECK_EQ(o.end, REF_GP, "end of a non-canonical access");
	CHECK_EQ(o.n, 0, "reads of a non-canonical access");
}

/* SDM 4.3: gva 0x00c03025: indices 3, 3, offset 0x25 */
static void thirty_two_bit(void)
{
	struct flat f = flat_new();
	struct ref_cpu cpu = { .cr0 = REF_CR0_PE | REF_CR0_PG, .cr3 = 0x1000, .maxphy = 48 };
	struct ref_out o;

	put(&f, 0x100c, 0x2087, 4);	/* PS is ignored without CR4.PSE */
	put(&f, 0x200c, 0x9007, 4);
	ref_walk(&cpu, &f.mem, 0xc03025, REF_WRITE, true, &o);
	CHECK_EQ(o.gpa, 0x9025, "gpa");
	CHECK_EQ(o.step[0].after, 0x20a7, "PDE with A");
	CHECK_EQ(o.step[1].after, 0x9067, "PTE with A and D");
	cpu.cr4 = REF_CR4_PSE;
	/* PSE-36: bits 20:13 are address bits 39:32 */
	put(&f, 0x100c, 0x12400000 | 0xa5 << 13 | 0x87, 4);
	ref_walk(&cpu, &f.mem, 0xc03025, REF_READ, true, &o);
	CHECK_EQ(o.gpa, 0xa512403025, "gpa in 4M");
	CHECK_EQ(o.shift, 22, "shift");
	put(&f, 0x100c, 0x12400000 | 1 << 21 | 0x87, 4);
	ref_walk(&cpu, &f.mem, 0xc03025, REF_READ, true, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_RSVD | REF_PF_U, "error, bit 21 set");
}

static void pae(void)
{
	struct flat f = flat_new();
	struct ref_cpu cpu = {
		.cr0 = REF_CR0_PE | REF_CR0_PG, .cr3 = 0x1020, .cr4 = REF_CR4_PAE, .maxphy = 48,
	};
	struct ref_out o;

	/* gva 0xc0600abc: PDPTE 3, PDE 3, PTE 0 */
	put(&f, 0x1020 + 3 * 8, 0x2001, 8);
	put(&f, 0x2000 + 3 * 8, 0x3003, 8);
	put(&f, 0x3000, 0x123456789000 | 3, 8);
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_READ, false, &o);
	CHECK_EQ(o.gpa, 0x123456789abc, "gpa");
	CHECK_EQ(o.step[0].after, 0x2001, "a PDPTE has no accessed bit");
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_READ, true, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_U, "error, supervisor page");
	CHECK_EQ(o.step[1].after, 0x3023, "the PDE was used");
	CHECK_EQ(o.step[2].after, o.step[2].value, "the PTE wasn't");
	put(&f, 0x3000, 1ull << 63 | 0x9003, 8);
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_READ, false, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_RSVD, "error, XD without NXE");
	cpu.efer = REF_EFER_NXE;
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_FETCH, false, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_I, "error, XD");
	put(&f, 0x3000, 1ull << 52 | 0x9003, 8);
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_READ, false, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_RSVD, "error, PAE reserves bits 62:52 too");
	put(&f, 0x1020 + 3 * 8, 0x2003, 8);
	ref_walk(&cpu, &f.mem, 0xc0600abc, REF_READ, false, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_RSVD, "error, a PDPTE's bit 1 is reserved");
}

static void five_levels(void)
{
	struct flat f = flat_new();
	struct ref_cpu cpu = long_mode();
	struct ref_out o;

	cpu.cr4 |= REF_CR4_LA57;
	cpu.maxphy = 52;
	put(&f, 0x1000 + 256 * 8, 0x2007, 8);
	put(&f, 0x2000, 0x3007, 8);
	put(&f, 0x3000, 0x4007, 8);
	put(&f, 0x4000, 0x5007, 8);
	put(&f, 0x5000, 0xfffffffff000 << 3 | 7, 8);
	ref_walk(&cpu, &f.mem, 0xff00000000000018, REF_READ, true, &o);
	CHECK_EQ(o.end, REF_OK, "end");
	CHECK_EQ(o.n, 5, "reads");
	ref_walk(&cpu, &f.mem, 0x0100000000000000, REF_READ, true, &o);
	CHECK_EQ(o.end, REF_GP, "end, bit 56 alone");
	put(&f, 0x1000 + 256 * 8, 0x2087, 8);
	ref_walk(&cpu, &f.mem, 0xff00000000000018, REF_READ, true, &o);
	CHECK_EQ(o.error, REF_PF_P | REF_PF_U | REF_PF_RSVD, "error, PS in a PML5E");
	put(&f, 0x1000 + 256 * 8, 0x9007, 8);
	ref_walk(&cpu, &f.mem, 0xff00000000000018, REF_READ, true, &o);
	CHECK_EQ(o.end, REF_NOMEM, "end, table outside of memory");
	CHECK_EQ(o.gpa, 0x9000, "gpa of the entry");
}

/* One path at gva 0 with @rights in the leaf; the error code of an access, 0: none. */
static uint32_t error_of(const struct ref_cpu *cpu, uint64_t leaf, enum ref_kind kind, bool user)
{
	struct flat f = flat_new();
	struct ref_out o;

	put(&f, 0x1000, 0x2007, 8);
	put(&f, 0x2000, 0x3007, 8);
	put(&f, 0x3000, 0x4007, 8);
	put(&f, 0x4000, 0x9000 | leaf, 8);
	ref_walk(cpu, &f.mem, 0, kind, user, &o);
	return o.end == REF_OK ? 0 : o.error;
}

static void rights(void)
{
	const uint64_t xd = 1ull << 63, key3 = 3ull << 59;
	struct ref_cpu c = long_mode();

	/* WP */
	CHECK_EQ(error_of(&c, 5, REF_WRITE, false), REF_PF_P | REF_PF_W, "WP");
	c.cr0 &= ~REF_CR0_WP;
	CHECK_EQ(error_of(&c, 5, REF_WRITE, false), 0, "no WP");
	CHECK_EQ(error_of(&c, 5, REF_WRITE, true), REF_PF_P | REF_PF_W | REF_PF_U, "user, no WP");
	c = long_mode();
	/* SMEP, SMAP */
	CHECK_EQ(error_of(&c, 7, REF_FETCH, false), 0, "no SMEP");
	c.cr4 |= REF_CR4_SMEP | REF_CR4_SMAP;
	CHECK_EQ(error_of(&c, 7, REF_FETCH, false), REF_PF_P | REF_PF_I, "SMEP");
	CHECK_EQ(error_of(&c, 7, REF_READ, false), REF_PF_P, "SMAP");
	c.ac = true;
	CHECK_EQ(error_of(&c, 7, REF_READ, false), 0, "SMAP with AC");
	CHECK_EQ(error_of(&c, 7, REF_FETCH, false), REF_PF_P | REF_PF_I, "AC doesn't help SMEP");
	c = long_mode();
	CHECK_EQ(error_of(&c, 7 | xd, REF_FETCH, true), REF_PF_P | REF_PF_U | REF_PF_I, "XD");
	CHECK_EQ(error_of(&c, 6, REF_FETCH, true), REF_PF_U | REF_PF_I, "not present");
	c.efer &= ~REF_EFER_NXE;
	CHECK_EQ(error_of(&c, 6, REF_FETCH, true), REF_PF_U, "I needs NXE or SMEP");
	/* protection keys */
	c = long_mode();
	c.cr4 |= REF_CR4_PKE;
	c.pkru = 2u << 6;	/* WD of key 3 */
	CHECK_EQ(error_of(&c, 7 | key3, REF_READ, true), 0, "WD, read");
	CHECK_EQ(error_of(&c, 7 | key3, REF_WRITE, true), 0x27, "WD, write");
	CHECK_EQ(error_of(&c, 7 | key3, REF_WRITE, false), 0x23, "WD, supervisor with WP");
	CHECK_EQ(error_of(&c, 7, REF_WRITE, true), 0, "another key");
	CHECK_EQ(error_of(&c, 3 | key3, REF_WRITE, false), 0, "supervisor pages have no key");
	c.cr0 &= ~REF_CR0_WP;
	CHECK_EQ(error_of(&c, 7 | key3, REF_WRITE, false), 0, "WD, supervisor without WP");
	c.pkru = 1u << 6;	/* AD */
	CHECK_EQ(error_of(&c, 7 | key3, REF_READ, false), 0x21, "AD, supervisor");
	CHECK_EQ(error_of(&c, 7 | key3, REF_FETCH, true), 0, "AD, fetch");
	CHECK_EQ(error_of(&c, 5 | key3, REF_WRITE, true), 0x27, "AD and read-only");
	c.cr4 &= ~REF_CR4_PKE;
	CHECK_EQ(error_of(&c, 7 | key3, REF_READ, true), 0, "no PKE");
}

static const struct test tests[] = {
	{ "reference.four_levels", four_levels },
	{ "reference.32bit", thirty_two_bit },
	{ "reference.pae", pae },
	{ "reference.five_levels", five_levels },
	{ "reference.rights", rights },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
