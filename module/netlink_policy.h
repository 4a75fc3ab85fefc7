/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Made from Documentation/netlink/specs/npt.yaml by Documentation/netlink/generate:
 * change the spec and run that again.
 */
#ifndef NPT_NETLINK_POLICY_H
#define NPT_NETLINK_POLICY_H

#include <net/netlink.h>
#include <linux/npt_netlink.h>

static const struct nla_policy npt_nl_vm_get_policy[] = {
	[NPT_A_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy npt_nl_vcpu_get_policy[] = {
	[NPT_A_VCPU_VM] = NLA_POLICY_MIN(NLA_U32, 1),
	[NPT_A_VCPU_ID] = NLA_POLICY_MAX(NLA_U32, 1023),
};

static const struct nla_policy npt_nl_stat_get_policy[] = {
	[NPT_A_STAT_VM] = NLA_POLICY_MIN(NLA_U32, 1),
	[NPT_A_STAT_VCPU] = NLA_POLICY_MAX(NLA_U32, 1023),
};

static const struct nla_policy npt_nl_explain_policy[] = {
	[NPT_A_EXPLAIN_VM] = NLA_POLICY_MIN(NLA_U32, 1),
	[NPT_A_EXPLAIN_VCPU] = NLA_POLICY_MAX(NLA_U32, 1023),
	[NPT_A_EXPLAIN_GVA] = { .type = NLA_U64 },
	[NPT_A_EXPLAIN_OP] = NLA_POLICY_MAX(NLA_U32, 2),
	[NPT_A_EXPLAIN_USER] = { .type = NLA_FLAG },
	[NPT_A_EXPLAIN_PKRU] = { .type = NLA_U32 },
};

static const struct nla_policy npt_nl_table_get_policy[] = {
	[NPT_A_TABLE_VM] = NLA_POLICY_MIN(NLA_U32, 1),
	[NPT_A_TABLE_VCPU] = NLA_POLICY_MAX(NLA_U32, 1023),
	[NPT_A_TABLE_DIM] = NLA_POLICY_MAX(NLA_U32, 2),
	[NPT_A_TABLE_START] = { .type = NLA_U64 },
};

static struct netlink_range_validation npt_monitor_set_interval = {
	.min = 10,
	.max = 3600000,
};

static const struct nla_policy npt_nl_monitor_set_policy[] = {
	[NPT_A_MONITOR_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U32, &npt_monitor_set_interval),
};

#endif /* NPT_NETLINK_POLICY_H */
