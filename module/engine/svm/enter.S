/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Into the guest and back (APM vol. 2, 15.5).
 *
 * VMRUN itself switches RIP, RSP, RAX, RFLAGS, CS, SS, DS, ES, GDTR, IDTR,
 * CR0, CR3, CR4 and EFER. VMLOAD and VMSAVE switch FS, GS, TR, LDTR and the
 * system-call registers. The general registers are left to us. Debug
 * registers, XCR0, PKRU and the FPU are the caller's business.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include "../../compat_asm.h"

/* struct kvm_regs */
#define REGS_RBX 0x08
#define REGS_RCX 0x10
#define REGS_RDX 0x18
#define REGS_RSI 0x20
#define REGS_RDI 0x28
#define REGS_RBP 0x38
#define REGS_R8  0x40
#define REGS_R9  0x48
#define REGS_R10 0x50
#define REGS_R11 0x58
#define REGS_R12 0x60
#define REGS_R13 0x68
#define REGS_R14 0x70
#define REGS_R15 0x78

/* What npt_svm_enter() has on its stack. */
#define HOST_SPEC	0x00
#define GUEST_SPEC	0x08
#define HOST_PAGE	0x10
#define GUEST_REGS	0x18
#define SAVED		0x20

/* Any writable data segment does: VERW is used for what it clears besides. */
.section .rodata
SYM_DATA(npt_verw_sel, .word __KERNEL_DS)

/* RCU does not watch: no kprobe may be set here. */
.section .noinstr.text, "ax"

/* What npt_svm_enter() has on its stack goes, down to its caller. */
.macro GIVE_BACK
	add	$SAVED, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
.endm

/*
 * SPEC_CTRL becomes \value, of which bits 63:32 are reserved. \other is what it
 * is now: most often there is nothing to do. Clobbers RAX, RCX, RDX.
 */
.macro SWITCH_SPEC_CTRL value:req other:req
	mov	\value, %rax
	cmp	%rax, \other
	je	.Lsame_\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lsame_\@:
.endm

/*
 * int npt_svm_enter(struct kvm_regs *regs, u64 vmcb, u64 host, u64 guest_spec,
 *		     u64 host_spec)
 *
 * @vmcb and @host are physical addresses: the guest's VMCB, and a page where
 * VMSAVE keeps the host's half. Interrupts are off; the global interrupt flag
 * is cleared here, so that what comes between VMLOAD and VMLOAD (the per-CPU
 * base is the guest's there!) waits, NMIs too. RFLAGS.IF is set for VMRUN
 * because with V_INTR_MASKING it is the host's flag that says whether a
 * physical interrupt ends the guest's run (15.21.1).
 *
 * @guest_spec and @host_spec are the two's SPEC_CTRL; equal where there is none.
 * The host's is back before the first return or indirect branch: some hosts
 * guard theirs by nothing else.
 *
 * 0, or -1: SVM was turned off on this processor behind our back (reboot):
 * then CLGI is an undefined opcode.
 */
SYM_FUNC_START(npt_svm_enter)
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi
	push	%rdx
	push	%rcx
	push	%r8

1:	clgi
	mov	%rdx, %rax
	vmsave	%rax
	SWITCH_SPEC_CTRL %rcx, %r8
	mov	%rsi, %rax
	vmload	%rax

	mov	REGS_RBX(%rdi), %rbx
	mov	REGS_RCX(%rdi), %rcx
	mov	REGS_RDX(%rdi), %rdx
	mov	REGS_RSI(%rdi), %rsi
	mov	REGS_RBP(%rdi), %rbp
	mov	REGS_R8(%rdi), %r8
	mov	REGS_R9(%rdi), %r9
	mov	REGS_R10(%rdi), %r10
	mov	REGS_R11(%rdi), %r11
	mov	REGS_R12(%rdi), %r12
	mov	REGS_R13(%rdi), %r13
	mov	REGS_R14(%rdi), %r14
	mov	REGS_R15(%rdi), %r15
	mov	REGS_RDI(%rdi), %rdi

	/* What the kernel left in the processor's buffers is not for the guest. */
	NPT_CLEAR_BUFFERS
	sti
	vmrun	%rax
	cli
	vmsave	%rax

	mov	GUEST_REGS(%rsp), %rax
	mov	%rbx, REGS_RBX(%rax)
	mov	%rcx, REGS_RCX(%rax)
	mov	%rdx, REGS_RDX(%rax)
	mov	%rsi, REGS_RSI(%rax)
	mov	%rdi, REGS_RDI(%rax)
	mov	%rbp, REGS_RBP(%rax)
	mov	%r8, REGS_R8(%rax)
	mov	%r9, REGS_R9(%rax)
	mov	%r10, REGS_R10(%rax)
	mov	%r11, REGS_R11(%rax)
	mov	%r12, REGS_R12(%rax)
	mov	%r13, REGS_R13(%rax)
	mov	%r14, REGS_R14(%rax)
	mov	%r15, REGS_R15(%rax)

	mov	HOST_PAGE(%rsp), %rax
	vmload	%rax
	/* No return of ours may be predicted from what the guest left behind. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RETPOLINE
	SWITCH_SPEC_CTRL HOST_SPEC(%rsp), GUEST_SPEC(%rsp)
	NPT_UNTRAIN_RET
	stgi

	/* Nor may the guest's values be of use to a speculating kernel. */
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%edi, %edi
	GIVE_BACK

	/*
	 * Only the first can find SVM off: with the global interrupt flag clear
	 * nobody can turn it off under the others.
	 */
8:	mov	$-1, %eax
	GIVE_BACK

	_ASM_EXTABLE(1b, 8b)
SYM_FUNC_END(npt_svm_enter)
