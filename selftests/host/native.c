// SPDX-License-Identifier: GPL-2.0
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "native.h"
#include "test.h"

/* The first page: what the assembly below reads and writes at fixed addresses. */
struct block {
	struct native_regs regs;	/* 0 */
	u64 rsp;			/* 0x190: ours */
	u32 target;			/* 0x198: far pointer to the code */
	u16 target_cs;
	u16 data_seg;			/* 0x19e */
	u16 stack_seg;			/* 0x1a0 */
	u16 our_data_seg;		/* 0x1a2 */
	u16 our_stack_seg;		/* 0x1a4 */
	u16 extra_seg;			/* 0x1a6 */
	bool running;
	struct native_fault fault;
};

static_assert(offsetof(struct block, rsp) == 0x190);
static_assert(offsetof(struct block, target) == 0x198);
static_assert(offsetof(struct block, data_seg) == 0x19e);

#define block ((struct block *)NATIVE_BASE)

/* mov changes no flags: they are loaded first and stored last. */
__asm__("	.text\n"
"	.set	B, 0x10000000\n"
"	.set	XMM, B + 0x90\n"
"	.globl	native_enter, native_back\n"
"native_enter:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	mov %rsp, B + 0x190\n"
"	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	movups XMM + 16 * \\i, %xmm\\i\n"
"	.endr\n"
"	pushq B + 0x80\n"
"	popfq\n"
"	mov B + 0x19e, %ds\n"
"	mov B + 0x1a6, %es\n"
"	mov B + 0, %rax\n"
"	mov B + 8, %rcx\n"
"	mov B + 16, %rdx\n"
"	mov B + 24, %rbx\n"
"	mov B + 40, %rbp\n"
"	mov B + 48, %rsi\n"
"	mov B + 56, %rdi\n"
"	.irp i, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	mov B + 8 * \\i, %r\\i\n"
"	.endr\n"
"	mov B + 0x1a0, %ss\n"
"	mov B + 32, %rsp\n"
"	ljmpl *B + 0x198\n"
"native_back:\n"
"	mov %rsp, B + 32\n"
"	mov B + 0x1a4, %ss\n"
"	mov B + 0x190, %rsp\n"
"	mov %rax, B + 0\n"
"	mov %rcx, B + 8\n"
"	mov %rdx, B + 16\n"
"	mov %rbx, B + 24\n"
"	mov %rbp, B + 40\n"
"	mov %rsi, B + 48\n"
"	mov %rdi, B + 56\n"
"	.irp i, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	mov %r\\i, B + 8 * \\i\n"
"	.endr\n"
"	mov B + 0x1a2, %ds\n"
"	mov B + 0x1a2, %es\n"
"	pushfq\n"
"	popq B + 0x80\n"
"	cld\n"
"	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
"	movups %xmm\\i, XMM + 16 * \\i\n"
"	.endr\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
);

#define CS_64	0x33
#define CS_32	0x23
#define DATA	0x2b
#define CS_16	0x07	/* the first two of the local descriptor table */
#define DATA_16	0x0f
#define DS_OWN	0x17	/* those of native_own_segments() */
#define ES_OWN	0x1f
#define SS_OWN	0x27
#define RETURN	(NATIVE_BASE + 0x2000)

/*
 * An exception: note it, and go on where the instruction would have ended. Outside
 * of the instruction: say at least which one it was.
 */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	char text[320];
	int n;

	if (block->running) {
		block->running = false;
		block->fault = (struct native_fault) {
			.happened = true,
			.vector = g[REG_TRAPNO],
			.error = g[REG_ERR],
			.cr2 = g[REG_CR2],
			.rip = g[REG_RIP],
		};
		g[REG_RIP] = (greg_t)native_back;
		/* CS, GS, FS, SS */
		g[REG_CSGSFS] = (g[REG_CSGSFS] & 0xffffffff0000) | CS_64 | (u64)DATA << 48;
		return;
	}

	n = snprintf(text, sizeof(text), "# signal %d executing %s\n", sig, test_context);
	(void)!write(1, text, n);
	_exit(1);
}

/* Put @s where its selector says; of code, that it can be read. */
static bool local_segment(const struct kvm_segment *s)
{
	struct user_desc d = {
		.entry_number = s->selector >> 3,
		.base_addr = s->base,
		.limit = s->g ? s->limit >> 12 : s->limit,
		.limit_in_pages = s->g,
		.seg_32bit = s->db,
		.contents = s->type >> 2,
		.read_exec_only = !(s->type & 2),
	};

	return !syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO };
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
}

bool native_init(enum npt_cpu_mode mode)
{
	static const u8 jump[] = { 0xff, 0x25, 0, 0, 0, 0 };	/* jmp *0(%rip) */
	u64 back = (u64)native_back;
	struct kvm_sregs sregs;
	void *p;

	p = mmap((void *)NATIVE_BASE, NATIVE_DATA + NATIVE_SIZE - NATIVE_BASE,
		 PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != (void *)NATIVE_BASE)
		return false;
	memcpy((void *)RETURN, jump, sizeof(jump));
	memcpy((void *)RETURN + sizeof(jump), &back, sizeof(back));
	catch_faults();
	if (mode == NPT_MODE_64)
		return !syscall(SYS_arch_prctl, ARCH_SET_GS, NATIVE_GS);
	if (mode == NPT_MODE_32)
		return true;
	native_sregs(&sregs, mode);
	return local_segment(&sregs.cs) && local_segment(&sregs.ds);
}

void native_sregs(struct kvm_sregs *sregs, enum npt_cpu_mode mode)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .type = 3, .present = 1, .s = 1, .db = 1, .dpl = 3,
	};

	memset(sregs, 0, sizeof(*sregs));
	if (mode == NPT_MODE_16) {
		data.base = NATIVE_BASE16;
		data.limit = 0xffff;
		data.db = 0;
	}
	data.selector = mode == NPT_MODE_16 ? DATA_16 : mode == NPT_MODE_32 ? DATA : 0;
	sregs->ds = data;
	sregs->es = data;
	data.selector = mode == NPT_MODE_16 ? DATA_16 : DATA;
	sregs->ss = data;
	sregs->cs = data;
	sregs->cs.selector = mode == NPT_MODE_16 ? CS_16 : mode == NPT_MODE_32 ? CS_32 : CS_64;
	sregs->cs.type = 11;
	sregs->cs.l = mode == NPT_MODE_64;
	sregs->cs.db = mode == NPT_MODE_32;
	if (mode == NPT_MODE_16)
		sregs->cs.base = NATIVE_CODE;
	if (mode == NPT_MODE_64)
		sregs->gs.base = NATIVE_GS;
}

void native_own_segments(struct kvm_sregs *sregs)
{
	sregs->ds.selector = DS_OWN;
	sregs->es.selector = ES_OWN;
	sregs->ss.selector = SS_OWN;
}

static void load_segment(const struct kvm_segment *s)
{
	if (s->selector >= DS_OWN && s->selector <= SS_OWN && (s->selector & 4))
		CHECK(local_segment(s), "the segment is refused");
}

/* What leads back from behind the instruction. */
static void put_return(u8 *p, enum npt_cpu_mode mode)
{
	u32 target = RETURN;
	u64 back = (u64)native_back;

	if (mode == NPT_MODE_64) {
		memcpy(p, "\xff\x25\0\0\0\0", 6);
		memcpy(p + 6, &back, 8);
		return;
	}
	if (mode == NPT_MODE_16)
		*p++ = 0x66;
	*p++ = 0xea;
	memcpy(p, &target, 4);
	p[4] = CS_64;
	p[5] = 0;
}

void native_run(struct native_regs *regs, const u8 *insn, u32 len, enum npt_cpu_mode mode,
		const struct kvm_sregs *sregs, struct native_fault *fault)
{
	u16 ss, ds;

	load_segment(&sregs->ds);
	load_segment(&sregs->es);
	load_segment(&sregs->ss);
	memcpy((void *)NATIVE_CODE, insn, len);
	put_return((u8 *)NATIVE_CODE + len, mode);
	block->regs = *regs;
	block->target = mode == NPT_MODE_16 ? 0 : NATIVE_CODE;
	block->target_cs = sregs->cs.selector;
	block->data_seg = sregs->ds.selector;
	block->extra_seg = sregs->es.selector;
	block->stack_seg = sregs->ss.selector;
	__asm__("mov %%ss, %0; mov %%ds, %1" : "=r" (ss), "=r" (ds));
	block->our_stack_seg = ss;
	block->our_data_seg = ds;
	block->fault.happened = false;
	block->running = true;
	native_enter();
	block->running = false;
	*regs = block->regs;
	*fault = block->fault;
}
