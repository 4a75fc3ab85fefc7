// SPDX-License-Identifier: GPL-2.0
#include "processor.h"
#include "mmu/internal.h"
#include "test.h"

/* More faults than any access takes. */
#define MAX_FAULTS 64

struct tables {
	struct ref_mem mem;
	u64 root;	/* hpa */
};

/*
 * The arena lies above 4 GiB, where no 32-bit CR3 reaches. The reference knows
 * the root by the lower half of its address; no table lies below that.
 */
static u64 *entry_at(const struct tables *t, u64 hpa)
{
	if (hpa >> 12 == (u32)t->root >> 12)
		hpa |= t->root & ~0xffffffffull;
	return npt_hpa_ptr(hpa);
}

static bool read_entry(const struct ref_mem *mem, uint64_t hpa, unsigned int bytes,
		       uint64_t *value)
{
	CHECK_EQ(bytes, 8, "size of a shadow entry");
	*value = *entry_at((const struct tables *)mem, hpa);
	return true;
}

/* What the processor's own walk gives, and the bits that it sets in our tables. */
static void hw_walk(struct npt_cpu *cpu, u64 gva, unsigned int op, bool user,
		    struct ref_out *ref)
{
	struct tables t = { .mem.read = read_entry };
	struct npt_regs regs;
	struct ref_cpu hw;

	npt_shadow_hw_regs(cpu, &regs);
	t.root = npt_hw_root(cpu);
	hw = (struct ref_cpu){
		.cr0 = regs.cr0, .cr3 = t.root, .cr4 = regs.cr4, .efer = regs.efer,
		.pkru = regs.pkru, .ac = regs.ac, .maxphy = 52,
	};
	CHECK_EQ(ref_levels(&hw), npt_shadow_levels(cpu), "levels of the shadow tables");
	if (ref_levels(&hw) == 3)
		hw.cr3 &= 0xffffffff;
	ref_walk(&hw, &t.mem, gva, env_kind(op), user, ref);
	CHECK(ref->end == REF_OK || ref->end == REF_PF, "the walk ended with %d", ref->end);
	CHECK(!(ref->error & REF_PF_RSVD), "reserved bits in a shadow entry for %#llx", gva);
	for (unsigned int i = 0; i < ref->n; i++)
		*entry_at(&t, ref->step[i].gpa) |= ref->step[i].after;
}

/* The processor reports a fault: true if the access goes on. */
static bool fault(struct npt_cpu *cpu, u64 gva, unsigned int op, u32 error,
		  struct processor_out *out)
{
	struct npt_hw_fault f = { .gva = gva, .error_code = error };
	u64 retries = cpu->ctr[NPT_CTR_host_map_retry];
	enum npt_fault_outcome outcome = npt_hw_shadow_fault(cpu, &f);

	out->gpa = f.gpa;
	switch (outcome) {
	case NPT_FAULT_GUEST:
		out->status = NPT_STATUS_GUEST_PF;
		out->error = f.error_code;
		return false;
	case NPT_FAULT_MMIO:
		out->status = NPT_STATUS_MMIO;
		return false;
	case NPT_FAULT_READONLY:
		out->status = NPT_STATUS_READONLY;
		return false;
	case NPT_FAULT_ERROR:
		out->status = NPT_STATUS_HOST_FAULT;
		return false;
	case NPT_FAULT_EMULATE:
		CHECK_EQ(op, NPT_OP_WRITE, "an emulated access");
		out->emulated = true;
		out->faults++;
		return false;
	case NPT_FAULT_SPURIOUS:
		/* Nobody else runs, and there is no TLB: what was denied must have changed. */
		CHECK(!npt_shadow_root_fits(cpu) || cpu->ctr[NPT_CTR_host_map_retry] != retries,
		      "gva %#llx op %u error %#x: nothing to mend", gva, op, error);
		/* The host took the root away meanwhile, or the page. */
		fallthrough;
	default:
		out->faults++;
		return true;
	}
}

void processor_access(struct env *env, struct npt_cpu *cpu, u64 gva, unsigned int op,
		      bool user, struct processor_out *out)
{
	struct ref_out ref;

	*out = (struct processor_out){ .status = NPT_STATUS_OK };
	do {
		CHECK(out->faults < MAX_FAULTS, "gva %#llx op %u user %u faults for ever", gva,
		      op, user);
		CHECK(!npt_hw_prepare(cpu), "no memory for a root");
		CHECK(npt_hw_ready(cpu), "not ready at once");
		npt_read_lock(&cpu->mmu->lock);
		hw_walk(cpu, gva, op, user, &ref);
		npt_read_unlock(&cpu->mmu->lock);
		out->hpa = ref.gpa;
	} while (ref.end == REF_PF && fault(cpu, gva, op, ref.error, out));
}

void processor_data(struct env *env, struct npt_cpu *cpu, u64 gva, unsigned int op,
		    bool user, void *data, unsigned int size, struct processor_out *out)
{
	u32 done;

	processor_access(env, cpu, gva, op, user, out);
	if (out->status != NPT_STATUS_OK)
		return;
	if (out->emulated)
		CHECK(!npt_guest_write(cpu, out->gpa, data, size, &done), "npt_guest_write()");
	else if (op == NPT_OP_WRITE)
		memcpy(npt_hpa_ptr(out->hpa), data, size);
	else
		memcpy(data, npt_hpa_ptr(out->hpa), size);
}
