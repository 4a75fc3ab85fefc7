// SPDX-License-Identifier: GPL-2.0
/* Presets of TLB models. "x/y" is entries/ways, as processors' manuals give it. */
#include "tlbspec.h"

/* Parts that several have. */
#define INTEL_L1D	"l1d.4k=64/4,l1d.2m=32/4,"
#define HASWELL_L1	"l1i.4k=128/4,l1i.2m=8," INTEL_L1D "l1d.1g=4,"
#define GOLDENCOVE_L1	"l1i.4k=256/8,l1i.2m=32/8,l1d.4k=96/6,l1d.2m=32/4,l1d.1g=8,"
#define JAGUAR_L1	"l1i.4k=32,l1i.2m=8,l1d.4k=40,l1d.2m=8,"
#define SKYLAKE_L1I	"l1i.4k=128/8,l1i.2m=8,"

static const struct npt_tlb_preset presets[] = {
	{
		.name = "opteron-2008",
		.title = "AMD Opteron with nested paging, walk caches as simulated in 2008",
		.spec = "bothpwc.234=24,ntlb=16,vpid",
		.certainty = NPT_TLB_PARTLY,
		.certainty_text = "in part",
		.note = "walk cache and nested TLB alone: add TLBs as items",
	}, {
		.name = "nehalem",
		.title = "Intel Nehalem",
		.spec = "l1i.4k=128/4,l1i.2m=7," INTEL_L1D "l2.4k=512/4,vpid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "walk caches are not published",
	}, {
		.name = "jaguar",
		.title = "AMD Jaguar",
		.spec = JAGUAR_L1 "l2.4k=512/4,l2.2m=256/2,pwc.2=16,vpid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "the walk cache is taken to hold page-directory entries of the guest",
	}, {
		.name = "haswell",
		.title = "Intel Haswell",
		.spec = HASWELL_L1 "l2.4k2m=1024/8,vpid,pcid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "walk caches are not published; 2M entries of the L1I as in Skylake",
	}, {
		.name = "broadwell",
		.title = "Intel Broadwell",
		.spec = HASWELL_L1 "l2.4k2m=1536/6,vpid,pcid",
		.certainty = NPT_TLB_DIFFER,
		.certainty_text = "sources differ",
		.note = "sources differ on the ways of the L2; 2M entries of the L1I as in Skylake",
	}, {
		.name = "skylake",
		.title = "Intel Skylake",
		.spec = SKYLAKE_L1I INTEL_L1D "l1d.1g=4/4,l2.4k2m=1536/12,vpid,pcid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "walk caches are not published",
	}, {
		.name = "zen1",
		.title = "AMD Zen",
		.spec = "l1i=64,l1d=64,l2i=512/8,l2d=1536/12,vpid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "page-directory entries share the L2 there; that is not modelled",
	}, {
		.name = "cortex-a55",
		.title = "Arm Cortex-A55 (its sizes, for x86 tables)",
		.spec = "l1i=15,l1d=16,l2=1024/4,pwc.2345=64/4,ntlb=64/4,vpid,pcid",
		.certainty = NPT_TLB_PUBLISHED,
		.certainty_text = "published",
		.note = "",
	}, {
		.name = "zen2",
		.title = "AMD Zen 2",
		.spec = "l1i=64,l1d=64,l2i=512/8,l2d=2048/16,pwc.2345=64/4,vpid",
		.certainty = NPT_TLB_DIFFER,
		.certainty_text = "sources differ",
		.note = "sources differ on the ways; walk cache taken to serve the guest dimension",
	}, {
		.name = "icelake",
		.title = "Intel Ice Lake",
		.spec = SKYLAKE_L1I INTEL_L1D "l1d.1g=8,l2=2048/16,vpid,pcid",
		.certainty = NPT_TLB_APPROXIMATE,
		.certainty_text = "approximate",
		.note = "not checked against a published description",
	}, {
		.name = "zen3",
		.title = "AMD Zen 3",
		.spec = "l1i=64,l1d=64,l2i=512/8,l2d=2048/16,vpid,pcid",
		.certainty = NPT_TLB_APPROXIMATE,
		.certainty_text = "approximate",
		.note = "not checked against a published description",
	}, {
		.name = "goldencove",
		.title = "Intel Golden Cove",
		.spec = GOLDENCOVE_L1 "l2=2048/16,vpid,pcid",
		.certainty = NPT_TLB_APPROXIMATE,
		.certainty_text = "approximate",
		.note = "not checked against a published description; one L1D for loads and stores",
	}, {
		.name = "zen4",
		.title = "AMD Zen 4",
		.spec = "l1i=64,l1d=72,l2i=512/8,l2d=3072/24,vpid,pcid",
		.certainty = NPT_TLB_APPROXIMATE,
		.certainty_text = "approximate",
		.note = "not checked against a published description",
	}, {
		.name = "zen5",
		.title = "AMD Zen 5",
		.spec = "l1i=64,l1d=96,l2i=2048/4,l2d=4096/16,vpid,pcid",
		.certainty = NPT_TLB_PARTLY,
		.certainty_text = "in part",
		.note = "as its CPUID reports; walk caches are not known",
	}, {
		.name = "champsim",
		.title = "ChampSim's default core",
		.spec = "l1i=64/4,l1d=64/4,l2=1536/12,pwc.5=2,pwc.4=4,pwc.3=8/4,pwc.2=32/8",
		.certainty = NPT_TLB_FROM_SOURCE,
		.certainty_text = "from source",
		.note = "",
	},
};

const struct npt_tlb_preset *npt_tlb_presets(size_t *n)
{
	*n = sizeof(presets) / sizeof(presets[0]);
	return presets;
}

/*
 * Cycles of lookups and references as textbooks and recent studies have them: a
 * hit 1, a second-level hit 7 more, a read of an entry what a second-level data
 * cache takes. Faults and emulated writes: instructions that KVM spent on one,
 * counted under an emulator, rounded; a guest's own fault: an exception and a
 * short handler.
 */
const struct npt_cost *npt_tlb_default_cost(void)
{
	static const struct npt_cost cost = {
		.l1_hit = 1,
		.l2_hit = 7,
		.pwc_hit = 1,
		.ntlb_hit = 1,
		.ref = 14,
		.guest_fault = 1000,
		.nested_fault = 2000,
		.shadow_fault = 3500,
		.pte_write = 2500,
		.flush = 200,
	};

	return &cost;
}
