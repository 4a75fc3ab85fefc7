// SPDX-License-Identifier: GPL-2.0
/* What this module can do, for KVM_CHECK_EXTENSION and NPT_GET_CAPS. */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include "engine/x86/fpu.h"
#include "engine/x86/irq.h"
#include "ioctl.h"
#include "limits.h"
#include "npt.h"

/* Where an extension is there. */
enum where {
	ANYWHERE,
	HARDWARE,	/* where a processor runs the guest */
};

static const struct {
	unsigned int cap;
	int value;
	enum where where;
} extensions[] = {
	/* memory */
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_NR_MEMSLOTS, NPT_MAX_SLOTS },
	/* vCPUs */
	{ KVM_CAP_MAX_VCPUS, NPT_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, NPT_MAX_VCPUS },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_HLT, 1 },
	/* their state */
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1, HARDWARE },
	{ KVM_CAP_SET_GUEST_DEBUG, 1, HARDWARE },
	{ KVM_CAP_SET_GUEST_DEBUG2, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
	  KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB |
	  KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_BLOCKIRQ, HARDWARE },
	/* calls */
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
};

/* The engine that a VM has, or that one made with the module's defaults would have. */
static bool on_hardware(const struct npt_vm *vm)
{
	const struct npt_engine_ops *engine;

	engine = vm ? vm->engine : npt_engine_pick(npt_param_engine(), NULL);
	return !IS_ERR(engine) && engine->hw;
}

long npt_check_extension(const struct npt_vm *vm, unsigned long cap)
{
	bool hw = on_hardware(vm);
	unsigned int i;

	/* The number that KVM recommends: more would share processors. */
	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(long, num_online_cpus(), NPT_MAX_VCPUS);
	if (cap == KVM_CAP_MAX_VCPUS && vm)
		return vm->max_vcpus;
	if (cap == KVM_CAP_XCRS)
		return !!npt_fpu_supported_xcr0();
	for (i = 0; i < ARRAY_SIZE(extensions); i++)
		if (extensions[i].cap == cap)
			return hw || extensions[i].where == ANYWHERE ? extensions[i].value : 0;
	return npt_irq_extension(cap, hw);
}

/* Once, and never again another: a VM's ids are bounded for good. */
static long limit_vcpu_ids(struct npt_vm *vm, u64 limit)
{
	long err = 0;

	if (limit > NPT_MAX_VCPUS)
		return -EINVAL;
	if (mutex_lock_killable(&vm->lock))
		return -EINTR;
	if (!vm->x86.max_vcpu_ids)
		vm->x86.max_vcpu_ids = limit;
	else if (vm->x86.max_vcpu_ids != limit)
		err = -EINVAL;
	mutex_unlock(&vm->lock);
	return err;
}

long npt_vm_enable_cap(struct npt_call *call)
{
	const struct kvm_enable_cap *cap = &call->arg.enable_cap;
	struct npt_vm *vm = call->obj;

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_EXCEPTION_PAYLOAD:
		WRITE_ONCE(vm->x86.exception_payload, !!cap->args[0]);
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		WRITE_ONCE(vm->x86.triple_fault_event, !!cap->args[0]);
		return 0;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return npt_dirty_set_manual(vm, cap);
	case KVM_CAP_MAX_VCPU_ID:
		return limit_vcpu_ids(vm, cap->args[0]);
	default:
		return npt_irq_enable_cap(vm, cap);
	}
}

void npt_get_caps(struct npt_caps *caps)
{
	const struct npt_engine_ops *engine = npt_engine_pick(npt_param_engine(), NULL);
	u32 size = caps->size;

	*caps = (struct npt_caps) {
		.size = size,
		.abi_version = NPT_ABI_VERSION,
		.engines = npt_engines_usable(),
		.mmu_modes = BIT(NPT_MMU_NATIVE) | BIT(NPT_MMU_SHADOW) | BIT(NPT_MMU_NESTED),
		.nested_formats = BIT(NPT_NESTED_NPT) | BIT(NPT_NESTED_EPT),
		.guest_levels = BIT(2) | BIT(3) | BIT(4) | BIT(5),
		.nested_levels = BIT(4) | BIT(5),
		.leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G,
		.features = NPT_CAP_NETLINK | NPT_CAP_UNSYNC | NPT_CAP_DIRTY_LOG,
		.max_vms = NPT_MAX_VMS,
		.max_vcpus = NPT_MAX_VCPUS,
		.max_slots = NPT_MAX_SLOTS,
		.max_batch = NPT_MAX_BATCH,
		.max_table_pages = NPT_LIMIT_TABLE_PAGES,
		.default_table_pages = npt_param_table_pages(),
		.min_table_pages = NPT_MIN_TABLE_PAGES,
		.counters = NPT_CTR_NR,
		.default_mmu = npt_param_mmu(),
		.gpa_bits = NPT_GPA_BITS,
	};
	/* What was usable when the parameter was set may be taken now: 0. */
	if (!IS_ERR(engine)) {
		caps->default_engine = engine->id;
		caps->features |= engine->features;
	}
}
