// SPDX-License-Identifier: GPL-2.0
/* npt walk: what a walk reads, in a VM made for the purpose or in a running one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "nl.h"
#include "npt.h"
#include "output.h"
#include "walk_picture.h"

/* What the command line asked for. */
struct request {
	struct walk walk;
	bool in_process, cold, has_gva;
	unsigned int guest_levels;
	unsigned int page, nested_page;		/* shifts */
	const char *rights;
	uint32_t vm, vcpu;			/* vm 0: a demonstration */
};

/* Addresses whose indices differ at every level, for 32, 48 and 57 bits. */
static uint64_t default_gva(unsigned int levels)
{
	if (levels < 4)
		return 0xc0d43abcULL;
	return levels == 4 ? 0x00007f3a5b6c7d8eULL : 0x00a1b2c3d4e5f678ULL;
}

static unsigned int guest_leaf(const struct request *req)
{
	return req->guest_levels == 2 && req->page == 21 ? 22 : req->page;
}

/* Letters to flags; "-" maps nothing. False: an unknown letter. */
static bool rights_flags(const char *rights, unsigned int levels, uint32_t *flags)
{
	*flags = NPT_PT_ACCESSED | NPT_PT_DIRTY | (levels > 2 ? NPT_PT_NX : 0);
	for (; *rights; rights++) {
		switch (*rights) {
		case 'r':
		case '-':
			break;
		case 'w':
			*flags |= NPT_PT_WRITE;
			break;
		case 'x':
			*flags &= ~NPT_PT_NX;
			break;
		case 'u':
			*flags |= NPT_PT_USER;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* --- a VM for the demonstration --- */

struct demo {
	struct npt_device *dev;
	struct npt_vm *vm;
	struct npt_vcpu *vcpu;
	struct npt_pt *pt;
};

static uint32_t leaf_pages(unsigned int shift)
{
	return NPT_PAGE_4K | (shift >= 21 ? NPT_PAGE_2M : 0) | (shift >= 30 ? NPT_PAGE_1G : 0);
}

static int demo_memory(struct demo *d, const struct request *req, uint32_t slot, uint64_t gpa,
		       uint64_t size)
{
	struct npt_memory_options opts = {
		.slot = slot, .gpa = gpa, .size = size,
		.pages = req->nested_page == 12 ? NPT_MEMORY_4K :
			 req->nested_page == 21 ? NPT_MEMORY_THP : NPT_MEMORY_HUGETLB_1G,
	};

	return npt_memory_add(d->vm, &opts, NULL);
}

/* Tables in one piece of memory, the page in another, both whole nested pages. */
static int demo_fill(struct demo *d, struct request *req)
{
	unsigned int leaf = guest_leaf(req);
	unsigned int unit = req->nested_page > 21 ? req->nested_page : 21;
	unsigned int size = leaf > unit ? leaf : unit;
	uint64_t tables = 1ULL << unit, page = 2ULL << size, offset;
	struct npt_pt_options pt = {
		.levels = req->guest_levels, .gpa = tables, .size = 1ULL << 21,
	};
	uint64_t gva = req->walk.e.gva;
	uint32_t flags;
	int ret;

	ret = demo_memory(d, req, 0, tables, 1ULL << unit);
	if (!ret)
		ret = demo_memory(d, req, 1, page, 1ULL << size);
	if (!ret)
		ret = npt_pt_create(d->vm, &pt, &d->pt);
	if (ret)
		return ret;
	offset = gva & ((1ULL << leaf) - 1);
	rights_flags(req->rights, req->guest_levels, &flags);
	ret = npt_pt_map(d->pt, gva - offset, page, leaf, flags);
	if (!ret && *req->rights == '-')
		ret = npt_pt_unmap(d->pt, gva);
	/* the host has a page there before the guest asks: as in a VM that has run */
	*(volatile char *)npt_memory_ptr(d->vm, page + offset, 1) = 1;
	return ret;
}

static int demo_create(struct demo *d, struct request *req)
{
	struct npt_vm_options opts = {
		.name = "walk", .engine = NPT_ENGINE_SOFT, .mmu = req->walk.mmu,
		.nested_format = req->walk.nested_format,
		.nested_levels = req->walk.nested_levels,
		.leaf_pages = leaf_pages(req->nested_page),
	};
	int ret;

	ret = npt_vm_create(d->dev, &opts, &d->vm);
	if (!ret)
		ret = demo_fill(d, req);
	if (!ret)
		ret = npt_vcpu_create(d->vm, 0, &d->vcpu);
	if (ret)
		return ret;
	return npt_vcpu_set_paging(d->vcpu, req->guest_levels, npt_pt_root(d->pt),
				   NPT_PAGING_WP | (req->guest_levels > 2 ? NPT_PAGING_NX : 0));
}

static void demo_destroy(struct demo *d)
{
	npt_vcpu_destroy(d->vcpu);
	npt_pt_destroy(d->pt);
	npt_vm_destroy(d->vm);
	npt_device_close(d->dev);
}

static int demo_open(struct demo *d, bool in_process)
{
	int ret = in_process ? npt_device_open_inproc(&d->dev) : npt_device_open(NULL, &d->dev);

	if (!ret)
		return NPT_EXIT_OK;
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO || ret == -EACCES ||
	    ret == -EPERM)
		return npt_absent("walk: %s (or use --in-process)", npt_error());
	return npt_err("walk: %s", npt_error());
}

static int walk_demo(struct request *req)
{
	struct demo d = {};
	int ret = demo_open(&d, req->in_process);

	if (ret)
		return ret;
	req->walk.where = req->in_process ? "a demonstration VM in this process" :
					    "a demonstration VM of the kernel module";
	ret = demo_create(&d, req);
	if (!ret) {
		req->walk.e.flags = req->cold ? 0 : NPT_EXPLAIN_FILL;
		ret = npt_vcpu_explain(d.vcpu, &req->walk.e, req->walk.ent);
	}
	if (ret == -ENOMEM && req->nested_page == 30)
		ret = npt_err("walk: %s (is a page of 1g reserved? npt doctor tells)",
			      npt_error());
	else if (ret)
		ret = npt_err("walk: %s", npt_error());
	demo_destroy(&d);
	return ret;
}

/* --- a VM that runs --- */

static int nl_failure(int err)
{
	if (err == -ENOENT || err == -EPERM || err == -EACCES)
		return npt_absent("walk: %s", npt_error());
	return npt_err("walk: %s", npt_error());
}

static int walk_running(struct request *req)
{
	static char where[128];
	struct npt_nl_vm vm;
	struct npt_nl *nl;
	int ret;

	ret = npt_nl_open(&nl);
	if (ret)
		return nl_failure(ret);
	ret = npt_nl_vm(nl, req->vm, &vm);
	if (!ret)
		ret = npt_nl_explain(nl, req->vm, req->vcpu, &req->walk.e, req->walk.ent);
	npt_nl_close(nl);
	if (ret)
		return npt_err("walk: %s", npt_error());
	req->walk.mmu = vm.mmu;
	req->walk.nested_format = vm.nested_format;
	req->walk.nested_levels = vm.nested_levels;
	snprintf(where, sizeof(where), "VM %u (%s), vCPU %u, as it is now", req->vm, vm.name,
		 req->vcpu);
	req->walk.where = where;
	return NPT_EXIT_OK;
}

/* --- the command line --- */

enum {
	O_IN_PROCESS = 256,
	O_MMU,
	O_GUEST,
	O_NESTED,
	O_PAGE,
	O_NESTED_PAGE,
	O_FORMAT,
	O_RIGHTS,
	O_WRITE,
	O_FETCH,
	O_SUPERVISOR,
	O_COLD,
	O_VM,
	O_VCPU,
	O_GVA,
};

static const struct option options[] = {
	{ "in-process", no_argument, NULL, O_IN_PROCESS },
	{ "mmu", required_argument, NULL, O_MMU },
	{ "guest-levels", required_argument, NULL, O_GUEST },
	{ "nested-levels", required_argument, NULL, O_NESTED },
	{ "page", required_argument, NULL, O_PAGE },
	{ "nested-page", required_argument, NULL, O_NESTED_PAGE },
	{ "format", required_argument, NULL, O_FORMAT },
	{ "rights", required_argument, NULL, O_RIGHTS },
	{ "write", no_argument, NULL, O_WRITE },
	{ "fetch", no_argument, NULL, O_FETCH },
	{ "supervisor", no_argument, NULL, O_SUPERVISOR },
	{ "cold", no_argument, NULL, O_COLD },
	{ "vm", required_argument, NULL, O_VM },
	{ "vcpu", required_argument, NULL, O_VCPU },
	{ "gva", required_argument, NULL, O_GVA },
	{}
};

static bool parse_number(const char *option, unsigned long long min, unsigned long long max,
			 uint32_t *out)
{
	unsigned long long v;

	if (!npt_parse_u64(optarg, option, min, max, &v))
		return false;
	*out = v;
	return true;
}

static bool parse_name(const char *option, int (*find)(const char *), uint32_t *out)
{
	int v = find(optarg);

	if (v < 0)
		npt_usage("walk: %s: %s", option, npt_error());
	else
		*out = v;
	return v >= 0;
}

static bool parse_gva(struct request *req, const char *text)
{
	unsigned long long v;

	if (req->has_gva) {
		npt_usage("walk: one address is expected, found also \"%s\"", text);
		return false;
	}
	if (!npt_parse_u64(text, "walk: address", 0, UINT64_MAX, &v))
		return false;
	req->walk.e.gva = v;
	req->has_gva = true;
	return true;
}

static bool parse_words(struct request *req, int c)
{
	uint32_t flags;

	if (c == O_FORMAT) {
		if (!strcmp(optarg, "ept"))
			req->walk.nested_format = NPT_NESTED_EPT;
		else if (strcmp(optarg, "npt"))
			return npt_usage("walk: --format: \"%s\", expected npt or ept", optarg),
			       false;
		return true;
	}
	req->rights = optarg;
	if (*optarg && rights_flags(optarg, 4, &flags))
		return true;
	npt_usage("walk: --rights: \"%s\", expected letters of rwxu, or - for no page", optarg);
	return false;
}

static bool parse_option(struct request *req, int c)
{
	switch (c) {
	case O_IN_PROCESS:
		req->in_process = true;
		return true;
	case O_MMU:
		return parse_name("--mmu", npt_mmu_by_name, &req->walk.mmu);
	case O_GUEST:
		return parse_number("walk: --guest-levels", 2, 5, &req->guest_levels);
	case O_NESTED:
		return parse_number("walk: --nested-levels", 4, 5, &req->walk.nested_levels);
	case O_PAGE:
		return parse_name("--page", npt_page_by_name, &req->page);
	case O_NESTED_PAGE:
		return parse_name("--nested-page", npt_page_by_name, &req->nested_page);
	case O_WRITE:
		req->walk.e.op = NPT_OP_WRITE;
		return true;
	case O_FETCH:
		req->walk.e.op = NPT_OP_FETCH;
		return true;
	case O_SUPERVISOR:
		req->walk.e.user = 0;
		return true;
	case O_COLD:
		req->cold = true;
		return true;
	case O_VM:
		return parse_number("walk: --vm", 1, UINT32_MAX, &req->vm);
	case O_VCPU:
		return parse_number("walk: --vcpu", 0, NPT_MAX_VCPUS - 1, &req->vcpu);
	case O_GVA:
		return parse_gva(req, optarg);
	case O_FORMAT:
	case O_RIGHTS:
		return parse_words(req, c);
	default:
		return false;
	}
}

static bool check_request(struct request *req)
{
	unsigned int bits[] = { 0, 0, 32, 32, 48, 57 }, shift;
	int64_t gva;

	if (req->vm) {
		if (!req->has_gva)
			npt_usage("walk: --vm needs an address");
		return req->has_gva;
	}
	if (!req->has_gva)
		req->walk.e.gva = default_gva(req->guest_levels);
	if (req->page == 30 && req->guest_levels < 4) {
		npt_usage("walk: --page 1g needs 4 or 5 guest levels");
		return false;
	}
	shift = 64 - bits[req->guest_levels];
	gva = req->walk.e.gva;
	if (req->guest_levels < 4 ? gva >> 32 != 0 :
				    (int64_t)((uint64_t)gva << shift) >> shift != gva) {
		npt_usage("walk: address 0x%llx does not fit %u guest levels (%u bits)",
			  (unsigned long long)gva, req->guest_levels, bits[req->guest_levels]);
		return false;
	}
	return true;
}

static bool parse_request(struct request *req, int argc, char **argv)
{
	int c;

	memset(req, 0, sizeof(*req));
	req->walk.mmu = NPT_MMU_NESTED;
	req->walk.nested_format = NPT_NESTED_NPT;
	req->walk.nested_levels = 4;
	req->walk.e.op = NPT_OP_READ;
	req->walk.e.user = 1;
	req->guest_levels = 4;
	req->page = 12;
	req->nested_page = 12;
	req->rights = "rwxu";
	while ((c = npt_getopt(argc, argv, options, false)) != -1)
		if (!parse_option(req, c))
			return false;
	for (; optind < argc; optind++)
		if (!parse_gva(req, argv[optind]))
			return false;
	return check_request(req);
}

static int run_walk(struct npt_cli *cli, int argc, char **argv)
{
	struct request req;
	int ret;

	if (!parse_request(&req, argc, argv))
		return NPT_EXIT_USAGE;
	req.walk.in_process = req.in_process && !req.vm;
	ret = req.vm ? walk_running(&req) : walk_demo(&req);
	if (ret)
		return ret;
	if (cli->json)
		npt_out_json(cli, walk_json(&req.walk));
	else
		walk_print(cli, &req.walk);
	return NPT_EXIT_OK;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_walk,
		.args = "[OPTIONS] [ADDRESS]",
		.help = "show every table entry that a translation reads",
		.options =
		"  --vm ID            walk in a running VM (as it is: nothing is filled in)\n"
		"  --vcpu N           with the tables of that vCPU (default: 0)\n"
		"  --gva ADDR         the address, another way to give it\n"
		"  --write            for a write (default: a read)\n"
		"  --fetch            for an instruction fetch\n"
		"  --supervisor       by the supervisor (default: by the user)\n"
		"Without --vm a VM is made for the purpose:\n"
		"  --in-process       in this process: no module, no root\n"
		"  --mmu MODE         native, shadow or nested (default: nested)\n"
		"  --guest-levels N   2 (32-bit), 3 (PAE), 4 or 5 (default: 4)\n"
		"  --nested-levels N  4 or 5 (default: 4)\n"
		"  --page SIZE        guest page: 4k, 2m, 1g (default: 4k)\n"
		"  --nested-page S    nested page: 4k, 2m, 1g (default: 4k)\n"
		"  --format F         nested tables: npt or ept (default: npt)\n"
		"  --rights LETTERS   of the guest's page: of r, w, x, u, or - (default: rwxu)\n"
		"  --cold             before anything was filled in\n",
	},
	{}
};

const struct npt_object npt_obj_walk = {
	.name = "walk",
	.help = "picture a walk through guest and nested tables",
	.commands = commands,
};
