// SPDX-License-Identifier: GPL-2.0
/*
 * The permission probe on the soft engine: the same cases that the guest
 * userspace/guests/probe.c runs on a processor, with the same words on stdout.
 *
 *   probe_test                          native, shadow and nested agree (TAP)
 *   probe_test MODE [FIRST LAST STRIDE EVERY [records]]   print as the guest does
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnpt.h>

#include "../userspace/guests/probe_cases.h"

/* Root and tables, and the memory that the piece of 2 MiB ends. */
static const struct probe_tables tables = {
	.table = { [4] = 0x1000, [3] = 0x2000, [2] = 0x3000 },
};

#define MEMORY		(2 * PROBE_PIECE)

#define SEED		0x1122334455667788ull
#define RFLAGS_AC	(1ull << 18)

/* Cases in one batch, and records for each: see put_case(). */
#define BATCH		512
#define RECORDS		7

enum { SET_UPPER, SET_LOWER, SET_DATA, INVLPG, ACCESS, GET_UPPER, GET_LOWER };

/* A case's part of the data area. */
struct slot {
	uint64_t upper, lower, seed, access, upper_after, lower_after;
};

struct probe {
	struct npt_device *dev;
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_access access[BATCH * RECORDS];
	struct npt_access_result result[BATCH * RECORDS];
	struct slot slot[BATCH];
};

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, npt_error());
	exit(1);
}

static void probe_open(struct probe *p, uint32_t mmu)
{
	const struct npt_vm_options vm = { .engine = NPT_ENGINE_SOFT, .mmu = mmu };
	const struct npt_memory_options memory = { .size = MEMORY };

	if (npt_device_open(NULL, &p->dev) && npt_device_open_inproc(&p->dev))
		die("device");
	if (npt_vm_create(p->dev, &vm, &p->vm) || npt_memory_add(p->vm, &memory, NULL) ||
	    npt_vcpu_create(p->vm, 0, &p->vcpu))
		die("VM");
}

static void probe_close(struct probe *p)
{
	npt_vcpu_destroy(p->vcpu);
	npt_vm_destroy(p->vm);
	npt_device_close(p->dev);
}

static void set_registers(struct probe *p, const struct probe_block *b)
{
	struct kvm_regs regs = { .rflags = 2 };

	if (b->op == PROBE_READ_AC || b->op == PROBE_WRITE_AC)
		regs.rflags |= RFLAGS_AC;
	if (npt_vcpu_set_paging(p->vcpu, 4, tables.table[4],
				(b->wp ? NPT_PAGING_WP : 0) | (b->nx ? NPT_PAGING_NX : 0) |
				(b->smep ? NPT_PAGING_SMEP : 0) | (b->smap ? NPT_PAGING_SMAP : 0) |
				(b->pke ? NPT_PAGING_PKE : 0)) ||
	    npt_vcpu_set_regs(p->vcpu, &regs))
		die("registers");
}

static void put(struct npt_access *a, uint8_t op, uint8_t flags, uint64_t gva, uint32_t data)
{
	*a = (struct npt_access) {
		.gva = gva, .size = op == NPT_OP_INVLPG ? 0 : 8, .op = op, .flags = flags,
		.data = data,
	};
}

/* The way to the two entries of this block, by writes that shadow tables notice. */
static void link_tables(struct probe *p, const struct probe_block *b)
{
	const uint8_t phys = NPT_ACCESS_PHYS | NPT_ACCESS_DATA;
	uint64_t entries[4];
	struct npt_batch batch = {
		.accesses = (uintptr_t)p->access, .results = (uintptr_t)p->result,
		.data = (uintptr_t)entries, .data_len = sizeof(entries),
	};
	unsigned int level, n = 0;

	for (level = 4; level > b->lower; level--, n++) {
		entries[n] = probe_target(b, &tables, level) | PROBE_ALL;
		put(&p->access[n], NPT_OP_WRITE, phys, probe_entry(b, &tables, level),
		    n * sizeof(entries[0]));
	}
	batch.count = n;
	if (npt_vcpu_batch(p->vcpu, &batch) || batch.done != n)
		die("tables");
}

/* A fetch is of the one byte that the guest's processor decodes there first. */
static void put_access(struct npt_access *a, const struct probe_block *b, uint32_t data)
{
	uint8_t op = probe_is_write(b->op) ? NPT_OP_WRITE : NPT_OP_READ;
	uint8_t flags = probe_is_user(b->op) ? NPT_ACCESS_USER : 0;

	if (probe_is_fetch(b->op)) {
		put(a, NPT_OP_FETCH, flags, probe_address(b->op), 0);
		a->size = 1;
	} else {
		put(a, op, flags | NPT_ACCESS_DATA, probe_address(b->op), data);
	}
}

#define AT(k, member) ((uint32_t)((k) * sizeof(struct slot) + offsetof(struct slot, member)))

static void put_case(struct probe *p, const struct probe_block *b, unsigned int i, unsigned int k)
{
	const uint8_t phys = NPT_ACCESS_PHYS | NPT_ACCESS_DATA;
	uint64_t upper = probe_entry(b, &tables, b->upper);
	uint64_t lower = probe_entry(b, &tables, b->lower);
	struct npt_access *a = &p->access[k * RECORDS];

	p->slot[k] = (struct slot) {
		.upper = probe_upper(b, &tables, i),
		.lower = probe_lower(b, &tables, i),
		.seed = SEED,
		.access = probe_is_write(b->op) ? i : 0,
	};
	put(a + SET_UPPER, NPT_OP_WRITE, phys, upper, AT(k, upper));
	put(a + SET_LOWER, NPT_OP_WRITE, phys, lower, AT(k, lower));
	put(a + SET_DATA, NPT_OP_WRITE, phys, PROBE_PIECE + PROBE_DATA, AT(k, seed));
	put(a + INVLPG, NPT_OP_INVLPG, 0, probe_address(b->op), 0);
	put_access(a + ACCESS, b, AT(k, access));
	put(a + GET_UPPER, NPT_OP_READ, phys, upper, AT(k, upper_after));
	put(a + GET_LOWER, NPT_OP_READ, phys, lower, AT(k, lower_after));
}

static uint32_t get_case(struct probe *p, const struct probe_block *b, unsigned int k)
{
	const struct npt_access_result *r = &p->result[k * RECORDS + ACCESS];
	const struct slot *s = &p->slot[k];
	uint32_t v = probe_after(s->upper_after, s->lower_after, s->upper, s->lower);

	if (r->status == NPT_STATUS_GUEST_PF) {
		v |= PROBE_FAULT | r->error_code;
		if (r->cr2 != probe_address(b->op))
			v |= PROBE_CR2;
	} else if (r->status != NPT_STATUS_OK ||
		   (!probe_is_write(b->op) && !probe_is_fetch(b->op) && s->access != SEED)) {
		v |= PROBE_DATA_BAD;
	}
	return v;
}

static void run_cases(struct probe *p, const struct probe_block *b, unsigned int first)
{
	struct npt_batch batch = {
		.accesses = (uintptr_t)p->access, .results = (uintptr_t)p->result,
		.data = (uintptr_t)p->slot, .data_len = sizeof(p->slot),
		.count = BATCH * RECORDS, .pkru = b->pke ? b->pkru : 0,
	};
	unsigned int k;

	for (k = 0; k < BATCH; k++)
		put_case(p, b, first + k, k);
	if (npt_vcpu_batch(p->vcpu, &batch) || batch.done != BATCH * RECORDS)
		die("batch");
}

static void run_block(struct probe *p, unsigned int number, unsigned int every,
		      struct probe_sum *sum, bool records)
{
	struct probe_block b = probe_block(number);
	unsigned int i, k;
	uint32_t r;

	memset(sum, 0, sizeof(*sum));
	link_tables(p, &b);
	set_registers(p, &b);
	for (i = 0; i < PROBE_CASES; i += BATCH) {
		run_cases(p, &b, i);
		for (k = 0; k < BATCH; k++) {
			if ((i + k) % every != number % every)
				continue;
			r = get_case(p, &b, k);
			probe_add(sum, r);
			if (records)
				printf("%04x %06x\n", i + k, r);
		}
	}
}

static void print_block(unsigned int number, const struct probe_sum *sum)
{
	printf("block %u faults %u digest %016" PRIx64 " accessed %016" PRIx64 " no-p %u\n",
	       number, sum->faults, sum->digest, sum->accessed, sum->no_p);
}

static int print_blocks(struct probe *p, int argc, char **argv)
{
	unsigned int first = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	unsigned int last = argc > 3 ? strtoul(argv[3], NULL, 0) : PROBE_BLOCKS - 1;
	unsigned int stride = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
	unsigned int every = argc > 5 ? strtoul(argv[5], NULL, 0) : 1, i;
	int mmu = npt_mmu_by_name(argv[1]);
	struct probe_sum sum;

	if (mmu < 0 || last >= PROBE_BLOCKS || !stride || !every) {
		fprintf(stderr, "usage: probe_test [MODE [FIRST LAST STRIDE EVERY [records]]]\n");
		return 2;
	}
	probe_open(p, mmu);
	for (i = first; i <= last; i += stride) {
		run_block(p, i, every, &sum, argc > 6);
		print_block(i, &sum);
	}
	probe_close(p);
	return 0;
}

/* Two digests are the same in every mode; one differs where the modes may. */
static int compare_modes(struct probe *p)
{
	static const uint32_t modes[] = { NPT_MMU_NATIVE, NPT_MMU_NESTED, NPT_MMU_SHADOW };
	static struct probe_sum sum[3][PROBE_BLOCKS];
	unsigned int m, i, bad, failed = 0;

	printf("TAP version 13\n1..3\n");
	for (m = 0; m < 3; m++) {
		probe_open(p, modes[m]);
		for (i = bad = 0; i < PROBE_BLOCKS; i += 53) {
			run_block(p, i, 1, &sum[m][i], false);
			if (sum[m][i].digest == sum[0][i].digest &&
			    sum[m][i].faults == sum[0][i].faults && !sum[m][i].no_p)
				continue;
			if (bad++ < 5)
				print_block(i, &sum[m][i]);
		}
		probe_close(p);
		failed += !!bad;
		printf("%sok %u - %s\n", bad ? "not " : "", m + 1, npt_mmu_name(modes[m]));
	}
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct probe *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return 1;
	ret = argc > 1 ? print_blocks(p, argc, argv) : compare_modes(p);
	free(p);
	return ret;
}
