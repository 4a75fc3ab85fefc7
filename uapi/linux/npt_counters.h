/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * npt: the counter catalogue.
 *
 * This list is the only one. The numbers of the ABI, the netlink catalogue,
 * the tool's tables and the documentation all follow from it.
 *
 * X(name, scope, type, unit, text)
 *   scope  vcpu: kept by each vCPU and summed over the VM
 *          vm:   kept by the VM alone
 *   type   counter: only ever grows
 *          gauge:   follows a present state
 *   unit   what one count is
 *
 * New counters go to the end: the position is the number in the ABI.
 */
#ifndef _UAPI_LINUX_NPT_COUNTERS_H
#define _UAPI_LINUX_NPT_COUNTERS_H

#define NPT_COUNTERS(X)							\
/* what the guest did */						\
X(accesses, vcpu, counter, accesses,					\
  "memory accesses executed: one per record, however many pages it touches") \
X(access_read, vcpu, counter, accesses, "of these, data reads")	\
X(access_write, vcpu, counter, accesses, "of these, data writes")	\
X(access_fetch, vcpu, counter, accesses, "of these, instruction fetches") \
X(access_physical, vcpu, counter, accesses,				\
  "accesses made by guest-physical address, past TLB and guest tables") \
/* the TLB model */							\
X(lookups, vcpu, counter, lookups,					\
  "translations asked of the TLBs: one per page that an access touches") \
X(l1i_hit, vcpu, counter, lookups, "found in a first-level instruction TLB") \
X(l1i_miss, vcpu, counter, lookups, "not found in a first-level instruction TLB") \
X(l1d_hit, vcpu, counter, lookups, "found in a first-level data TLB")	\
X(l1d_miss, vcpu, counter, lookups, "not found in a first-level data TLB") \
X(l2_hit, vcpu, counter, lookups, "first-level misses found in a second-level TLB") \
X(l2_miss, vcpu, counter, lookups, "first-level misses not found in a second-level TLB") \
X(l1i_evict, vcpu, counter, entries, "valid entries pushed out of a first-level instruction TLB") \
X(l1d_evict, vcpu, counter, entries, "valid entries pushed out of a first-level data TLB") \
X(l2_evict, vcpu, counter, entries, "valid entries pushed out of a second-level TLB") \
X(ntlb_hit, vcpu, counter, lookups, "nested walks answered by the nested TLB") \
X(ntlb_miss, vcpu, counter, lookups, "nested walks the nested TLB could not answer") \
X(pwc_guest_hit, vcpu, counter, lookups, "guest walks shortened by a paging-structure cache") \
X(pwc_guest_miss, vcpu, counter, lookups, "guest walks that no paging-structure cache shortened") \
X(pwc_nested_hit, vcpu, counter, lookups, "nested walks shortened by a paging-structure cache") \
X(pwc_nested_miss, vcpu, counter, lookups, "nested walks that no paging-structure cache shortened") \
/* walks */								\
X(walks, vcpu, counter, walks,						\
  "translations by walking tables: each TLB miss, and each hit whose rights did not suffice") \
X(walk_miss, vcpu, counter, walks, "walks because no TLB held the page")	\
X(walk_upgrade, vcpu, counter, walks,					\
  "walks because the TLB's entry lacked a right or the dirty bit")	\
X(walk_done, vcpu, counter, walks, "walks that ended in a translation")	\
X(walk_guest_fault, vcpu, counter, walks, "walks that ended in a guest page fault") \
X(walk_exit, vcpu, counter, walks,					\
  "walks that ended in work for the module or user space (MMIO, read-only slot, emulated write, error)") \
X(walk_restart, vcpu, counter, walks,					\
  "extra passes over the tables after the module mended a fault")	\
X(refs_guest, vcpu, counter, references,				\
  "table entries read in the guest dimension (or in the one walked table) by passes that ended in a translation") \
X(refs_nested, vcpu, counter, references,				\
  "table entries read in the nested dimension by passes that ended in a translation") \
X(refs_guest_l1, vcpu, counter, references, "of refs_guest, at level 1 (page table)") \
X(refs_guest_l2, vcpu, counter, references, "of refs_guest, at level 2 (page directory)") \
X(refs_guest_l3, vcpu, counter, references, "of refs_guest, at level 3 (PDPT)") \
X(refs_guest_l4, vcpu, counter, references, "of refs_guest, at level 4 (PML4)") \
X(refs_guest_l5, vcpu, counter, references, "of refs_guest, at level 5 (PML5)") \
X(refs_nested_l1, vcpu, counter, references, "of refs_nested, at level 1") \
X(refs_nested_l2, vcpu, counter, references, "of refs_nested, at level 2") \
X(refs_nested_l3, vcpu, counter, references, "of refs_nested, at level 3") \
X(refs_nested_l4, vcpu, counter, references, "of refs_nested, at level 4") \
X(refs_nested_l5, vcpu, counter, references, "of refs_nested, at level 5") \
X(refs_faulted, vcpu, counter, references,				\
  "table entries read by passes that ended in a fault, both dimensions")	\
X(refs_saved_pwc_guest, vcpu, counter, references,			\
  "reads that guest paging-structure caches made needless, both dimensions") \
X(refs_saved_pwc_nested, vcpu, counter, references,			\
  "reads that nested paging-structure caches made needless")		\
X(refs_saved_ntlb, vcpu, counter, references, "reads that the nested TLB made needless") \
X(refs_uncached, vcpu, counter, references,				\
  "reads that the same translations would have taken without any cache")	\
X(ad_updates, vcpu, counter, writes, "accessed and dirty bits set in guest tables") \
/* guest page faults: each has one reason */				\
X(guest_pf, vcpu, counter, faults, "page faults given to the guest")	\
X(guest_pf_not_present, vcpu, counter, faults, "guest page faults: entry not present") \
X(guest_pf_write, vcpu, counter, faults, "guest page faults: write to a read-only page") \
X(guest_pf_user, vcpu, counter, faults, "guest page faults: user access to a supervisor page") \
X(guest_pf_nx, vcpu, counter, faults, "guest page faults: fetch from a no-execute page") \
X(guest_pf_smep, vcpu, counter, faults, "guest page faults: supervisor fetch from a user page") \
X(guest_pf_smap, vcpu, counter, faults, "guest page faults: supervisor data access to a user page") \
X(guest_pf_pkey, vcpu, counter, faults, "guest page faults: denied by a protection key") \
X(guest_pf_reserved, vcpu, counter, faults, "guest page faults: reserved bit set in an entry") \
X(guest_gp, vcpu, counter, faults, "accesses to a non-canonical address")	\
/* faults that the module handles: each has one outcome */		\
X(pf_taken, vcpu, counter, faults, "nested and shadow page faults taken")	\
X(pf_nested, vcpu, counter, faults, "of these, nested page faults (EPT violations)") \
X(pf_shadow, vcpu, counter, faults, "of these, faults on shadow tables")	\
X(pf_fixed, vcpu, counter, faults, "outcome: an entry was filled or upgraded") \
X(pf_guest, vcpu, counter, faults, "outcome: the fault was the guest's own (shadow)") \
X(pf_emulate, vcpu, counter, faults,					\
  "outcome: the module carries the write out (shadowed guest table, or CR0.WP clear with SMAP or keys)") \
X(pf_unsync, vcpu, counter, faults,					\
  "outcome: a shadowed guest table was made writable and out of sync")	\
X(pf_spurious, vcpu, counter, faults, "outcome: nothing was missing any more") \
X(pf_mmio, vcpu, counter, faults, "outcome: no memslot at that address")	\
X(pf_readonly, vcpu, counter, faults, "outcome: a write to a read-only memslot") \
X(pf_error, vcpu, counter, faults, "outcome: the host could not give the page") \
X(host_map, vcpu, counter, pages, "guest pages asked of the host's memory management") \
X(host_map_retry, vcpu, counter, pages,					\
  "of these, thrown away because the host changed its mapping meanwhile") \
/* shadow paging */							\
X(mmu_pte_write, vcpu, counter, writes, "guest writes to shadowed tables, caught") \
X(mmu_unsync_sync, vm, counter, tables, "out-of-sync shadow tables brought back in step") \
X(mmu_root_reuse, vcpu, counter, switches, "changes of the shadow root served by a table that was there") \
X(mmu_root_new, vcpu, counter, switches, "changes of the shadow root that built a new one") \
/* flushes: each has one reason */					\
X(tlb_flush, vcpu, counter, flushes, "flushes carried out on this vCPU's TLBs") \
X(flush_cr3, vcpu, counter, flushes, "reason: the guest loaded CR3")	\
X(flush_invlpg, vcpu, counter, flushes, "reason: the guest's INVLPG, one address") \
X(flush_guest, vcpu, counter, flushes,					\
  "reason: the guest changed CR0, CR4 or EFER or flushed everything")	\
X(flush_switch, vcpu, counter, flushes, "reason: another VM ran on the CPU and entries carry no VPID") \
X(flush_user, vcpu, counter, flushes, "reason: asked for through the ABI")	\
X(flush_notifier, vcpu, counter, flushes, "reason: the host changed a mapping under the guest") \
X(flush_slot, vcpu, counter, flushes, "reason: a memslot changed")	\
X(flush_shadow, vcpu, counter, flushes, "reason: shadow entries were zapped or write-protected") \
X(flush_recycle, vcpu, counter, flushes, "reason: tables were recycled at the cap") \
X(flush_dirty_log, vcpu, counter, flushes, "reason: pages were write-protected for dirty logging") \
X(flush_model, vcpu, counter, flushes, "reason: the TLB model was set anew") \
X(tlb_entries_flushed, vcpu, counter, entries, "valid TLB entries dropped by flushes") \
X(tlb_stale_hits, vcpu, counter, hits, "translations in use after a flush that they were due for") \
/* cost */								\
X(cycles, vcpu, counter, cycles, "cost of all the above by the VM's cost model") \
X(batches, vcpu, counter, batches, "batches of accesses executed")	\
/* the VM's tables */							\
X(fills_4k, vm, counter, entries, "leaf entries of 4 KiB filled in nested tables") \
X(fills_2m, vm, counter, entries, "leaf entries of 2 MiB filled in nested tables") \
X(fills_1g, vm, counter, entries, "leaf entries of 1 GiB filled in nested tables") \
X(shadow_fills, vm, counter, entries, "leaf entries filled in shadow tables") \
X(zaps, vm, counter, entries, "leaf entries zapped: each has one reason")	\
X(zap_notifier, vm, counter, entries, "leaf entries zapped: the host changed a mapping") \
X(zap_slot, vm, counter, entries, "leaf entries zapped: a memslot went or changed") \
X(zap_guest, vm, counter, entries, "leaf entries zapped: the guest changed its table") \
X(zap_split, vm, counter, entries, "leaf entries zapped: replaced by smaller or larger pages") \
X(zap_recycle, vm, counter, entries, "leaf entries zapped: recycled at the cap") \
X(zap_exit, vm, counter, entries, "leaf entries zapped: the VM or its memory went") \
X(mmu_shadow_zapped, vm, counter, tables, "shadow tables zapped")	\
X(mmu_recycled, vm, counter, tables, "tables recycled to stay under the cap") \
X(mmu_flooded, vm, counter, tables, "shadow tables zapped because the guest kept writing to them") \
X(mmu_unsync, vm, gauge, tables, "shadow tables out of sync now")	\
X(pages_4k, vm, gauge, entries, "4 KiB leaf entries now in nested tables")	\
X(pages_2m, vm, gauge, entries, "2 MiB leaf entries now in nested tables")	\
X(pages_1g, vm, gauge, entries, "1 GiB leaf entries now in nested tables")	\
X(mapped_bytes, vm, gauge, bytes, "guest memory that nested tables map now") \
X(shadow_leaves, vm, gauge, entries, "leaf entries now in shadow tables")	\
X(nested_tables, vm, gauge, tables,					\
  "pages of nested tables (in native and shadow mode: of the map of guest memory)") \
X(shadow_tables, vm, gauge, tables, "pages of shadow tables")		\
X(rmap_pages, vm, gauge, pages, "pages of reverse maps kept beside tables (shadow)") \
X(table_pages, vm, gauge, pages, "pages that count against the VM's cap")	\
X(table_bytes, vm, gauge, bytes,					\
  "bytes beside those pages that count too: who maps what, and what a table is (shadow)") \
X(notifier_calls, vm, counter, calls, "invalidations by the host's memory management") \
X(notifier_young, vm, counter, calls, "questions for the age of a page by the host") \
X(slots, vm, gauge, memslots, "memslots now")				\
X(slot_changes, vm, counter, changes, "memslots added, deleted or changed")	\
X(vcpus, vm, gauge, vcpus, "vCPUs now")					\
/* a processor that runs the guest */					\
X(exits, vcpu, counter, exits, "times that a processor left the guest")	\
X(exit_npf, vcpu, counter, exits, "of these, for a fault of nested tables") \
X(exit_pf, vcpu, counter, exits, "for a page fault (shadow)")		\
X(exit_invlpg, vcpu, counter, exits, "for INVLPG (shadow)")		\
X(exit_cr, vcpu, counter, exits, "for an access to a control register")	\
X(exit_dr, vcpu, counter, exits, "for an access to a debug register")	\
X(exit_exception, vcpu, counter, exits, "for another exception that is intercepted") \
X(exit_io, vcpu, counter, exits, "for port I/O")			\
X(exit_msr, vcpu, counter, exits, "for a model-specific register")	\
X(exit_cpuid, vcpu, counter, exits, "for CPUID")			\
X(exit_hlt, vcpu, counter, exits, "for HLT")				\
X(exit_insn, vcpu, counter, exits, "for another instruction")		\
X(exit_window, vcpu, counter, exits, "because the guest can take an interrupt or NMI now") \
X(exit_host, vcpu, counter, exits, "for the host's own interrupts, NMIs and machine checks") \
X(exit_shutdown, vcpu, counter, exits, "for a triple fault")		\
X(exit_unknown, vcpu, counter, exits, "for a reason that nobody knows")	\
X(exits_user, vcpu, counter, exits, "times that KVM_RUN returned with an exit for user space") \
X(emulated, vcpu, counter, instructions,				\
  "instructions carried out in software: MMIO, writes to shadowed tables") \
X(inj_exception, vcpu, counter, events, "exceptions injected, repeated injections too") \
X(inj_interrupt, vcpu, counter, events, "interrupts injected")		\
X(inj_nmi, vcpu, counter, events, "NMIs injected")			\
X(kicks, vcpu, counter, interrupts, "times that a flush interrupted the vCPU in the guest") \
X(asid_new, vcpu, counter, asids, "ASIDs given to the vCPU")		\
X(asid_rollover, vcpu, counter, flushes, "of these, those that flushed the processor's TLB because ASIDs had run out") \
/* the fills again, by why */						\
X(fills_demand, vm, counter, entries, "leaf entries filled because something needed them") \
X(fills_prefetch, vm, counter, entries,					\
  "leaf entries filled beside one that was needed, because they were at hand")

enum npt_counter {
#define NPT_COUNTER_ENUM(name, scope, type, unit, text) NPT_CTR_##name,
	NPT_COUNTERS(NPT_COUNTER_ENUM)
#undef NPT_COUNTER_ENUM
	NPT_CTR_NR
};

/*
 * Laws: what holds exactly while no access is under way. Both sides are sums
 * of counters, each with an optional factor ("2097152*pages_2m").
 *
 * L(name, left, right)
 */
#define NPT_LAWS(L)							\
L(accesses_by_kind, "accesses",						\
  "access_read + access_write + access_fetch")				\
L(lookups_answered, "lookups",						\
  "l1i_hit + l1d_hit + l2_hit + walk_miss")				\
L(walks_by_cause, "walks", "walk_miss + walk_upgrade")			\
L(walks_by_end, "walks", "walk_done + walk_guest_fault + walk_exit")	\
L(refs_guest_by_level, "refs_guest",					\
  "refs_guest_l1 + refs_guest_l2 + refs_guest_l3 + refs_guest_l4 + refs_guest_l5") \
L(refs_nested_by_level, "refs_nested",					\
  "refs_nested_l1 + refs_nested_l2 + refs_nested_l3 + refs_nested_l4 + refs_nested_l5") \
L(refs_conserved, "refs_uncached",					\
  "refs_guest + refs_nested + refs_saved_pwc_guest + refs_saved_pwc_nested + refs_saved_ntlb") \
L(guest_pf_by_reason, "guest_pf",					\
  "guest_pf_not_present + guest_pf_write + guest_pf_user + guest_pf_nx + guest_pf_smep + guest_pf_smap + guest_pf_pkey + guest_pf_reserved") \
L(pf_by_kind, "pf_taken", "pf_nested + pf_shadow")			\
L(pf_by_outcome, "pf_taken",						\
  "pf_fixed + pf_guest + pf_emulate + pf_unsync + pf_spurious + pf_mmio + pf_readonly + pf_error") \
L(flushes_by_reason, "tlb_flush",					\
  "flush_cr3 + flush_invlpg + flush_guest + flush_switch + flush_user + flush_notifier + flush_slot + flush_shadow + flush_recycle + flush_dirty_log + flush_model") \
L(zaps_by_reason, "zaps",						\
  "zap_notifier + zap_slot + zap_guest + zap_split + zap_recycle + zap_exit") \
L(leaves_conserved, "fills_4k + fills_2m + fills_1g + shadow_fills",	\
  "pages_4k + pages_2m + pages_1g + shadow_leaves + zaps")		\
L(fills_by_cause, "fills_4k + fills_2m + fills_1g + shadow_fills",	\
  "fills_demand + fills_prefetch")					\
L(mapped_by_size, "mapped_bytes",					\
  "4096*pages_4k + 2097152*pages_2m + 1073741824*pages_1g")		\
L(tables_by_kind, "table_pages", "nested_tables + shadow_tables + rmap_pages") \
L(exits_by_reason, "exits",						\
  "exit_npf + exit_pf + exit_invlpg + exit_cr + exit_dr + exit_exception + exit_io + exit_msr + exit_cpuid + exit_hlt + exit_insn + exit_window + exit_host + exit_shutdown + exit_unknown")

#endif /* _UAPI_LINUX_NPT_COUNTERS_H */
