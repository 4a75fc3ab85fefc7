// SPDX-License-Identifier: GPL-2.0
/*
 * A tour of page tables: builds a way to one page level by level and looks, after
 * each step, at what the processor says and at what it leaves in the tables.
 */
#include "guest.h"

#define GVA	0x7f1234567000ull

static volatile uint64_t faults, last_error, last_cr2;
static uint64_t *leaf;
static uint64_t page;

/* Steps over the one access that may fault: see touch(). */
static void on_pf(struct trap *t)
{
	faults++;
	last_error = t->error;
	last_cr2 = read_cr2();
	t->rip = t->rax;
}

/* One access that may fault: RAX holds where to go on. */
static uint64_t touch(uint64_t gva, bool write)
{
	uint64_t v = 0;

	if (write)
		asm volatile("leaq 1f(%%rip), %%rax; movq %%rax, (%1); 1:" : "+r" (v)
			     : "r" (gva) : "rax", "memory");
	else
		asm volatile("leaq 1f(%%rip), %%rax; movq (%1), %0; 1:" : "+r" (v)
			     : "r" (gva) : "rax", "memory");
	return v;
}

static void expect(const char *what, bool write, int error)
{
	uint64_t before = faults;

	last_error = 0;
	last_cr2 = 0;
	touch(GVA + 0x128, write);
	if (error < 0) {
		check(faults == before, "%s: #PF with error 0x%lx", what, last_error);
		print("  %s: no fault\n", what);
		return;
	}
	check(faults == before + 1, "%s: no #PF", what);
	check(last_error == (uint64_t)error, "%s: error 0x%lx, expected 0x%x", what, last_error,
	      error);
	check(last_cr2 == GVA + 0x128, "%s: cr2 0x%lx", what, last_cr2);
	print("  %s: #PF, error 0x%lx, cr2 0x%lx\n", what, last_error, last_cr2);
}

/* Level by level: nothing, a table, a table, a table, the page. */
static void build(uint64_t root)
{
	static const char *const names[] = { "", "page table", "page directory", "PDPT", "PML4" };
	uint64_t table = root, *e;
	unsigned int level;

	for (level = 4; level >= 1; level--) {
		print("level %u, %s at 0x%lx:\n", level, names[level], table);
		expect("read", false, 0);
		expect("write", true, PF_W);
		e = &((uint64_t *)table)[GVA >> (3 + 9 * level) & 511];
		table = (uint64_t)pages(1, 4096);
		*e = table | PTE_P | PTE_W;
	}
	leaf = e;
	page = table;
}

static void accessed_and_dirty(void)
{
	*leaf = page | PTE_P | PTE_W;
	invlpg(GVA);
	expect("read of the page", false, -1);
	check((*leaf & (PTE_A | PTE_D)) == PTE_A, "after a read the entry is 0x%lx", *leaf);
	expect("write to the page", true, -1);
	check((*leaf & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "after a write the entry is 0x%lx",
	      *leaf);
	print("  entry: 0x%lx\n", *leaf);
}

static void rights(void)
{
	*leaf = page | PTE_P;
	invlpg(GVA);
	expect("write to a read-only page", true, PF_P | PF_W);
	write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
	expect("the same without CR0.WP", true, -1);
	write_cr0(read_cr0() | CR0_WP);
	invlpg(GVA);
	expect("and with it again", true, PF_P | PF_W);
	*leaf = 0;
	invlpg(GVA);
	expect("read of what was taken away", false, 0);
	if (cpu.phys_bits < 52) {
		*leaf = page | PTE_P | PTE_W | 1ull << 51;
		invlpg(GVA);
		last_error = 0;
		touch(GVA + 0x128, false);
		/* some emulators forget P here; the rest is not in doubt */
		check((last_error & ~(uint64_t)PF_P) == PF_RSVD, "reserved bit: error 0x%lx",
		      last_error);
		print("  read with a reserved bit: #PF, error 0x%lx\n", last_error);
	}
}

/* What is at the page must be what was written through the tables, both ways round. */
static void contents(void)
{
	uint64_t i;

	*leaf = page | PTE_P | PTE_W;
	invlpg(GVA);
	for (i = 0; i < 4096; i += 8)
		write64(GVA + i, i * 0x1001);
	for (i = 0; i < 4096; i += 8)
		check(read64(page + i) == i * 0x1001, "offset 0x%lx is 0x%lx", i, read64(page + i));
	write64(page + 64, 42);
	check(read64(GVA + 64) == 42, "the page does not show what its other address has");
}

int main(void)
{
	uint64_t root;

	print("tour of the way to 0x%llx\n", GVA);
	trap_set(14, on_pf);
	root = new_root();
	write_cr3(root);
	build(root);
	accessed_and_dirty();
	rights();
	contents();
	print("tour: %s, %lu faults\n", failures ? "WRONG" : "ok", faults);
	return 0;
}
