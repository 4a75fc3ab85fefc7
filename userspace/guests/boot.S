/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two ways in, both with EAX = multiboot's magic number and EBX = its
 * information: start32 from a multiboot loader, in flat protected mode without
 * paging; start64 from a loader of 64-bit ELF files, in long mode with low memory
 * mapped one to one. Both end in long mode on tables and a GDT of our own.
 */
#include "guest.h"
#include "long_mode.inc"

#define MB_MAGIC	0x1badb002
#define MB_FLAGS	0x00010002	/* tell memory; load by the addresses below */

	.section .multiboot, "ax"
	.balign 4
header:
	.long	MB_MAGIC
	.long	MB_FLAGS
	.long	-(MB_MAGIC + MB_FLAGS)
	.long	header
	.long	guest_start
	.long	guest_load_end
	.long	guest_end
	.long	start32

	.text
	.code32
start32:
	cli
	movl	%eax, %edi
	movl	%ebx, %esi
	lgdt	gdt_pointer
	enter_long_mode in_long_mode

	.code64
	.globl	start64
start64:
	cli
	movl	%eax, %edi
	movl	%ebx, %esi
	lgdt	gdt_pointer
	movl	$boot_pml4, %eax
	movq	%rax, %cr3
	/* a far return is the only far jump of 64-bit mode to a constant */
	movl	$boot_stack_end, %esp
	pushq	$KERNEL_CS
	pushq	$in_long_mode
	lretq

in_long_mode:
	set_data_segments
	movl	$boot_stack_end, %esp
	cld
	xorl	%ebp, %ebp
	call	guest_main
	ud2

	.data
	.balign 8
	.globl	gdt, gdt_pointer
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* KERNEL_CS */
	.quad	0x00cf93000000ffff	/* KERNEL_DS */
	.quad	0x00cffb000000ffff	/* SYSRET's 32-bit code, unused */
	.quad	0x00cff3000000ffff	/* USER_DS */
	.quad	0x00affb000000ffff	/* USER_CS */
	.quad	0x00cf9b000000ffff	/* BOOT_CS: 32-bit code, for other processors' start */
	.quad	0, 0			/* the TSS, written by trap_init() */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	/* The first 4 GiB, one to one, by 2 MiB pages of the supervisor's. */
	.balign 4096
	.globl	boot_pml4
boot_pml4:
	.quad	boot_pdpt + 3
	.fill	511, 8, 0
boot_pdpt:
	.quad	boot_pd + 3
	.quad	boot_pd + 0x1000 + 3
	.quad	boot_pd + 0x2000 + 3
	.quad	boot_pd + 0x3000 + 3
	.fill	508, 8, 0
boot_pd:
	.set	page, 0
	.rept	2048
	.quad	(page << 21) + 0x83
	.set	page, page + 1
	.endr

	.bss
	.balign 16
	.skip	32768
	.globl	boot_stack_end
boot_stack_end:
