// SPDX-License-Identifier: GPL-2.0
/*
 * For engines whose processor walks the tables by itself: what it is to run
 * on, and what it could not do alone.
 *
 * Such a processor holds no lock while the guest runs. Whoever changes a table
 * under it follows the order zap, flush, free: npt_flush_cpus() waits in
 * ->kick until every vCPU has left the guest, and a vCPU that enters again
 * finds npt_hw_ready() false until it has obeyed.
 */
#include "internal.h"

int npt_hw_prepare(struct npt_cpu *cpu)
{
	struct npt_mmu *mmu = cpu->mmu;
	bool fits;
	int err;

	if (likely(npt_hw_ready(cpu)))
		return 0;
	for (;;) {
		npt_cpu_lock(cpu);
		fits = mmu->cfg.mode != NPT_MMU_SHADOW || npt_shadow_root_fits(cpu);
		npt_cpu_unlock(cpu);
		if (fits)
			return 0;
		err = npt_shadow_load_root(cpu);
		if (err)
			return err;
		/* Translations of the root before are still in the TLB. */
		cpu->hw_flushes++;
	}
}

bool npt_hw_ready(const struct npt_cpu *cpu)
{
	const struct npt_mmu *mmu = cpu->mmu;

	if (READ_ONCE(mmu->flush_seq) != cpu->flush_seen || READ_ONCE(cpu->nr_pending))
		return false;
	/*
	 * Also a root that was taken away: its flush may have been obeyed since, on
	 * the way through an emulated access. Our count keeps it from being freed.
	 */
	return mmu->cfg.mode != NPT_MMU_SHADOW || npt_shadow_root_fits(cpu);
}

u64 npt_hw_root(const struct npt_cpu *cpu)
{
	if (cpu->mmu->cfg.mode != NPT_MMU_SHADOW)
		return cpu->mmu->map_root;
	return npt_ptr_hpa(cpu->shadow_root->spt);
}

void npt_hw_set_cr3(struct npt_cpu *cpu, u64 cr3)
{
	cpu->regs.cr3 = cr3;
	cpu->root = cpu->fmt ? cr3 & cpu->fmt->root_mask : 0;
}

void npt_hw_set_rights(struct npt_cpu *cpu, bool ac, u32 pkru)
{
	bool derive = cpu->regs.ac != ac;

	if (derive || cpu->regs.pkru != pkru)
		npt_cpu_forget_device(cpu);
	cpu->regs.ac = ac;
	cpu->regs.pkru = pkru;
	if (derive)
		npt_cpu_derive(cpu);
}

/* Bits of a page-fault error code (APM vol. 2, 8.4.2). */
#define EC_WRITE BIT(1)
#define EC_USER BIT(2)
#define EC_RESERVED BIT(3)
#define EC_FETCH BIT(4)

enum npt_fault_outcome npt_hw_nested_fault(struct npt_cpu *cpu, u64 gpa, u64 error_code)
{
	bool write = error_code & EC_WRITE, spurious;
	enum npt_fault_outcome outcome;
	int err;

	cpu->err = 0;
	/* Whatever the processor makes of an address that the tables have no room for. */
	if (gpa >> cpu->mmu->gpa_bits) {
		outcome = NPT_FAULT_MMIO;
	} else if (error_code & EC_RESERVED) {
		npt_mmu_bug(cpu->mmu, "the processor finds reserved bits in a nested table");
		outcome = NPT_FAULT_ERROR;
	} else {
		err = npt_map_try(cpu, gpa, write, &spurious);
		/* The guest tries again, unless there is more urgent business by then. */
		if (err == -EAGAIN)
			outcome = NPT_FAULT_SPURIOUS;
		else if (err)
			outcome = npt_map_outcome(cpu, err);
		else
			outcome = spurious ? NPT_FAULT_SPURIOUS : NPT_FAULT_FIXED;
	}
	npt_count_fault(cpu, NPT_CTR_pf_nested, outcome);
	/* The guest-virtual address is the processor's secret. */
	npt_trace_fault(cpu->mmu, 0, gpa, error_code & 0x1f, outcome);
	return outcome;
}

/*
 * Devices are touched again and again, and each time it is a fault. What the walk
 * found serves until the guest flushes, as a TLB entry would.
 */
static bool device_known(struct npt_cpu *cpu, struct npt_hw_fault *f, u8 op, bool user)
{
	const struct npt_device_page *d = &cpu->device;

	if (!(d->allow & npt_acc_bit(op, user)) || d->gva != f->gva >> 12 || f->implicit)
		return false;
	if (d->flushes != cpu->hw_flushes || READ_ONCE(cpu->nr_pending) ||
	    d->slots_seq != READ_ONCE(cpu->mmu->slots_seq))
		return false;
	f->gpa = d->gpa << 12 | (f->gva & 4095);
	f->at_table = false;
	return true;
}

/* @slots_seq: before the fault was looked at. */
static void know_device(struct npt_cpu *cpu, const struct npt_hw_fault *f, u8 op, bool user,
			u64 slots_seq)
{
	struct npt_device_page d = {
		.gva = f->gva >> 12, .gpa = f->gpa >> 12, .flushes = cpu->hw_flushes,
		.slots_seq = slots_seq, .allow = npt_acc_bit(op, user),
	};

	if (f->at_table || f->implicit)
		return;
	/* Reads and writes of one page take turns. */
	if (d.gva == cpu->device.gva && d.gpa == cpu->device.gpa &&
	    d.flushes == cpu->device.flushes && d.slots_seq == cpu->device.slots_seq)
		d.allow |= cpu->device.allow;
	cpu->device = d;
}

static enum npt_fault_outcome mend_shadow(struct npt_cpu *cpu, struct npt_hw_fault *f, u8 op,
					  bool user)
{
	enum npt_fault_outcome outcome;
	bool ac = cpu->regs.ac;
	struct npt_walker w;

	npt_walker_init_hw(&w, cpu, op, user);
	/* SDM vol. 3A, 4.6: implicit supervisor accesses know no AC. */
	if (f->implicit && ac)
		npt_hw_set_rights(cpu, false, cpu->regs.pkru);
	outcome = npt_shadow_fault(cpu, &w, f->gva);
	if (f->implicit && ac)
		npt_hw_set_rights(cpu, ac, cpu->regs.pkru);
	if (outcome == NPT_FAULT_GUEST) {
		npt_count_guest_pf(cpu, w.verdict);
		f->error_code = npt_walk_error_code(&w);
	}
	f->gpa = w.fault_gpa;
	f->at_table = w.fault_table;
	return outcome;
}

enum npt_fault_outcome npt_hw_shadow_fault(struct npt_cpu *cpu, struct npt_hw_fault *f)
{
	u8 op = f->error_code & EC_FETCH ? NPT_OP_FETCH :
		f->error_code & EC_WRITE ? NPT_OP_WRITE : NPT_OP_READ;
	u64 slots_seq = READ_ONCE(cpu->mmu->slots_seq);
	bool user = f->error_code & EC_USER;
	u32 error_code = f->error_code & 0x1f;
	enum npt_fault_outcome outcome;

	cpu->err = 0;
	if (f->error_code & EC_RESERVED) {
		npt_mmu_bug(cpu->mmu, "the processor finds reserved bits in a shadow table");
		f->gpa = 0;
		f->at_table = false;
		outcome = NPT_FAULT_ERROR;
	} else if (device_known(cpu, f, op, user)) {
		outcome = NPT_FAULT_MMIO;
	} else {
		outcome = mend_shadow(cpu, f, op, user);
		if (outcome == NPT_FAULT_MMIO)
			know_device(cpu, f, op, user, slots_seq);
	}
	npt_count_fault(cpu, NPT_CTR_pf_shadow, outcome);
	npt_trace_fault(cpu->mmu, f->gva, f->gpa, error_code, outcome);
	return outcome;
}

u32 npt_hw_fetch(struct npt_cpu *cpu, u64 gva, bool user, u8 *buf, u32 len)
{
	struct npt_mmu *mmu = cpu->mmu;
	enum npt_walk_end end;
	struct npt_walker w;
	bool spurious;

	len = min_t(u32, len, 4096 - (gva & 4095));
	do {
		npt_walker_init_hw(&w, cpu, NPT_OP_FETCH, user);
		npt_read_lock(&mmu->lock);
		end = npt_walk_guest(&w, gva);
		if (end == NPT_WALK_OK)
			memcpy(buf, npt_hpa_ptr(w.hpa), len);
		npt_read_unlock(&mmu->lock);
		/*
		 * The map may have lost a guest table (a large leaf was split) that the shadow
		 * tables in use were made from: the processor would not fault for it again.
		 */
	} while (end == NPT_WALK_STAGE2 &&
		 !npt_map_in(cpu, w.fault_gpa, w.fault_write, &spurious));
	return end == NPT_WALK_OK ? len : 0;
}
