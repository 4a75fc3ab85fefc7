// SPDX-License-Identifier: GPL-2.0
/* Operations: guests on a processor, batches for the soft engine. */
#include <string.h>

#include "../utils.h"
#include "kfuzz.h"

#define TABLES	(1ul << 20)	/* gpa of the guest's tables, */
#define CODE	0x8000ul	/* of its code */

/* Pieces of code that are likelier to do something than random bytes. */
static const struct {
	uint8_t n, bytes[11];
} pieces[] = {
	{ 1, { 0xf4 } },				/* hlt */
	{ 2, { 0xeb, 0xfe } },				/* jmp . */
	{ 2, { 0xe6, 0x80 } },				/* out */
	{ 2, { 0xe4, 0x80 } },				/* in */
	{ 2, { 0x0f, 0xa2 } },				/* cpuid */
	{ 2, { 0x0f, 0x30 } },				/* wrmsr */
	{ 2, { 0x0f, 0x32 } },				/* rdmsr */
	{ 3, { 0x0f, 0x01, 0xd9 } },			/* vmmcall */
	{ 3, { 0x0f, 0x01, 0xd1 } },			/* xsetbv */
	{ 3, { 0x0f, 0x20, 0xd8 } },			/* mov eax, cr3 */
	{ 3, { 0x0f, 0x22, 0xd8 } },			/* mov cr3, eax */
	{ 3, { 0x0f, 0x22, 0xc0 } },			/* mov cr0, eax */
	{ 3, { 0x0f, 0x22, 0xe0 } },			/* mov cr4, eax */
	{ 3, { 0x0f, 0x01, 0x38 } },			/* invlpg */
	{ 3, { 0x0f, 0x01, 0x10 } },			/* lgdt */
	{ 3, { 0x0f, 0x01, 0x18 } },			/* lidt */
	{ 7, { 0xa3, 0x00, 0x30, 0x10, 0x00, 0x90, 0x90 } },	/* mov to a table */
	{ 5, { 0xb8, 0x67, 0x00, 0x00, 0x00 } },	/* mov eax, an entry */
	{ 7, { 0x48, 0xc7, 0x00, 0, 0, 0, 0 } },	/* mov qword [rax], 0 */
	{ 3, { 0xf0, 0x01, 0x00 } },			/* lock add [rax], eax */
	{ 2, { 0xf3, 0xa4 } },				/* rep movsb */
	{ 2, { 0xf3, 0xab } },				/* rep stos */
	{ 2, { 0xf3, 0x6e } },				/* rep outsb */
	{ 1, { 0xcc } },				/* int3 */
	{ 2, { 0xcd, 0x20 } },				/* int */
	{ 1, { 0xcf } },				/* iret */
	{ 1, { 0xfb } },				/* sti */
	{ 1, { 0x9d } },				/* popf */
	{ 2, { 0x0f, 0x0b } },				/* ud2 */
	{ 3, { 0x0f, 0x01, 0xd8 } },			/* vmrun */
};

static size_t make_code(struct rnd *r, uint8_t *code, size_t size)
{
	size_t n = 0;

	while (n + 16 < size && !rnd_one_in(r, 24)) {
		unsigned int i = rnd_below(r, ARRAY_SIZE(pieces) + 4);

		if (i < ARRAY_SIZE(pieces)) {
			memcpy(code + n, pieces[i].bytes, pieces[i].n);
			n += pieces[i].n;
		} else {
			uint64_t word = rnd64(r);

			memcpy(code + n, &word, 8);
			n += 1 + rnd_below(r, 8);
		}
	}
	code[n++] = 0xf4;
	return n;
}

static void choose_mode(struct rnd *r, struct kvm_sregs *s)
{
	unsigned int how = rnd_below(r, 8);

	s->cs.base = 0;
	s->cs.selector = 0;
	if (!how)
		return;			/* real mode */
	s->cr0 = CR0_PE | (rnd_bool(r) ? CR0_WP : 0);
	s->cs.db = 1;
	if (how == 1)
		return;
	s->cr0 |= CR0_PG;
	s->cr3 = TABLES;
	s->cr4 = CR4_PAE;
	if (how == 2)			/* PAE: its root is the directory of pointers */
		s->cr3 = TABLES + PAGE;
	if (how > 2) {
		s->efer = EFER_LME | EFER_LMA;
		s->cs.l = 1;
		s->cs.db = 0;
	}
	if (how == 3)			/* anything at all */
		fill(r, (char *)s + rnd_below(r, sizeof(*s) - 32), 32);
}

/* A vCPU with code, tables and registers that lead there. */
void op_guest(struct rnd *r)
{
	struct vcpu *v = any_vcpu(r);
	uint8_t code[512], tables[8 * PAGE];
	struct kvm_regs regs = { .rflags = 2, .rip = CODE, .rsp = CODE };
	struct kvm_sregs s;
	char *mem = area(v->vm % NAREAS);

	if (do_ioctl(v->fd, KVM_GET_SREGS, &s))
		return;
	choose_mode(r, &s);
	store(mem + CODE, code, make_code(r, code, sizeof(code)));
	if (rnd_below(r, 4)) {
		identity_tables(tables, TABLES, AREA_SIZE);
		for (unsigned int n = rnd_below(r, 6); n; n--)
			((uint64_t *)tables)[rnd_below(r, sizeof(tables) / 8)] ^= any_number(r);
		store(mem + TABLES, tables, tables_size(AREA_SIZE));
	}
	for (unsigned int i = 0; i < 8; i++)
		((__u64 *)&regs)[rnd_below(r, 16)] = rnd_bool(r) ? TABLES + rnd_below(r, 1 << 16) :
						     any_number(r);
	regs.rip = CODE;
	if (rnd_one_in(r, 16))
		fill(r, &regs, sizeof(regs));
	do_ioctl(v->fd, KVM_SET_SREGS, &s);
	do_ioctl(v->fd, KVM_SET_REGS, &regs);
}

/* What came out is answered with random bytes, which lie where the answer is looked for. */
void op_run(struct rnd *r)
{
	struct vcpu *v = any_vcpu(r);
	struct kvm_run *run = (void *)v->run;

	for (unsigned int n = 1 + rnd_below(r, 2); n; n--) {
		if (run && rnd_one_in(r, 8)) {
			run->kvm_dirty_regs = rnd_below(r, 8);
			run->kvm_valid_regs = rnd_below(r, 16);
			fill(r, &run->s, sizeof(run->s));
		}
		if (run && rnd_one_in(r, 8))
			fill(r, (char *)run + rnd_below(r, 8192 - 64), 64);
		if (run)
			run->immediate_exit = rnd_one_in(r, 16);
		alarm_us(100 + rnd_below(r, 900));
		do_ioctl(v->fd, KVM_RUN, rnd_one_in(r, 32) ? (void *)any_number(r) : NULL);
		alarm_us(0);
	}
}

static uint64_t choose_gva(struct rnd *r)
{
	return rnd_below(r, 4) ? rnd_below(r, 2 * AREA_SIZE) : any_number(r);
}

static void choose_access(struct rnd *r, struct npt_access *a)
{
	*a = (struct npt_access) { .op = rnd_below(r, 3), .gva = choose_gva(r), .size = 1 };
	if (rnd_one_in(r, 3)) {
		a->op = rnd_below(r, NPT_OP_NR);
		if (a->op == NPT_OP_MOV_CR3)
			a->gva = rnd_below(r, 4) ? TABLES : any_number(r);
		a->size = a->op > NPT_OP_FETCH ? 0 : rnd_bool(r) ? 8 : rnd_below(r, 65536);
	}
	if (a->op < NPT_OP_FETCH && rnd_bool(r)) {
		a->flags = rnd_below(r, 8);
		a->data = rnd_below(r, 512);
	}
	if (rnd_one_in(r, 64))
		fill(r, a, sizeof(*a));
}

void op_batch(struct rnd *r)
{
	static __thread struct npt_access_result results[256];
	static __thread struct npt_access list[256];
	static __thread uint8_t data[1024];
	struct npt_batch b = {
		.size = sizeof(b), .flags = rnd_below(r, 2),
		.accesses = (uintptr_t)list, .results = rnd_bool(r) ? (uintptr_t)results : 0,
		.data = (uintptr_t)data, .data_len = sizeof(data),
		.count = 1 + rnd_below(r, 256), .pkru = rnd_bool(r) ? 0 : any_number(r),
	};

	for (unsigned int i = 0; i < b.count; i++)
		choose_access(r, &list[i]);
	fill(r, data, 64);
	if (rnd_one_in(r, 8))
		b.accesses = any_pointer(r);
	if (rnd_one_in(r, 8))
		b.results = any_pointer(r);
	if (rnd_one_in(r, 8))
		b.data = any_pointer(r);
	/* More than our arrays hold: what comes out must not land on us. */
	if (rnd_one_in(r, 16)) {
		b.count = any_number(r) & 0xfffff;
		b.results = (uintptr_t)area(rnd_below(r, NAREAS));
	}
	if (rnd_one_in(r, 32))
		b.flags = any_number(r);
	alarm_us(50000);
	if (!do_ioctl(any_vcpu(r)->fd, NPT_BATCH, &b))
		shared->records += b.done;
	alarm_us(0);
}

void op_explain(struct rnd *r)
{
	struct npt_walk_entry entries[NPT_WALK_MAX];
	struct npt_explain e = {
		.size = sizeof(e), .flags = rnd_below(r, 2), .gva = choose_gva(r),
		.op = rnd_below(r, 4), .user = rnd_below(r, 2), .count = rnd_below(r, 41),
		.entries = rnd_below(r, 8) ? (uintptr_t)entries : any_pointer(r),
	};
	struct kvm_translation t = { .linear_address = e.gva };

	if (rnd_bool(r))
		do_ioctl(any_vcpu(r)->fd, NPT_EXPLAIN, &e);
	else
		do_ioctl(any_vcpu(r)->fd, KVM_TRANSLATE, &t);
}
