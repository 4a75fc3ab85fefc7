// SPDX-License-Identifier: GPL-2.0
/*
 * The guest: an interpreter of commands, once in 64-bit and once in 32-bit code, which leaves
 * only when the ring is at its end. Whatever faults goes on with the next command, from
 * nothing but BX.
 */
#include <assert.h>
#include "differ.h"

#define KERNEL_CS	0x08
#define KERNEL_DS	0x10
#define USER_CS		0x1b
#define USER_DS		0x23
#define TSS_SELECTOR	0x28

#define STR_(x) #x
#define STR(x) STR_(x)

#define FOR_ASM		".set D_RING_, 0x300000\n.set D_CODE_, 0x201000\n"		\
			".set D_STACK_, 0x208000\n.set D_STUB_, 0x20a000\n"

static_assert(D_RING == 0x300000 && D_CODE == 0x201000 && D_STACK == 0x208000 &&
	      D_STUB == 0x20a000,
	      "these are known to the assembler, too");

asm(FOR_ASM
".macro differ_code name bits ax bx dx di\n"
"	.balign 4096\n"
"	.globl \\name\n"
"	.code\\bits\n"
"\\name:\n"
"	movl $D_RING_, %ebx\n"
"\\name\\()_next:\n"
"	movl $D_STACK_, %esp\n"
"	movl (%\\bx), %eax\n"
"	shll $6, %eax\n"
"	addl $(\\name\\()_ops - \\name + D_CODE_), %eax\n"
"	mov 8(%\\bx), %\\di\n"
"	mov 16(%\\bx), %\\dx\n"
"	jmp *%\\ax\n"
"\\name\\()_done:\n"
"	movl $0x40000000, 4(%\\bx)\n"
"\\name\\()_advance:\n"
"	addl $32, %ebx\n"
"	jmp \\name\\()_next\n"
"\\name\\()_user:\n"
"	push $" STR(USER_DS) "\n"
"	push $0\n"
"	push $2\n"
"	push $" STR(USER_CS) "\n"
"	push %\\ax\n"
"	.if \\bits == 64\n"
"	iretq\n"
"	.else\n"
"	iret\n"
"	.endif\n"
"	.globl \\name\\()_int, \\name\\()_pf, \\name\\()_trap\n"
/* INT 0x80: the user is through, what it read is in AX */
"\\name\\()_int:\n"
"	mov %\\ax, 16(%\\bx)\n"
"	jmp \\name\\()_done\n"
"\\name\\()_pf:\n"
"	pop %\\ax\n"
"	orl $0x80000000, %eax\n"
"	movl %eax, 4(%\\bx)\n"
"	mov %cr2, %\\ax\n"
"	mov %\\ax, 24(%\\bx)\n"
"	movl $D_STACK_, %esp\n"
"	push $2\n"
"	popf\n"
"	jmp \\name\\()_advance\n"
/* any other exception */
"\\name\\()_trap:\n"
"	movl $0xc0000000, 4(%\\bx)\n"
"	movl $D_STACK_, %esp\n"
"	push $2\n"
"	popf\n"
"	jmp \\name\\()_advance\n"

"	.balign 64\n"
"\\name\\()_ops:\n"				/* D_END */
"	outb %al, $0x99\n"
"	jmp \\name\n"
"	.balign 64\n"				/* D_READ */
"	mov (%\\di), %\\ax\n"
"	mov %\\ax, 16(%\\bx)\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_WRITE */
"	mov %\\dx, (%\\di)\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_FETCH */
"	call *%\\di\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_USER_READ */
"	movl $D_STUB_, %eax\n"
"	jmp \\name\\()_user\n"
"	.balign 64\n"				/* D_USER_WRITE */
"	movl $(D_STUB_ + 16), %eax\n"
"	jmp \\name\\()_user\n"
"	.balign 64\n"				/* D_USER_FETCH */
"	mov %\\di, %\\ax\n"
"	jmp \\name\\()_user\n"
"	.balign 64\n"				/* D_AC_READ */
"	push $0x40002\n"
"	popf\n"
"	mov (%\\di), %\\ax\n"
"	push $2\n"
"	popf\n"
"	mov %\\ax, 16(%\\bx)\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_AC_WRITE */
"	push $0x40002\n"
"	popf\n"
"	mov %\\dx, (%\\di)\n"
"	push $2\n"
"	popf\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_STORE */
"	mov %\\dx, (%\\di)\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_INVLPG */
"	invlpg (%\\di)\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_CR3 */
"	mov %\\dx, %cr3\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_CR4 */
"	mov %\\dx, %cr4\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_CR0 */
"	mov %\\dx, %cr0\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_EFER */
"	movl $0xc0000080, %ecx\n"
"	movl %edx, %eax\n"
"	xorl %edx, %edx\n"
"	wrmsr\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_PKRU */
"	xorl %ecx, %ecx\n"
"	movl %edx, %eax\n"
"	xorl %edx, %edx\n"
"	wrpkru\n"
"	jmp \\name\\()_done\n"
"	.balign 64\n"				/* D_FLUSH */
"	mov %cr4, %\\ax\n"
"	xorl $0x80, %eax\n"
"	mov %\\ax, %cr4\n"
"	xorl $0x80, %eax\n"
"	mov %\\ax, %cr4\n"
"	jmp \\name\\()_done\n"
"	.globl \\name\\()_end\n"
"\\name\\()_end:\n"
/* the user's code */
"	.balign 64\n"
"	.globl \\name\\()_stub, \\name\\()_stub_end\n"
"\\name\\()_stub:\n"
"	mov (%\\di), %\\ax\n"
"	int $0x80\n"
"	.balign 16\n"
"	mov %\\dx, (%\\di)\n"
"	int $0x80\n"
"\\name\\()_stub_end:\n"
".endm\n"
".pushsection .rodata\n"
"	differ_code differ64 64 rax rbx rdx rdi\n"
"	differ_code differ32 32 eax ebx edx edi\n"
"	.code64\n"
".popsection\n");

extern const char differ64[], differ64_end[], differ64_int[], differ64_pf[], differ64_trap[],
	differ64_stub[], differ64_stub_end[];
extern const char differ32[], differ32_end[], differ32_int[], differ32_pf[], differ32_trap[],
	differ32_stub[], differ32_stub_end[];

static bool is_long(const struct differ_case *c)
{
	return c->levels > 3;
}

static void set_gate(const struct differ_case *c, uint8_t *mem, unsigned int vector,
		     uint64_t entry, uint8_t type)
{
	uint64_t gate = (entry & 0xffff) | (uint64_t)KERNEL_CS << 16 | (uint64_t)type << 40 |
			(entry >> 16 & 0xffff) << 48;

	memcpy(mem + D_IDT + vector * (is_long(c) ? 16 : 8), &gate, 8);
}

static void fill_idt(const struct differ_case *c, uint8_t *mem)
{
	bool l = is_long(c);
	uint64_t base = D_CODE - (uintptr_t)(l ? differ64 : differ32);
	uint64_t trap = (uintptr_t)(l ? differ64_trap : differ32_trap) + base;
	unsigned int i;

	for (i = 0; i < 32; i++)
		set_gate(c, mem, i, trap, 0x8e);
	set_gate(c, mem, 14, (uintptr_t)(l ? differ64_pf : differ32_pf) + base, 0x8e);
	set_gate(c, mem, 0x80, (uintptr_t)(l ? differ64_int : differ32_int) + base, 0xee);
}

static void fill_gdt(const struct differ_case *c, uint8_t *mem)
{
	uint64_t code = is_long(c) ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull;
	uint64_t gdt[] = {
		0, code, 0x00cf93000000ffffull, code | 3ull << 45, 0x00cff3000000ffffull,
		0x0000890000000067ull | D_TSS << 16, 0,
	};
	uint32_t stack0 = D_STACK0, ss0 = KERNEL_DS;

	memcpy(mem + D_GDT, gdt, sizeof(gdt));
	memcpy(mem + D_TSS + 4, &stack0, 4);
	if (!is_long(c))
		memcpy(mem + D_TSS + 8, &ss0, 4);
}

void differ_guest_fill(const struct differ_case *c, uint8_t *mem)
{
	if (is_long(c)) {
		memcpy(mem + D_CODE, differ64, differ64_end - differ64);
		memcpy(mem + D_STUB, differ64_stub, differ64_stub_end - differ64_stub);
	} else {
		memcpy(mem + D_CODE, differ32, differ32_end - differ32);
		memcpy(mem + D_STUB, differ32_stub, differ32_stub_end - differ32_stub);
	}
	fill_idt(c, mem);
	fill_gdt(c, mem);
}

void differ_guest_state(const struct differ_case *c, struct kvm_sregs *s, struct kvm_regs *r)
{
	struct differ_regs first = differ_first_regs(c);
	struct kvm_segment data = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
		.selector = KERNEL_DS,
	};

	s->ss = data;
	s->cs = data;
	s->cs.type = 11;
	s->cs.selector = KERNEL_CS;
	s->cs.l = is_long(c);
	s->cs.db = !is_long(c);
	data.dpl = 3;
	data.selector = USER_DS;
	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	/* QEMU 7.2 dies of an INT to another stack if the TSS is a busy one, in legacy mode. */
	s->tr = (struct kvm_segment) {
		.base = D_TSS, .limit = 0x67, .selector = TSS_SELECTOR,
		.type = is_long(c) ? 11 : 9, .present = 1,
	};
	s->gdt.base = D_GDT;
	s->gdt.limit = 7 * 8 - 1;
	s->idt.base = D_IDT;
	s->idt.limit = 4095;
	s->cr0 = first.cr0;
	s->cr3 = first.cr3;
	s->cr4 = first.cr4;
	s->efer = first.efer;
	*r = (struct kvm_regs) { .rip = D_CODE, .rsp = D_STACK, .rflags = 2 };
}
