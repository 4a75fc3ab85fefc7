/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One access of each kind, made to be fast: where it faults, the handler goes
 * straight back to probe_access()'s caller; nothing but its stack pointer has to be
 * restored.
 */
#include "guest.h"

	.text
/*
 * uint64_t probe_access(void *code, uint64_t gva)
 * Runs @code with the address in RDI. Gives the #PF's error code, -1: no fault.
 */
	.globl	probe_access
probe_access:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, probe_rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	jmp	*%rax

	/* SYSCALL comes here from CPL 3, all kinds of supervisor's access too */
	.globl	probe_done
probe_done:
	movq	$-1, %rax
probe_return:
	movq	probe_rsp, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	/* The #PF gate. RFLAGS is as the gate left it but for AC: cleared for SMAP's sake. */
	.globl	probe_pf
probe_pf:
	popq	%rax
	movq	%cr2, %rdx
	movq	%rdx, probe_cr2
	movq	probe_rsp, %rsp
	pushq	$2
	popfq
	/* from CPL 3 SS is null, which 64-bit mode takes, and SYSCALL's is not */
	jmp	probe_return

	.globl	probe_read, probe_write, probe_fetch, probe_read_ac, probe_write_ac
probe_read:
	movq	(%rdi), %rax
	movq	%rax, probe_seen
	jmp	probe_done

probe_write:
	movq	probe_seen, %rax
	movq	%rax, (%rdi)
	jmp	probe_done

probe_fetch:
	call	*%rdi
	jmp	probe_done

probe_read_ac:
	pushq	$(RFLAGS_AC | 2)
	popfq
	movq	(%rdi), %rax
	pushq	$2
	popfq
	movq	%rax, probe_seen
	jmp	probe_done

probe_write_ac:
	movq	probe_seen, %rax
	pushq	$(RFLAGS_AC | 2)
	popfq
	movq	%rax, (%rdi)
	pushq	$2
	popfq
	jmp	probe_done

	/* RCX is where CPL 3 begins: a stub, or the page itself. */
	.globl	probe_user_read, probe_user_write, probe_user_fetch
probe_user_read:
	movq	probe_user_stubs, %rcx
	movl	$2, %r11d
	sysretq

probe_user_write:
	movq	probe_user_stubs, %rcx
	addq	$(user_write - user_read), %rcx
	movq	probe_seen, %rax
	movl	$2, %r11d
	sysretq

probe_user_fetch:
	movq	%rdi, %rcx
	movl	$2, %r11d
	sysretq

	/* SYSCALL's entry: what user code read is in RAX. */
	.globl	probe_syscall
probe_syscall:
	movq	%rax, probe_seen
	jmp	probe_done

	/* Copied to a page of the user's. */
	.globl	probe_user_code, probe_user_code_end
probe_user_code:
user_read:
	movq	(%rdi), %rax
	syscall
user_write:
	movq	%rax, (%rdi)
	syscall
probe_user_code_end:

	.bss
	.balign 8
	.globl	probe_rsp, probe_cr2, probe_seen, probe_user_stubs
probe_rsp:	.skip	8
probe_cr2:	.skip	8
probe_seen:	.skip	8
probe_user_stubs: .skip	8
