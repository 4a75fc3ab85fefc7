/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU that runs 64-bit code, flat, in ring 0: for tests with guests of their own. */
#ifndef NPT_SELFTESTS_SVMGUEST_H
#define NPT_SELFTESTS_SVMGUEST_H

#include <stdbool.h>
#include "utils.h"

/*
 * Guests in C: functions marked GUEST lie in a section of their own, which is
 * copied to where it runs. They call only each other, and use no data but what
 * they are given.
 */
#define GUEST __attribute__((section("guest_code"), target("general-regs-only"), used))

#define GUEST_WORD(gva) (*(volatile uint64_t *)(gva))

extern const char __start_guest_code[], __stop_guest_code[];

/* Copy all of it to @to. */
static inline void guest_code_copy(void *to)
{
	memcpy(to, __start_guest_code, __stop_guest_code - __start_guest_code);
}

/* Where @fn is when the copy is at @base. */
static inline uint64_t guest_code_at(uint64_t base, const void *fn)
{
	return base + ((const char *)fn - __start_guest_code);
}

/* Flat segments, paging by the tables at @cr3, and these registers. 0 or -errno. */
static inline long guest_state(int vcpu, uint64_t cr3, struct kvm_regs *regs)
{
	struct kvm_segment data = {
		.limit = ~0U, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1, .selector = 16,
	};
	struct kvm_sregs s;

	if (call(vcpu, KVM_GET_SREGS, &s))
		return -1;
	s.ds = data;
	s.es = data;
	s.ss = data;
	s.cs = data;
	s.cs.type = 11;
	s.cs.db = 0;
	s.cs.l = 1;
	s.cs.selector = 8;
	s.cr0 = CR0_PE | CR0_PG | CR0_WP | 0x10;
	s.cr3 = cr3;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	regs->rflags = 2;
	return call(vcpu, KVM_SET_SREGS, &s) ?: call(vcpu, KVM_SET_REGS, regs);
}

/* Is there an engine that runs guests? */
static inline bool have_svm(int dev)
{
	struct npt_caps caps = { .size = sizeof(caps) };

	return !call(dev, NPT_GET_CAPS, &caps) && (caps.engines & 1 << NPT_ENGINE_SVM);
}

#endif /* NPT_SELFTESTS_SVMGUEST_H */
