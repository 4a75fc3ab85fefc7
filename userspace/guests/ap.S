/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Other processors: from real mode at AP_START, where ap_start() copies this code,
 * to long mode on the boot tables and a stack of their own.
 */
#include "guest.h"
#include "long_mode.inc"

#define AP(symbol)	(symbol - ap_code + AP_START)

	.text
	.code16
	.globl	ap_code, ap_code_end
ap_code:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AP(ap_gdt_pointer)
	enter_long_mode ap_long_mode

	.balign 8
ap_gdt_pointer:
	.word	0x37
	.long	gdt
ap_code_end:

	.code64
ap_long_mode:
	set_data_segments
	movl	$1, %edi
	lock xaddl	%edi, ap_count
	/* stack number edi, from its end */
	movl	%edi, %eax
	incl	%eax
	shll	$14, %eax
	addq	ap_stacks, %rax
	movq	%rax, %rsp
	xorl	%ebp, %ebp
	pushq	%rdi
	pushq	%rdi
	call	trap_load
	popq	%rdi
	popq	%rdi
	lock incl	ap_running
	incl	%edi
	call	ap_main
1:	cli
	hlt
	jmp	1b

	.data
	.balign 8
	.globl	ap_count, ap_running, ap_stacks
ap_count:
	.long	0
ap_running:
	.long	0
ap_stacks:
	.quad	0
