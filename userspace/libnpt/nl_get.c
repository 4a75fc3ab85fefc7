// SPDX-License-Identifier: GPL-2.0
/* The netlink family: VMs, vCPUs, counters and the catalogue. */
#include <errno.h>

#include "libnpt_priv.h"
#include "nl_priv.h"

/* An answer that is not what the spec says. */
static int garbled(void)
{
	return npt_set_error(-EPROTO, "netlink: an answer that this library does not understand");
}

/* A do must have had its answer. */
static int answered(const struct npt_nl_request *req, int err)
{
	return err || req->answers ? err : garbled();
}

/* --- VMs ---------------------------------------------------------------- */

static int on_vm(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_VM_MAX + 1];
	struct npt_nl_vm vm = {};

	if (genlmsg_parse(nlh, 0, tb, NPT_A_VM_MAX, NULL) || !tb[NPT_A_VM_ID])
		return garbled();
	vm.id = npt_nl_u32(tb[NPT_A_VM_ID]);
	npt_nl_string(tb[NPT_A_VM_NAME], vm.name, sizeof(vm.name));
	vm.uid = npt_nl_u32(tb[NPT_A_VM_UID]);
	vm.engine = npt_nl_u32(tb[NPT_A_VM_ENGINE]);
	vm.mmu = npt_nl_u32(tb[NPT_A_VM_MMU]);
	vm.nested_format = npt_nl_u32(tb[NPT_A_VM_NESTED_FORMAT]);
	vm.nested_levels = npt_nl_u32(tb[NPT_A_VM_NESTED_LEVELS]);
	vm.leaf_pages = npt_nl_u32(tb[NPT_A_VM_LEAF_PAGES]);
	vm.flags = npt_nl_u32(tb[NPT_A_VM_FLAGS]);
	vm.max_vcpus = npt_nl_u32(tb[NPT_A_VM_MAX_VCPUS]);
	vm.max_table_pages = npt_nl_u32(tb[NPT_A_VM_MAX_TABLE_PAGES]);
	vm.vcpus = npt_nl_u32(tb[NPT_A_VM_VCPUS]);
	vm.slots = npt_nl_u32(tb[NPT_A_VM_SLOTS]);
	vm.dead = tb[NPT_A_VM_DEAD];
	if (req->cb.vm)
		return req->cb.vm(&vm, req->arg);
	*(struct npt_nl_vm *)req->out = vm;
	return 0;
}

int npt_nl_vm(struct npt_nl *nl, uint32_t id, struct npt_nl_vm *vm)
{
	struct npt_nl_request req = { .answer = on_vm, .out = vm };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_VM_GET, 0);

	if (msg)
		nla_put_u32(msg, NPT_A_VM_ID, id);
	return answered(&req, npt_nl_do(nl, msg, &req));
}

int npt_nl_vms(struct npt_nl *nl, int (*cb)(const struct npt_nl_vm *vm, void *arg), void *arg)
{
	struct npt_nl_request req = {
		.answer = on_vm,
		.cb.vm = cb,
		.arg = arg,
	};

	return npt_nl_do(nl, npt_nl_message(nl, NPT_CMD_VM_GET, NLM_F_DUMP), &req);
}

/* --- vCPUs -------------------------------------------------------------- */

static int on_vcpu(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_VCPU_MAX + 1];
	struct npt_nl_vcpu vcpu = {};

	if (genlmsg_parse(nlh, 0, tb, NPT_A_VCPU_MAX, NULL) || !tb[NPT_A_VCPU_VM] ||
	    !tb[NPT_A_VCPU_ID])
		return garbled();
	vcpu.vm = npt_nl_u32(tb[NPT_A_VCPU_VM]);
	vcpu.id = npt_nl_u32(tb[NPT_A_VCPU_ID]);
	vcpu.cr0 = npt_nl_u64(tb[NPT_A_VCPU_CR0]);
	vcpu.cr3 = npt_nl_u64(tb[NPT_A_VCPU_CR3]);
	vcpu.cr4 = npt_nl_u64(tb[NPT_A_VCPU_CR4]);
	vcpu.efer = npt_nl_u64(tb[NPT_A_VCPU_EFER]);
	if (req->cb.vcpu)
		return req->cb.vcpu(&vcpu, req->arg);
	*(struct npt_nl_vcpu *)req->out = vcpu;
	return 0;
}

int npt_nl_vcpu(struct npt_nl *nl, uint32_t vm, uint32_t id, struct npt_nl_vcpu *vcpu)
{
	struct npt_nl_request req = { .answer = on_vcpu, .out = vcpu };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_VCPU_GET, 0);

	if (msg) {
		nla_put_u32(msg, NPT_A_VCPU_VM, vm);
		nla_put_u32(msg, NPT_A_VCPU_ID, id);
	}
	return answered(&req, npt_nl_do(nl, msg, &req));
}

int npt_nl_vcpus(struct npt_nl *nl, uint32_t vm,
		 int (*cb)(const struct npt_nl_vcpu *vcpu, void *arg), void *arg)
{
	struct npt_nl_request req = {
		.answer = on_vcpu,
		.cb.vcpu = cb,
		.arg = arg,
	};
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_VCPU_GET, NLM_F_DUMP);

	if (msg && vm)
		nla_put_u32(msg, NPT_A_VCPU_VM, vm);
	return npt_nl_do(nl, msg, &req);
}

/* --- counters ----------------------------------------------------------- */

static int on_stat(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_STAT_MAX + 1], *attr;
	struct npt_nl_stat stat = { .vcpu = NPT_NL_SUM };
	struct genlmsghdr *head = genlmsg_hdr(nlh);
	int left;

	if (genlmsg_parse(nlh, 0, tb, NPT_A_STAT_MAX, NULL) || !tb[NPT_A_STAT_VM])
		return garbled();
	stat.vm = npt_nl_u32(tb[NPT_A_STAT_VM]);
	if (tb[NPT_A_STAT_VCPU])
		stat.vcpu = nla_get_u32(tb[NPT_A_STAT_VCPU]);
	nla_for_each_attr(attr, genlmsg_attrdata(head, 0), genlmsg_attrlen(head, 0), left) {
		if (nla_type(attr) != NPT_A_STAT_COUNTER)
			continue;
		npt_nl_counter(attr, stat.values);
		stat.count++;
	}
	if (req->cb.stat)
		return req->cb.stat(&stat, req->arg);
	*(struct npt_nl_stat *)req->out = stat;
	return 0;
}

int npt_nl_stat(struct npt_nl *nl, uint32_t vm, int32_t vcpu, struct npt_nl_stat *stat)
{
	struct npt_nl_request req = { .answer = on_stat, .out = stat };
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_STAT_GET, 0);

	if (msg) {
		nla_put_u32(msg, NPT_A_STAT_VM, vm);
		if (vcpu != NPT_NL_SUM)
			nla_put_u32(msg, NPT_A_STAT_VCPU, vcpu);
	}
	return answered(&req, npt_nl_do(nl, msg, &req));
}

int npt_nl_stats(struct npt_nl *nl, uint32_t vm,
		 int (*cb)(const struct npt_nl_stat *stat, void *arg), void *arg)
{
	struct npt_nl_request req = {
		.answer = on_stat,
		.cb.stat = cb,
		.arg = arg,
	};
	struct nl_msg *msg = npt_nl_message(nl, NPT_CMD_STAT_GET, NLM_F_DUMP);

	if (msg && vm)
		nla_put_u32(msg, NPT_A_STAT_VM, vm);
	return npt_nl_do(nl, msg, &req);
}

/* --- the catalogue ------------------------------------------------------ */

struct catalogue {
	int (*counter)(const struct npt_nl_definition *def, void *arg);
	int (*law)(const struct npt_nl_law *law, void *arg);
	void *arg;
};

static const char *text(struct nlattr *attr)
{
	return attr ? nla_get_string(attr) : "";
}

static int on_definition(const struct catalogue *c, struct nlattr *nest)
{
	struct nlattr *tb[NPT_A_DEFINITION_MAX + 1];
	struct npt_nl_definition def;

	if (nla_parse_nested(tb, NPT_A_DEFINITION_MAX, nest, NULL) || !tb[NPT_A_DEFINITION_ID])
		return garbled();
	def = (struct npt_nl_definition) {
		.id = npt_nl_u32(tb[NPT_A_DEFINITION_ID]),
		.scope = npt_nl_u32(tb[NPT_A_DEFINITION_SCOPE]),
		.type = npt_nl_u32(tb[NPT_A_DEFINITION_TYPE]),
		.name = text(tb[NPT_A_DEFINITION_NAME]),
		.unit = text(tb[NPT_A_DEFINITION_UNIT]),
		.text = text(tb[NPT_A_DEFINITION_TEXT]),
	};
	return c->counter ? c->counter(&def, c->arg) : 0;
}

static int on_law(const struct catalogue *c, struct nlattr *nest)
{
	struct nlattr *tb[NPT_A_LAW_MAX + 1];
	struct npt_nl_law law;

	if (nla_parse_nested(tb, NPT_A_LAW_MAX, nest, NULL) || !tb[NPT_A_LAW_NAME])
		return garbled();
	law = (struct npt_nl_law) {
		.name = text(tb[NPT_A_LAW_NAME]),
		.left = text(tb[NPT_A_LAW_LEFT]),
		.right = text(tb[NPT_A_LAW_RIGHT]),
	};
	return c->law ? c->law(&law, c->arg) : 0;
}

static int on_line(struct npt_nl_request *req, struct nlmsghdr *nlh)
{
	struct nlattr *tb[NPT_A_CATALOGUE_MAX + 1];

	if (genlmsg_parse(nlh, 0, tb, NPT_A_CATALOGUE_MAX, NULL))
		return garbled();
	if (tb[NPT_A_CATALOGUE_DEFINITION])
		return on_definition(req->out, tb[NPT_A_CATALOGUE_DEFINITION]);
	if (tb[NPT_A_CATALOGUE_LAW])
		return on_law(req->out, tb[NPT_A_CATALOGUE_LAW]);
	return 0;
}

int npt_nl_catalogue(struct npt_nl *nl,
		     int (*counter)(const struct npt_nl_definition *def, void *arg),
		     int (*law)(const struct npt_nl_law *law, void *arg), void *arg)
{
	struct catalogue c = { .counter = counter, .law = law, .arg = arg };
	struct npt_nl_request req = { .answer = on_line, .out = &c };

	return npt_nl_do(nl, npt_nl_message(nl, NPT_CMD_CATALOGUE_GET, NLM_F_DUMP), &req);
}
