// SPDX-License-Identifier: GPL-2.0
/* What this module can do, for KVM_CHECK_EXTENSION and NPT_GET_CAPS. */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include "limits.h"
#include "npt.h"

/* Extensions that are there or not, whatever the machine. */
static const struct {
	unsigned int cap;
	int value;
} extensions[] = {
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, 1 },
	{ KVM_CAP_NR_MEMSLOTS, NPT_MAX_SLOTS },
	{ KVM_CAP_MAX_VCPUS, NPT_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, NPT_MAX_VCPUS },
};

long npt_check_extension(unsigned long cap)
{
	unsigned int i;

	/* The number that KVM recommends: more would share processors. */
	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(long, num_online_cpus(), NPT_MAX_VCPUS);
	for (i = 0; i < ARRAY_SIZE(extensions); i++)
		if (extensions[i].cap == cap)
			return extensions[i].value;
	return 0;
}

void npt_get_caps(struct npt_caps *caps)
{
	const struct npt_engine_ops *engine = npt_engine_pick(npt_param_engine());
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
