/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmbench's guest: loops in long mode. rcx (r12 where CPUID would spoil it) says how many
 * times round; rdi is an address, r8 that of its page table entry, r9 and rdx what to put
 * there; rax is a root.
 */
	.section .rodata

	.macro	label name
	.globl	\name
\name:
	.endm

label guest_begin
label guest_done
	outb	%al, $0x11
	jmp	guest_done

label guest_out
	outb	%al, $0x10
	jmp	guest_out

label guest_hlt
	hlt
	jmp	guest_hlt

label guest_mmio
	movl	%eax, (%rdi)
	jmp	guest_mmio

label guest_cpuid
	xorl	%eax, %eax
	cpuid
	decq	%r12
	jnz	guest_cpuid
	jmp	guest_done

label guest_root
	movq	%rax, %cr3
label guest_touch
	movq	%rcx, (%rdi)
	addq	$4096, %rdi
	decq	%rcx
	jnz	guest_touch
	jmp	guest_done

label guest_invlpg
	invlpg	(%rdi)
	movq	(%rdi), %rax
	decq	%rcx
	jnz	guest_invlpg
	jmp	guest_done

/* The entry leads to one page and the other in turn. */
label guest_pte
	xorq	%rdx, %r9
	movq	%r9, (%r8)
	invlpg	(%rdi)
	movq	(%rdi), %rax
	decq	%rcx
	jnz	guest_pte
	jmp	guest_done

label guest_new_pte
	movq	%r9, (%r8)
	movq	(%rdi), %rax
	addq	$4096, %r9
	addq	$8, %r8
	addq	$4096, %rdi
	decq	%rcx
	jnz	guest_new_pte
	jmp	guest_done

/* A page that is not there is read; the handler puts r9 into its entry. */
label guest_fault
	movq	(%rdi), %rax
	movq	%rdx, (%r8)
	invlpg	(%rdi)
	decq	%rcx
	jnz	guest_fault
	jmp	guest_done

/* A page that is read only is written. */
label guest_protect
	movq	%rcx, (%rdi)
	movq	%rdx, (%r8)
	invlpg	(%rdi)
	decq	%rcx
	jnz	guest_protect
	jmp	guest_done

label guest_handler
	addq	$8, %rsp
	movq	%r9, (%r8)
	iretq

label guest_cr3
	movq	%rax, %cr3
	movq	(%rdi), %rbx
	decq	%rcx
	jnz	guest_cr3
	jmp	guest_done

label guest_switch
	xorq	%rdx, %rax
	movq	%rax, %cr3
	movq	(%rdi), %rbx
	decq	%rcx
	jnz	guest_switch
	jmp	guest_done
label guest_end

	.section .note.GNU-stack, "", @progbits
