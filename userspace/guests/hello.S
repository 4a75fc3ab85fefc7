/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Real mode: a flat file at 0x7c00 that says hello on the serial port, checks a few
 * things that only real mode has, and turns power off.
 */
#include "guest.h"

	.text
	.code16
	.globl	start
start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$text, %si
	call	say

	/* one byte by two ways of writing its address */
	movw	$0x07c0, %ax
	movw	%ax, %es
	movb	$0x5a, cell
	cmpb	$0x5a, %es:(cell - 0x7c00)
	jne	wrong

	/* an interrupt through the table at address 0 */
	movw	$handler, 0x80 * 4
	movw	$0, 0x80 * 4 + 2
	movw	$1000, %bx
	int	$0x80
	cmpw	$1337, %bx
	jne	wrong

	/* a string instruction with a count, over two segments */
	movw	$0x2000, %ax
	movw	%ax, %es
	xorw	%di, %di
	movw	$0x1234, %ax
	movw	$0x8000, %cx
	rep stosw
	testw	%cx, %cx
	jnz	wrong
	cmpw	$0x1234, %es:0xfffe
	jne	wrong

	movw	$done, %si
	call	say
	movw	$0x604, %dx
	movw	$0x2000, %ax
	outw	%ax, %dx
1:	hlt
	jmp	1b

wrong:
	movw	$bad, %si
	call	say
	movb	$1, %al
	outb	%al, $0xf4
1:	hlt
	jmp	1b

handler:
	addw	$337, %bx
	iretw

say:
	movw	$0x3f8, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	ret

text:	.asciz	"hello from real mode\n"
done:	.asciz	"hello: ok\n"
bad:	.asciz	"hello: WRONG\n"
cell:	.byte	0
