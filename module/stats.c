// SPDX-License-Identifier: GPL-2.0
/* The counters: their catalogue, and how they are read and summed. */
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "npt.h"

#define SCOPE_vcpu false
#define SCOPE_vm true

const struct npt_counter_desc npt_catalogue[NPT_CTR_NR] = {
#define NPT_COUNTER_DESC(_name, _scope, _type, _unit, _text)		\
	[NPT_CTR_##_name] = {						\
		.name = #_name,						\
		.scope = #_scope,					\
		.type = #_type,						\
		.unit = #_unit,						\
		.text = _text,						\
		.vm = SCOPE_##_scope,					\
	},
	NPT_COUNTERS(NPT_COUNTER_DESC)
#undef NPT_COUNTER_DESC
};

void npt_stats_vcpu(struct npt_vcpu *vcpu, u64 *out)
{
	/* A running vCPU obeys by itself. */
	if (mutex_trylock(&vcpu->cpu_lock)) {
		npt_cpu_settle(&vcpu->cpu);
		mutex_unlock(&vcpu->cpu_lock);
	}
	npt_cpu_counters(&vcpu->cpu, out);
}

static void add_vcpu(struct npt_vcpu *vcpu, u64 *sum)
{
	u64 values[NPT_CTR_NR];
	unsigned int i;

	npt_stats_vcpu(vcpu, values);
	for (i = 0; i < NPT_CTR_NR; i++)
		if (!npt_catalogue[i].vm)
			sum[i] += values[i];
}

void npt_stats_vm(struct npt_vm *vm, u64 *out)
{
	struct npt_vcpu *vcpu;
	unsigned long id;
	unsigned int i;

	memset(out, 0, NPT_CTR_NR * sizeof(*out));
	xa_for_each(&vm->vcpus, id, vcpu)
		add_vcpu(vcpu, out);
	/* Together, so that the VM's own laws hold among them even as it runs. */
	npt_read_lock(&vm->mmu.lock);
	for (i = 0; i < NPT_CTR_NR; i++)
		if (npt_catalogue[i].vm)
			out[i] = vm->mmu.ctr[i];
	npt_read_unlock(&vm->mmu.lock);
}

int npt_stats_copy(struct npt_stats *s, const u64 *values)
{
	u32 n = min_t(u32, s->count, NPT_CTR_NR);

	if (s->flags || s->__reserved)
		return -EINVAL;
	if (copy_to_user(u64_to_user_ptr(s->values), values, n * sizeof(*values)))
		return -EFAULT;
	s->count = NPT_CTR_NR;
	return 0;
}
