/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Engines: what executes a guest. One const table of operations each; whoever
 * drives a VM calls through vm->engine and never asks which engine it is.
 */
#ifndef NPT_ENGINE_H
#define NPT_ENGINE_H

#include <linux/types.h>

struct npt_vm;
struct npt_vcpu;
struct npt_batch;

/**
 * struct npt_engine_ops - one engine; no member is NULL
 * @name: as the parameter engine= has it
 * @id: enum npt_engine
 * @nested_format: format of nested tables that NPT_NESTED_DEFAULT means
 * @nested_levels: levels of nested tables that 0 means, on this machine
 * @features: NPT_CAP_* that it adds
 * @prefetch: pages that a fill looks at, see struct npt_mmu_config; each fault of
 *	the soft engine is there to be seen, elsewhere it is an exit to be saved
 * @probe: can it run here and now? 0, or -EOPNOTSUPP (never on this machine)
 *	or -EBUSY (another hypervisor holds the hardware), with *why a constant
 *	sentence for a person
 * @vm_init: a VM that nobody else can see yet is to run on this engine
 * @vm_destroy: the last act on a VM whose vm_init succeeded
 * @vcpu_init: likewise for a vCPU
 * @vcpu_destroy: likewise for a vCPU
 * @run: KVM_RUN, under vcpu->mutex
 * @batch: NPT_BATCH, under vcpu->mutex; sets done and failed, which user space
 *	gets even if an error is returned
 * @pull: bring the vCPU's state from where the engine keeps it into struct
 *	npt_vcpu and clear x86.in_engine; called only while that is set
 * @kick_vcpu: any context: if the vCPU is in the guest, it leaves it soon
 * @hw: a processor runs the guest: there is x86 state beyond paging
 * @kick: mmu->lock held for writing: when it returns, no vCPU of the VM uses
 *	a translation made before
 * @exit: the module goes, and there are no VMs
 */
struct npt_engine_ops {
	const char *name;
	u32 id;
	u32 nested_format;
	u32 (*nested_levels)(void);
	u32 features;
	u32 prefetch;
	bool hw;
	int (*probe)(const char **why);
	int (*vm_init)(struct npt_vm *vm);
	void (*vm_destroy)(struct npt_vm *vm);
	int (*vcpu_init)(struct npt_vcpu *vcpu);
	void (*vcpu_destroy)(struct npt_vcpu *vcpu);
	int (*run)(struct npt_vcpu *vcpu);
	int (*batch)(struct npt_vcpu *vcpu, struct npt_batch *batch);
	void (*pull)(struct npt_vcpu *vcpu);
	void (*kick_vcpu)(struct npt_vcpu *vcpu);
	void (*kick)(struct npt_vm *vm);
	void (*exit)(void);
};

extern const struct npt_engine_ops npt_engine_soft;
extern const struct npt_engine_ops npt_engine_svm;

/*
 * The engine for @id (enum npt_engine; NPT_ENGINE_DEFAULT is not one): an
 * ERR_PTR of -EINVAL (no such number), -EOPNOTSUPP or -EBUSY, then with *why (if
 * @why is not NULL) a sentence or NULL.
 */
const struct npt_engine_ops *npt_engine_pick(u32 id, const char **why);
/* The module goes. */
void npt_engines_exit(void);
/* Bit 1 << enum npt_engine for each that could be picked now. */
u32 npt_engines_usable(void);
/* A line for each: its name, can it be picked now, and why not. Length of the text. */
int npt_engines_describe(char *buf, size_t size);
/* Name of an enum npt_engine, and back (-EINVAL). */
const char *npt_engine_name(u32 id);
int npt_engine_from_name(const char *name);

#endif /* NPT_ENGINE_H */
