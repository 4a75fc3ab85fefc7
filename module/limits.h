/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every limit of the module, and why it is what it is. Those that user space
 * may rely on are in the ABI header and repeated here by name only.
 */
#ifndef NPT_LIMITS_H
#define NPT_LIMITS_H

#include <linux/bits.h>
#include <linux/npt.h>

/*
 * NPT_MAX_VMS (65536): an idle VM takes some tens of KiB charged to its
 * creator; the limit only keeps ids short and a leak visible.
 *
 * NPT_MAX_VCPUS (1024): what KVM allows on x86, so that its programs fit.
 *
 * NPT_MAX_SLOTS (32764): KVM's number too; lookups are logarithmic.
 *
 * NPT_MAX_BATCH (2^20 accesses), NPT_MAX_BATCH_DATA (16 MiB): large enough
 * that the cost of a call vanishes, small enough that a batch ends in a
 * fraction of a second and its data area may be allocated whole.
 *
 * NPT_MIN_TABLE_PAGES (128): one access needs a walk's worth of tables in both
 * dimensions at the same time; below that nothing could make progress.
 */

/* Largest cap on table pages: 16 GiB of tables map 8 TiB by 4K pages. */
#define NPT_LIMIT_TABLE_PAGES BIT(22)

/* The cap where none is given: 256 MiB of tables map 128 GiB by 4K pages. */
#define NPT_DEFAULT_TABLE_PAGES BIT(16)

/* Pages of one memslot: KVM's bound, it keeps page counts within an int. */
#define NPT_MAX_SLOT_PAGES ((1ULL << 31) - 1)

/* What KVM_GET_VCPU_MMAP_SIZE tells of: struct kvm_run, and data of port I/O. */
#define NPT_RUN_PAGES 2

/* Routes of KVM_SET_GSI_ROUTING, and their numbers: KVM's bound. */
#define NPT_MAX_ROUTES 4096U

/*
 * Accesses that a batch copies in, executes and copies out at a time. The
 * records (32 KiB) and results (64 KiB) stay in the second-level cache, and
 * whoever waits for the vCPU waits no longer than this many take.
 */
#define NPT_BATCH_CHUNK 2048U

/*
 * gfns whose dirty bits are fetched under one hold of mmu->lock, so that
 * vCPUs are not kept out for the length of a large memslot.
 */
#define NPT_DIRTY_CHUNK BIT(16)

/*
 * Milliseconds that a look from outside waits for a vCPU: many slices, but no
 * hindrance to the machine, whose other netlink users wait as long.
 */
#define NPT_LOOK_MS 200U

/* Own structs may grow in future headers, but no struct is larger than this. */
#define NPT_MAX_USER_STRUCT 4096U

#endif /* NPT_LIMITS_H */
