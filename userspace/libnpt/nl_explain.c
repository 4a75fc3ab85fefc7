// SPDX-License-Identifier: GPL-2.0
/* The netlink family: translations and tables. */
#include <errno.h>
#include <string.h>

#include "libnpt_priv.h"
#include "nl_priv.h"

/* --- translations ------------------------------------------------------- */

struct explanation {
	struct npt_explain *e;
	struct npt_walk_entry *entries;
};

static int on_walk(const struct explanation *x, struct nlattr *nest)
{
	struct nlattr *tb[NPT_A_WALK_MAX + 1];
	struct npt_walk_entry *w;

	if (x->e->count == NPT_WALK_MAX || nla_parse_nested(tb, NPT_A_WALK_MAX, nest, NULL))
		return npt_set_error(-EPROTO, "netlink: a walk that no tables can give");
	w = &x->entries[x->e->count++];
	*w = (struct npt_walk_entry) {
		.address = npt_nl_u64(tb[NPT_A_WALK_ADDRESS]),
		.value = npt_nl_u64(tb[NPT_A_WALK_VALUE]),
		.input = npt_nl_u64(tb[NPT_A_WALK_INPUT]),
		.dim = npt_nl_u32(tb[NPT_A_WALK_DIM]),
		.level = npt_nl_u32(tb[NPT_A_WALK_LEVEL]),
		.index = npt_nl_u32(tb[NPT_A_WALK_INDEX]),
		.verdict = npt_nl_u32(tb[NPT_A_WALK_VERDICT]),
		.bit = tb[NPT_A_WALK_BIT] ? npt_nl_u32(tb[NPT_A_WALK_BIT]) : 255,
		.guest_level = npt_nl_u32(tb[NPT_A_WALK_GUEST_LEVEL]),
	};
	return 0;
}

static int on_explain(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_EXPLAIN_MAX + 1], *attr;
	struct genlmsghdr *head = genlmsg_hdr(nlh);
	const struct explanation *x = req->out;
	struct npt_explain *e = x->e;
	int left, err = 0;

	if (genlmsg_parse(nlh, 0, tb, NPT_A_EXPLAIN_MAX, NULL) || !tb[NPT_A_EXPLAIN_STATUS])
		return npt_set_error(-EPROTO, "netlink: an explanation without a status");
	e->status = npt_nl_u32(tb[NPT_A_EXPLAIN_STATUS]);
	e->error_code = npt_nl_u32(tb[NPT_A_EXPLAIN_ERROR_CODE]);
	e->gpa = npt_nl_u64(tb[NPT_A_EXPLAIN_GPA]);
	e->hpa = npt_nl_u64(tb[NPT_A_EXPLAIN_HPA]);
	e->page_shift = npt_nl_u32(tb[NPT_A_EXPLAIN_PAGE_SHIFT]);
	e->refs_guest = npt_nl_u32(tb[NPT_A_EXPLAIN_REFS_GUEST]);
	e->refs_nested = npt_nl_u32(tb[NPT_A_EXPLAIN_REFS_NESTED]);
	nla_for_each_attr(attr, genlmsg_attrdata(head, 0), genlmsg_attrlen(head, 0), left)
		if (nla_type(attr) == NPT_A_EXPLAIN_WALK && !err)
			err = on_walk(x, attr);
	return err;
}

int npt_nl_explain(struct npt_nl *nl, uint32_t vm, uint32_t vcpu, struct npt_explain *e,
		   struct npt_walk_entry *entries)
{
	struct explanation x = { .e = e, .entries = entries };
	struct npt_nl_request req = { .answer = on_explain, .out = &x };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_EXPLAIN, 0);
	int err;

	if (msg) {
		nla_put_u32(msg, NPT_A_EXPLAIN_VM, vm);
		nla_put_u32(msg, NPT_A_EXPLAIN_VCPU, vcpu);
		nla_put_u64(msg, NPT_A_EXPLAIN_GVA, e->gva);
		nla_put_u32(msg, NPT_A_EXPLAIN_OP, e->op);
		nla_put_u32(msg, NPT_A_EXPLAIN_PKRU, e->pkru);
		if (e->user)
			nla_put_flag(msg, NPT_A_EXPLAIN_USER);
	}
	e->count = 0;
	err = npt_nl_do(nl, msg, &req);
	if (!err && !req.answers)
		return npt_set_error(-EPROTO, "netlink: no explanation came");
	return err;
}

/* --- tables ------------------------------------------------------------- */

static int on_range(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_TABLE_MAX + 1];
	struct npt_nl_range range;

	if (genlmsg_parse(nlh, 0, tb, NPT_A_TABLE_MAX, NULL) || !tb[NPT_A_TABLE_START])
		return npt_set_error(-EPROTO, "netlink: a range without a start");
	/* Only says how far the dump has come. */
	if (!tb[NPT_A_TABLE_END])
		return 0;
	range = (struct npt_nl_range) {
		.start = npt_nl_u64(tb[NPT_A_TABLE_START]),
		.end = npt_nl_u64(tb[NPT_A_TABLE_END]),
		.target = npt_nl_u64(tb[NPT_A_TABLE_TARGET]),
		.has_target = tb[NPT_A_TABLE_TARGET],
		.page_shift = npt_nl_u32(tb[NPT_A_TABLE_PAGE_SHIFT]),
		.rights = npt_nl_u32(tb[NPT_A_TABLE_RIGHTS]),
	};
	return req->cb.range(&range, req->arg);
}

int npt_nl_table(struct npt_nl *nl, uint32_t vm, uint32_t vcpu, uint32_t dim, uint64_t start,
		 int (*cb)(const struct npt_nl_range *range, void *arg), void *arg)
{
	struct npt_nl_request req = { .answer = on_range, .cb.range = cb, .arg = arg };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_TABLE_GET, NLM_F_DUMP);

	if (msg) {
		nla_put_u32(msg, NPT_A_TABLE_VM, vm);
		nla_put_u32(msg, NPT_A_TABLE_DIM, dim);
		nla_put_u64(msg, NPT_A_TABLE_START, start);
		/* The nested tables are the VM's: it need not have a vCPU. */
		if (dim != NPT_DIM_NESTED)
			nla_put_u32(msg, NPT_A_TABLE_VCPU, vcpu);
	}
	return npt_nl_do(nl, msg, &req);
}
