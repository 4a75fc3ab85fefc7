/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioctls as tables: number, struct, handler. What every call has in common
 * (finding it, copying the struct in once and out again) is done in one place.
 */
#ifndef NPT_IOCTL_H
#define NPT_IOCTL_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/npt.h>

/*
 * The copied-in struct of a call. What is larger than these, KVM's structs alone,
 * is on the heap: see npt_call.data.
 */
union npt_call_arg {
	struct kvm_clear_dirty_log clear_dirty_log;
	struct kvm_dirty_log dirty_log;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_fpu fpu;
	struct kvm_guest_debug guest_debug;
	struct kvm_sregs2 sregs2;
	struct kvm_xcrs xcrs;
	struct kvm_enable_cap enable_cap;
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_translation translation;
	struct kvm_userspace_memory_region region;
	struct npt_batch batch;
	struct npt_caps caps;
	struct npt_create_vm create_vm;
	struct npt_explain explain;
	struct npt_flush flush;
	struct npt_stats stats;
	struct npt_tlb_model tlb;
	struct npt_vm_info vm_info;
};

/* One call under way. */
struct npt_call {
	const struct npt_ioctl *ioctl;
	void *obj;		/* the VM or vCPU; NULL on /dev/npt */
	unsigned long val;	/* the bare argument */
	u32 usize;		/* own structs: the size that user space gave */
	void *data;		/* the struct: arg, or what is on the heap in its place */
	union npt_call_arg arg;
};

#define NPT_IOCTL_OUT BIT(0)		/* own struct is copied back */
#define NPT_IOCTL_UNLOCKED BIT(1)	/* vCPU: does not need vcpu->mutex */

/**
 * struct npt_ioctl - one row of a table
 * @cmd: the number
 * @size: of the struct, 0 if the argument is a plain value
 * @min_size: own structs: the smallest ever published; KVM's: 0
 * @flags: NPT_IOCTL_*
 * @fn: the handler; a result >= 0 lets the struct be copied back
 */
struct npt_ioctl {
	unsigned int cmd;
	u16 size;
	u16 min_size;
	u32 flags;
	long (*fn)(struct npt_call *call);
};

/* The argument is a value. */
#define NPT_CALL_VALUE(nr, handler) \
	{ .cmd = (nr), .fn = (handler) }

/* KVM's struct: its size is in the number, and so is the direction. */
#define NPT_CALL_KVM(nr, handler) \
	{ .cmd = (nr), .size = _IOC_SIZE(nr), .fn = (handler) }

/* An own struct, size first; @last is its last field in the first version of the ABI. */
#define NPT_CALL_OWN(nr, type, last, handler, how) \
	{ .cmd = (nr), .size = sizeof(type), .flags = (how), .fn = (handler), \
	  .min_size = offsetofend(type, last) + \
		BUILD_BUG_ON_ZERO(offsetof(type, size)) + \
		BUILD_BUG_ON_ZERO(sizeof(type) > sizeof(union npt_call_arg)) }

/* The row for @cmd, NULL if there is none. */
const struct npt_ioctl *npt_ioctl_find(const struct npt_ioctl *table, unsigned int n,
				       unsigned int cmd);
/* Copy in, call, copy out. */
long npt_ioctl_call(const struct npt_ioctl *ioctl, void *obj, unsigned long arg);
/*
 * Copy in a struct that begins with its size, as the head of uapi/linux/npt.h
 * has it: that size, or -EFAULT, -EINVAL, -E2BIG.
 */
long npt_copy_sized(void *to, u32 size, u32 min_size, void __user *from);
/* Copy the struct out now, for a handler that must know before it goes on. 0 or -EFAULT. */
int npt_call_reply(struct npt_call *call);

#endif /* NPT_IOCTL_H */
