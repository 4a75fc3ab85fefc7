// SPDX-License-Identifier: GPL-2.0
/*
 * The permission probe: millions of combinations of entry bits, register bits and
 * kinds of access. What the processor makes of each block of cases is printed as one
 * line with a digest, so that runs on different engines can be compared; see
 * probe_cases.h for the cases.
 *
 * Options: first=N, last=N, stride=N choose blocks; every=N takes one case in N, for slow
 * engines; records prints every case; lazy leaves out INVLPG after a fault.
 */
#include "guest.h"
#include "probe_asm.h"
#include "probe_cases.h"

#define USER_STUBS	0x18000000000ull	/* entry 3 of the root */
#define SEED		0x1122334455667788ull

static void (*const code[PROBE_OPS])(void) = {
	[PROBE_READ] = probe_read,
	[PROBE_WRITE] = probe_write,
	[PROBE_FETCH] = probe_fetch,
	[PROBE_READ_AC] = probe_read_ac,
	[PROBE_WRITE_AC] = probe_write_ac,
	[PROBE_USER_READ] = probe_user_read,
	[PROBE_USER_WRITE] = probe_user_write,
	[PROBE_USER_FETCH] = probe_user_fetch,
};

static struct probe_tables tables;
static volatile uint64_t *upper, *lower;

static void build(void)
{
	static const uint8_t syscall[] = { 0x0f, 0x05 };
	uint64_t piece, stubs, root = new_root();

	piece = (uint64_t)pages(512, 2 << 20);
	check(piece == PROBE_PIECE, "memory at 0x%lx, expected 0x%llx", piece, PROBE_PIECE);
	tables.table[4] = root;
	tables.table[3] = (uint64_t)pages(1, 4096);
	tables.table[2] = (uint64_t)pages(1, 4096);
	*(uint8_t *)(piece + PROBE_CODE) = 0xc3;	/* ret */
	memcpy((void *)(piece + PROBE_USER_CODE), syscall, sizeof(syscall));
	stubs = (uint64_t)pages(1, 4096);
	memcpy((void *)stubs, probe_user_code, probe_user_code_end - probe_user_code);
	map(root, USER_STUBS, stubs, PTE_P | PTE_U);
	probe_user_stubs = USER_STUBS;
}

/* The way to the two entries of this block. */
static void link(const struct probe_block *b)
{
	unsigned int level;
	uint64_t entry;

	for (level = 4; level > b->lower; level--) {
		entry = probe_target(b, &tables, level) | PROBE_ALL;
		write64(probe_entry(b, &tables, level), entry);
	}
	upper = (uint64_t *)probe_entry(b, &tables, b->upper);
	lower = (uint64_t *)probe_entry(b, &tables, b->lower);
	write_cr3(tables.table[4]);
}

static void take_traps(void)
{
	trap_set_raw(14, probe_pf);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)SYSRET_BASE << 48 | (uint64_t)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uint64_t)probe_syscall);
	wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_AC);
}

static void write_pkru(uint32_t v)
{
	asm volatile("wrpkru" : : "a" (v), "c" (0), "d" (0));
}

static void set_registers(const struct probe_block *b)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);

	cr0 = b->wp ? cr0 | CR0_WP : cr0 & ~(uint64_t)CR0_WP;
	cr4 &= ~(uint64_t)(CR4_SMEP | CR4_SMAP | CR4_PKE);
	cr4 |= (b->smep ? CR4_SMEP : 0) | (b->smap ? CR4_SMAP : 0) | (b->pke ? CR4_PKE : 0);
	efer = b->nx ? efer | EFER_NXE : efer & ~(uint64_t)EFER_NXE;
	write_cr0(cr0);
	write_cr4(cr4);
	wrmsr(MSR_EFER, efer);
	if (b->pke)
		write_pkru(b->pkru);
}

/* What a processor had for the old entries must not count. True: the upper one is new. */
static bool set_entries(uint64_t new_upper, uint64_t new_lower)
{
	bool changed = *upper != new_upper;

	/* an untouched entry is not written again: shadow tables dislike it */
	if (changed)
		*upper = new_upper;
	if (*lower != new_lower)
		*lower = new_lower;
	return changed;
}

/* Everything is held against what it was before: entries, CR2, the page's contents. */
static uint32_t run_case(const struct probe_block *b, unsigned int i, uint64_t gva, bool cached)
{
	volatile uint64_t *data = (uint64_t *)(PROBE_PIECE + PROBE_DATA);
	uint64_t old_upper = probe_upper(b, &tables, i), old_lower = probe_lower(b, &tables, i);
	uint64_t error;
	uint32_t r = 0;

	cached |= set_entries(old_upper, old_lower);
	*data = SEED;
	probe_seen = probe_is_write(b->op) ? i : 0;
	if (cached)
		invlpg(gva);
	error = probe_access(code[b->op], gva);
	if (error != -1ull) {
		r = PROBE_FAULT | (error & 0xffff);
		if (probe_cr2 != gva)
			r |= PROBE_CR2;
	}
	if (probe_is_write(b->op) && *data != (r & PROBE_FAULT ? SEED : i))
		r |= PROBE_DATA_BAD;
	if (!probe_is_write(b->op) && !probe_is_fetch(b->op) && !(r & PROBE_FAULT) &&
	    probe_seen != SEED)
		r |= PROBE_DATA_BAD;
	return r | probe_after(*upper, *lower, old_upper, old_lower);
}

/*
 * With @lazy a case that follows on a fault has no INVLPG. The access that faulted is the
 * one that comes again, so the TLB has nothing that would let it through, and a processor
 * walks again before it faults (APM vol. 2, 5.5.2; SDM vol. 3A, 4.10.4.1).
 */
static void run_block(unsigned int number, unsigned int every, bool records, bool lazy)
{
	struct probe_block b = probe_block(number);
	struct probe_sum sum = { .faults = 0 };
	uint64_t gva = probe_address(b.op);
	unsigned int i;
	uint32_t r = 0;

	link(&b);
	set_registers(&b);
	for (i = number % every; i < PROBE_CASES; i += every) {
		r = run_case(&b, i, gva, !lazy || !(r & PROBE_FAULT));
		if (r & (PROBE_CR2 | PROBE_CHANGED | PROBE_DATA_BAD))
			fail("block %u, case 0x%04x: 0x%06x", number, i, r);
		probe_add(&sum, r);
		if (records)
			print("%04x %06x\n", i, r);
	}
	print("block %u faults %u digest %016lx accessed %016lx no-p %u\n", number, sum.faults,
	      sum.digest, sum.accessed, sum.no_p);
}

/* Can this processor run the block at all? */
static bool possible(const struct probe_block *b)
{
	return (cpu.nx || !b->nx) && (cpu.smep || !b->smep) && (cpu.smap || !b->smap) &&
	       (cpu.pku || !b->pke) && (cpu.phys_bits < 52 || !(b->rsvd_upper || b->rsvd_lower)) &&
	       (cpu.pages_1g || (b->upper != 3 && b->lower != 3)) &&
	       (cpu.smap || (b->op != PROBE_READ_AC && b->op != PROBE_WRITE_AC));
}

int main(void)
{
	unsigned int first = option("first", 0), last = option("last", PROBE_BLOCKS - 1);
	unsigned int stride = option("stride", 1), every = option("every", 1), i, blocks = 0;
	bool records = option_set("records"), lazy = option_set("lazy");
	struct probe_block b;
	uint64_t begin, cases = 0;

	if (last >= PROBE_BLOCKS || !stride || !every) {
		fail("blocks are 0 to %u, and neither stride nor every is 0", PROBE_BLOCKS - 1);
		return 1;
	}
	build();
	take_traps();
	begin = rdtsc();
	for (i = first; i <= last; i += stride) {
		b = probe_block(i);
		if (!possible(&b))
			continue;
		run_block(i, every, records, lazy);
		blocks++;
		cases += (PROBE_CASES - i % every + every - 1) / every;
	}
	begin = rdtsc() - begin;
	if (cases)
		begin /= cases;
	print("probe: %s, %u blocks, %lu cases, %lu ticks each\n", failures ? "WRONG" : "ok",
	      blocks, cases, begin);
	return 0;
}
