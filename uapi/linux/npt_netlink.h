/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Made from Documentation/netlink/specs/npt.yaml by Documentation/netlink/generate:
 * change the spec and run that again.
 */
#ifndef _UAPI_LINUX_NPT_NETLINK_H
#define _UAPI_LINUX_NPT_NETLINK_H

#define NPT_FAMILY_NAME "npt"
#define NPT_FAMILY_VERSION 1

/* Shortest interval of the group stats, in milliseconds. */
#define NPT_INTERVAL_MIN 10
/* Longest interval of the group stats, in milliseconds. */
#define NPT_INTERVAL_MAX 3600000
/* Interval of the group stats until somebody sets another, in milliseconds. */
#define NPT_INTERVAL_DEFAULT 1000

/**
 * enum npt_scope - Who keeps a counter.
 * @NPT_SCOPE_VCPU: Each vCPU; the VM's value is the sum over all it ever had.
 * @NPT_SCOPE_VM: The VM alone; a vCPU's value reads 0.
 */
enum npt_scope {
	NPT_SCOPE_VCPU,
	NPT_SCOPE_VM,
};

/**
 * enum npt_behaviour - How a counter moves.
 * @NPT_BEHAVIOUR_COUNTER: It only ever grows.
 * @NPT_BEHAVIOUR_GAUGE: It follows a present state.
 */
enum npt_behaviour {
	NPT_BEHAVIOUR_COUNTER,
	NPT_BEHAVIOUR_GAUGE,
};

/**
 * enum npt_right - What the leaves of a range of a table allow, and what they remember.
 * @NPT_RIGHT_WRITE: Writes.
 * @NPT_RIGHT_USER: Accesses at CPL 3.
 * @NPT_RIGHT_EXECUTE: Instruction fetches.
 * @NPT_RIGHT_DIRTY: The dirty bit is set.
 * @NPT_RIGHT_GLOBAL: The global bit is set.
 * @NPT_RIGHT_ACCESSED: The accessed bit is set.
 */
enum npt_right {
	NPT_RIGHT_WRITE = 1,
	NPT_RIGHT_USER = 2,
	NPT_RIGHT_EXECUTE = 4,
	NPT_RIGHT_DIRTY = 8,
	NPT_RIGHT_GLOBAL = 16,
	NPT_RIGHT_ACCESSED = 32,
};

/**
 * enum npt_a_vm - One VM.
 * @NPT_A_VM_ID: u32 from 1: Id of the VM, never used twice at the same time.
 * @NPT_A_VM_NAME: string of at most 31 characters: Name chosen when the VM was made.
 * @NPT_A_VM_UID: u32: User who made it, as the receiver's user namespace knows him.
 * @NPT_A_VM_ENGINE: u32: What executes its guest.
 * @NPT_A_VM_MMU: u32: How its memory is virtualised.
 * @NPT_A_VM_NESTED_FORMAT: u32: Format of its nested tables.
 * @NPT_A_VM_NESTED_LEVELS: u32: Levels of its nested tables, 4 or 5.
 * @NPT_A_VM_LEAF_PAGES: u32: Page sizes that its leaves may have.
 * @NPT_A_VM_FLAGS: u32: Flags chosen when the VM was made.
 * @NPT_A_VM_MAX_VCPUS: u32: Largest number of vCPUs it may have.
 * @NPT_A_VM_MAX_TABLE_PAGES: u32: Cap on pages of tables.
 * @NPT_A_VM_VCPUS: u32: Number of vCPUs now.
 * @NPT_A_VM_SLOTS: u32: Number of memslots now.
 * @NPT_A_VM_DEAD: flag: An inconsistency was found; every ioctl on the VM gives EIO.
 * @__NPT_A_VM_MAX: one more than the last
 * @NPT_A_VM_MAX: the last
 */
enum npt_a_vm {
	NPT_A_VM_ID = 1,
	NPT_A_VM_NAME,
	NPT_A_VM_UID,
	NPT_A_VM_ENGINE,
	NPT_A_VM_MMU,
	NPT_A_VM_NESTED_FORMAT,
	NPT_A_VM_NESTED_LEVELS,
	NPT_A_VM_LEAF_PAGES,
	NPT_A_VM_FLAGS,
	NPT_A_VM_MAX_VCPUS,
	NPT_A_VM_MAX_TABLE_PAGES,
	NPT_A_VM_VCPUS,
	NPT_A_VM_SLOTS,
	NPT_A_VM_DEAD,

	__NPT_A_VM_MAX,
	NPT_A_VM_MAX = (__NPT_A_VM_MAX - 1)
};

/**
 * enum npt_a_vcpu - One vCPU.
 * @NPT_A_VCPU_VM: u32 from 1: Id of its VM.
 * @NPT_A_VCPU_ID: u32 up to 1023: Number of the vCPU within its VM.
 * @NPT_A_VCPU_PAD: pad: aligns the u64 after it
 * @NPT_A_VCPU_CR0: u64: CR0. Registers are read without stopping the vCPU: those of a
 *  vCPU that executes may come from different moments.
 * @NPT_A_VCPU_CR3: u64: CR3.
 * @NPT_A_VCPU_CR4: u64: CR4.
 * @NPT_A_VCPU_EFER: u64: EFER.
 * @__NPT_A_VCPU_MAX: one more than the last
 * @NPT_A_VCPU_MAX: the last
 */
enum npt_a_vcpu {
	NPT_A_VCPU_VM = 1,
	NPT_A_VCPU_ID,
	NPT_A_VCPU_PAD,
	NPT_A_VCPU_CR0,
	NPT_A_VCPU_CR3,
	NPT_A_VCPU_CR4,
	NPT_A_VCPU_EFER,

	__NPT_A_VCPU_MAX,
	NPT_A_VCPU_MAX = (__NPT_A_VCPU_MAX - 1)
};

/**
 * enum npt_a_counter - The value of one counter.
 * @NPT_A_COUNTER_ID: u32: Number of the counter in the catalogue.
 * @NPT_A_COUNTER_PAD: pad: aligns the u64 after it
 * @NPT_A_COUNTER_VALUE: u64: Its value.
 * @__NPT_A_COUNTER_MAX: one more than the last
 * @NPT_A_COUNTER_MAX: the last
 */
enum npt_a_counter {
	NPT_A_COUNTER_ID = 1,
	NPT_A_COUNTER_PAD,
	NPT_A_COUNTER_VALUE,

	__NPT_A_COUNTER_MAX,
	NPT_A_COUNTER_MAX = (__NPT_A_COUNTER_MAX - 1)
};

/**
 * enum npt_a_stat - Counters of one VM or of one vCPU.
 * @NPT_A_STAT_VM: u32 from 1: Id of the VM.
 * @NPT_A_STAT_VCPU: u32 up to 1023: Number of the vCPU; absent in a VM's sum.
 * @NPT_A_STAT_COUNTER: nest of npt_a_counter, repeated: One for each counter of the
 *  catalogue, in its order.
 * @__NPT_A_STAT_MAX: one more than the last
 * @NPT_A_STAT_MAX: the last
 */
enum npt_a_stat {
	NPT_A_STAT_VM = 1,
	NPT_A_STAT_VCPU,
	NPT_A_STAT_COUNTER,

	__NPT_A_STAT_MAX,
	NPT_A_STAT_MAX = (__NPT_A_STAT_MAX - 1)
};

/**
 * enum npt_a_definition - What one counter is.
 * @NPT_A_DEFINITION_ID: u32: Its number.
 * @NPT_A_DEFINITION_NAME: string: Its name.
 * @NPT_A_DEFINITION_SCOPE: u32: Who keeps it.
 * @NPT_A_DEFINITION_TYPE: u32: How it moves.
 * @NPT_A_DEFINITION_UNIT: string: What one count is.
 * @NPT_A_DEFINITION_TEXT: string: What it counts.
 * @__NPT_A_DEFINITION_MAX: one more than the last
 * @NPT_A_DEFINITION_MAX: the last
 */
enum npt_a_definition {
	NPT_A_DEFINITION_ID = 1,
	NPT_A_DEFINITION_NAME,
	NPT_A_DEFINITION_SCOPE,
	NPT_A_DEFINITION_TYPE,
	NPT_A_DEFINITION_UNIT,
	NPT_A_DEFINITION_TEXT,

	__NPT_A_DEFINITION_MAX,
	NPT_A_DEFINITION_MAX = (__NPT_A_DEFINITION_MAX - 1)
};

/**
 * enum npt_a_law - Two sums of counters that are equal whenever a VM is at rest.
 * @NPT_A_LAW_NAME: string: Name of the law.
 * @NPT_A_LAW_LEFT: string: The left side, names of counters and factors.
 * @NPT_A_LAW_RIGHT: string: The right side.
 * @__NPT_A_LAW_MAX: one more than the last
 * @NPT_A_LAW_MAX: the last
 */
enum npt_a_law {
	NPT_A_LAW_NAME = 1,
	NPT_A_LAW_LEFT,
	NPT_A_LAW_RIGHT,

	__NPT_A_LAW_MAX,
	NPT_A_LAW_MAX = (__NPT_A_LAW_MAX - 1)
};

/**
 * enum npt_a_catalogue - One line of the catalogue, with one of its two attributes.
 * @NPT_A_CATALOGUE_DEFINITION: nest of npt_a_definition: A counter.
 * @NPT_A_CATALOGUE_LAW: nest of npt_a_law: A law.
 * @__NPT_A_CATALOGUE_MAX: one more than the last
 * @NPT_A_CATALOGUE_MAX: the last
 */
enum npt_a_catalogue {
	NPT_A_CATALOGUE_DEFINITION = 1,
	NPT_A_CATALOGUE_LAW,

	__NPT_A_CATALOGUE_MAX,
	NPT_A_CATALOGUE_MAX = (__NPT_A_CATALOGUE_MAX - 1)
};

/**
 * enum npt_a_walk - One table entry that a walk read.
 * @NPT_A_WALK_PAD: pad: aligns the u64 after it
 * @NPT_A_WALK_ADDRESS: u64: Where the entry lies: guest-physical in the dimension guest,
 *  else host-physical and absent without CAP_SYS_ADMIN.
 * @NPT_A_WALK_VALUE: u64: The entry as read; host frame numbers are 0 without
 *  CAP_SYS_ADMIN.
 * @NPT_A_WALK_INPUT: u64: The address that this dimension translates.
 * @NPT_A_WALK_DIM: u32: Which table the entry belongs to.
 * @NPT_A_WALK_LEVEL: u32: Level of the entry, 5 to 1.
 * @NPT_A_WALK_INDEX: u32: Index into the table.
 * @NPT_A_WALK_VERDICT: u32: What decided here.
 * @NPT_A_WALK_BIT: u32: Number of the bit that decided; absent if none did.
 * @NPT_A_WALK_GUEST_LEVEL: u32: In the dimension nested: the guest level that this walk
 *  serves, 0 for the data page.
 * @__NPT_A_WALK_MAX: one more than the last
 * @NPT_A_WALK_MAX: the last
 */
enum npt_a_walk {
	NPT_A_WALK_PAD = 1,
	NPT_A_WALK_ADDRESS,
	NPT_A_WALK_VALUE,
	NPT_A_WALK_INPUT,
	NPT_A_WALK_DIM,
	NPT_A_WALK_LEVEL,
	NPT_A_WALK_INDEX,
	NPT_A_WALK_VERDICT,
	NPT_A_WALK_BIT,
	NPT_A_WALK_GUEST_LEVEL,

	__NPT_A_WALK_MAX,
	NPT_A_WALK_MAX = (__NPT_A_WALK_MAX - 1)
};

/**
 * enum npt_a_explain - One translation, as the tables would give it now.
 * @NPT_A_EXPLAIN_VM: u32 from 1: Id of the VM.
 * @NPT_A_EXPLAIN_VCPU: u32 up to 1023: Number of the vCPU.
 * @NPT_A_EXPLAIN_PAD: pad: aligns the u64 after it
 * @NPT_A_EXPLAIN_GVA: u64: Guest-virtual address to translate.
 * @NPT_A_EXPLAIN_OP: u32 up to 2: Kind of access; read if absent.
 * @NPT_A_EXPLAIN_USER: flag: The access is made at CPL 3.
 * @NPT_A_EXPLAIN_PKRU: u32: The PKRU register of the access; 0 if absent.
 * @NPT_A_EXPLAIN_STATUS: u32: How the translation ends.
 * @NPT_A_EXPLAIN_ERROR_CODE: u32: Error code of the guest's page fault, if status is
 *  guest-pf.
 * @NPT_A_EXPLAIN_GPA: u64: Where it leads, guest-physical, if status is ok, mmio or
 *  readonly.
 * @NPT_A_EXPLAIN_HPA: u64: Where it leads, host-physical; absent without CAP_SYS_ADMIN.
 * @NPT_A_EXPLAIN_PAGE_SHIFT: u32: Size of the translation, the smaller of both
 *  dimensions; 0 if there is none.
 * @NPT_A_EXPLAIN_REFS_GUEST: u32: Entries read in the guest dimension (or of shadow
 *  tables).
 * @NPT_A_EXPLAIN_REFS_NESTED: u32: Entries read in the nested dimension.
 * @NPT_A_EXPLAIN_WALK: nest of npt_a_walk, repeated: The entries read, in order.
 * @__NPT_A_EXPLAIN_MAX: one more than the last
 * @NPT_A_EXPLAIN_MAX: the last
 */
enum npt_a_explain {
	NPT_A_EXPLAIN_VM = 1,
	NPT_A_EXPLAIN_VCPU,
	NPT_A_EXPLAIN_PAD,
	NPT_A_EXPLAIN_GVA,
	NPT_A_EXPLAIN_OP,
	NPT_A_EXPLAIN_USER,
	NPT_A_EXPLAIN_PKRU,
	NPT_A_EXPLAIN_STATUS,
	NPT_A_EXPLAIN_ERROR_CODE,
	NPT_A_EXPLAIN_GPA,
	NPT_A_EXPLAIN_HPA,
	NPT_A_EXPLAIN_PAGE_SHIFT,
	NPT_A_EXPLAIN_REFS_GUEST,
	NPT_A_EXPLAIN_REFS_NESTED,
	NPT_A_EXPLAIN_WALK,

	__NPT_A_EXPLAIN_MAX,
	NPT_A_EXPLAIN_MAX = (__NPT_A_EXPLAIN_MAX - 1)
};

/**
 * enum npt_a_table - A range of a table, contiguous leaves of one size and equal rights.
 * @NPT_A_TABLE_VM: u32 from 1: Id of the VM.
 * @NPT_A_TABLE_VCPU: u32 up to 1023: Number of the vCPU whose root is followed; needless
 *  in the dimension nested.
 * @NPT_A_TABLE_PAD: pad: aligns the u64 after it
 * @NPT_A_TABLE_DIM: u32 up to 2: Which table.
 * @NPT_A_TABLE_START: u64: In a request, where to begin; in an answer, the first address.
 *  An answer without end only says that nothing was found up to here.
 * @NPT_A_TABLE_END: u64: First address after the range; 0 if it ends with the address
 *  space.
 * @NPT_A_TABLE_TARGET: u64: What start maps to: guest-physical in the dimension guest,
 *  else host-physical and absent without CAP_SYS_ADMIN.
 * @NPT_A_TABLE_PAGE_SHIFT: u32: Size of the leaves.
 * @NPT_A_TABLE_RIGHTS: u32: What the leaves allow.
 * @__NPT_A_TABLE_MAX: one more than the last
 * @NPT_A_TABLE_MAX: the last
 */
enum npt_a_table {
	NPT_A_TABLE_VM = 1,
	NPT_A_TABLE_VCPU,
	NPT_A_TABLE_PAD,
	NPT_A_TABLE_DIM,
	NPT_A_TABLE_START,
	NPT_A_TABLE_END,
	NPT_A_TABLE_TARGET,
	NPT_A_TABLE_PAGE_SHIFT,
	NPT_A_TABLE_RIGHTS,

	__NPT_A_TABLE_MAX,
	NPT_A_TABLE_MAX = (__NPT_A_TABLE_MAX - 1)
};

/**
 * enum npt_a_monitor - State of the two multicast groups.
 * @NPT_A_MONITOR_INTERVAL: u32 from 10 to 3600000: Time between two reports of the group
 *  stats, in milliseconds, for all listeners.
 * @NPT_A_MONITOR_RUNNING: flag: The timer of the group stats is armed.
 * @NPT_A_MONITOR_PAD: pad: aligns the u64 after it
 * @NPT_A_MONITOR_EVENTS_SEQ: u64: Sequence number of the last event.
 * @NPT_A_MONITOR_EVENTS_LOST: u64: Events lost so far, as the sender knows.
 * @NPT_A_MONITOR_STATS_SEQ: u64: Sequence number of the last message to the group stats.
 * @NPT_A_MONITOR_STATS_LOST: u64: Messages to the group stats lost so far, as the sender
 *  knows.
 * @__NPT_A_MONITOR_MAX: one more than the last
 * @NPT_A_MONITOR_MAX: the last
 */
enum npt_a_monitor {
	NPT_A_MONITOR_INTERVAL = 1,
	NPT_A_MONITOR_RUNNING,
	NPT_A_MONITOR_PAD,
	NPT_A_MONITOR_EVENTS_SEQ,
	NPT_A_MONITOR_EVENTS_LOST,
	NPT_A_MONITOR_STATS_SEQ,
	NPT_A_MONITOR_STATS_LOST,

	__NPT_A_MONITOR_MAX,
	NPT_A_MONITOR_MAX = (__NPT_A_MONITOR_MAX - 1)
};

/**
 * enum npt_a_event - What a message to a multicast group says.
 * @NPT_A_EVENT_PAD: pad: aligns the u64 after it
 * @NPT_A_EVENT_SEQ: u64: Grows by one from message to message within a group while
 *  somebody listens; a gap is a loss on the way to this listener.
 * @NPT_A_EVENT_LOST: u64: Messages of the group that the sender failed to send, since the
 *  module was loaded.
 * @NPT_A_EVENT_TIME: u64: CLOCK_MONOTONIC in nanoseconds when it happened.
 * @NPT_A_EVENT_VM: u32: Id of the VM.
 * @NPT_A_EVENT_NAME: string: Name of the VM.
 * @NPT_A_EVENT_UID: u32: User who made the VM, as the initial user namespace knows him.
 * @NPT_A_EVENT_ENGINE: u32: What executes the VM's guest.
 * @NPT_A_EVENT_MMU: u32: How the VM's memory is virtualised.
 * @NPT_A_EVENT_VCPU: u32: Number of the vCPU.
 * @NPT_A_EVENT_REASON: string: What was found to be inconsistent.
 * @NPT_A_EVENT_COUNTER: nest of npt_a_counter, repeated: The VM's sums, of counters that
 *  are not 0.
 * @__NPT_A_EVENT_MAX: one more than the last
 * @NPT_A_EVENT_MAX: the last
 */
enum npt_a_event {
	NPT_A_EVENT_PAD = 1,
	NPT_A_EVENT_SEQ,
	NPT_A_EVENT_LOST,
	NPT_A_EVENT_TIME,
	NPT_A_EVENT_VM,
	NPT_A_EVENT_NAME,
	NPT_A_EVENT_UID,
	NPT_A_EVENT_ENGINE,
	NPT_A_EVENT_MMU,
	NPT_A_EVENT_VCPU,
	NPT_A_EVENT_REASON,
	NPT_A_EVENT_COUNTER,

	__NPT_A_EVENT_MAX,
	NPT_A_EVENT_MAX = (__NPT_A_EVENT_MAX - 1)
};

/**
 * enum npt_cmd - The commands, and the messages to groups.
 * @NPT_CMD_VM_GET: One VM, or a dump of all that the caller may see: those of the same
 *  user, and with CAP_SYS_ADMIN everybody's.
 * @NPT_CMD_VCPU_GET: One vCPU, or a dump of those of one VM or of all.
 * @NPT_CMD_STAT_GET: Counters of a VM (without vcpu, the sum) or of one vCPU; a dump
 *  gives each VM's sum, followed by those of its vCPUs.
 * @NPT_CMD_CATALOGUE_GET: All counters and laws, for anybody.
 * @NPT_CMD_EXPLAIN: Every entry that a translation would read now. Nothing is counted,
 *  cached, filled or set. A vCPU that executes is asked to pause; EBUSY if it does not.
 * @NPT_CMD_TABLE_GET: Dump a table, ranges merged.
 * @NPT_CMD_MONITOR_GET: State of the multicast groups. Needs CAP_SYS_ADMIN.
 * @NPT_CMD_MONITOR_SET: Set the interval of the group stats, if given, and start its
 *  timer. The timer stops by itself when nobody listens any more: a listener sends this
 *  after it joined. Needs CAP_SYS_ADMIN.
 * @NPT_CMD_VM_NEW_NTF: A VM was made.
 * @NPT_CMD_VM_DEL_NTF: A VM went.
 * @NPT_CMD_VM_DEAD_NTF: A VM was found inconsistent and was stopped.
 * @NPT_CMD_VCPU_NEW_NTF: A vCPU was made.
 * @NPT_CMD_VCPU_DEL_NTF: A vCPU went.
 * @NPT_CMD_STAT_NTF: Counters of one VM, periodically and once before it goes.
 * @__NPT_CMD_MAX: one more than the last
 * @NPT_CMD_MAX: the last
 */
enum npt_cmd {
	NPT_CMD_VM_GET = 1,
	NPT_CMD_VCPU_GET,
	NPT_CMD_STAT_GET,
	NPT_CMD_CATALOGUE_GET,
	NPT_CMD_EXPLAIN,
	NPT_CMD_TABLE_GET,
	NPT_CMD_MONITOR_GET,
	NPT_CMD_MONITOR_SET,
	NPT_CMD_VM_NEW_NTF,
	NPT_CMD_VM_DEL_NTF,
	NPT_CMD_VM_DEAD_NTF,
	NPT_CMD_VCPU_NEW_NTF,
	NPT_CMD_VCPU_DEL_NTF,
	NPT_CMD_STAT_NTF,

	__NPT_CMD_MAX,
	NPT_CMD_MAX = (__NPT_CMD_MAX - 1)
};

#define NPT_MCGRP_EVENTS "events"
#define NPT_MCGRP_STATS "stats"

#endif /* _UAPI_LINUX_NPT_NETLINK_H */
