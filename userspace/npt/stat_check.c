// SPDX-License-Identifier: GPL-2.0
/*
 * npt stat check: do the laws hold? They speak of VMs at rest: a VM is read
 * until it does not change.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libnpt.h"
#include "nl_cli.h"
#include "output.h"

/* Milliseconds between two readings. */
#define PAUSE 20
/* How long to wait for rest, in milliseconds. */
#define TIMEOUT_DEFAULT 1000
#define TIMEOUT_MAX 3600000

/* A reading: the sum of a VM and the counters of each of its vCPUs. */
struct reading {
	struct npt_nl_stat *stats;
	size_t n;
	size_t room;
};

struct check {
	struct npt_cli *cli;
	struct npt_nl *nl;
	unsigned long long timeout;
	json_t *rows;
	unsigned int vms;
	unsigned int failed;
	unsigned int moving;
};

/* --- readings ----------------------------------------------------------- */

static int add_stat(const struct npt_nl_stat *stat, void *arg)
{
	struct reading *r = arg;
	struct npt_nl_stat *more;

	if (r->n == r->room) {
		more = reallocarray(r->stats, r->room + 16, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->stats = more;
		r->room += 16;
	}
	r->stats[r->n++] = *stat;
	return 0;
}

static int take(struct check *c, uint32_t vm, struct reading *r)
{
	r->n = 0;
	return npt_nl_stats(c->nl, vm, add_stat, r);
}

static bool same(const struct reading *a, const struct reading *b)
{
	size_t i;

	for (i = 0; i < a->n && i < b->n; i++)
		if (a->stats[i].vcpu != b->stats[i].vcpu ||
		    memcmp(a->stats[i].values, b->stats[i].values, sizeof(a->stats[i].values)))
			return false;
	return a->n == b->n;
}

static bool lawful(const struct reading *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (npt_laws_check(r->stats[i].values, NPT_CTR_NR, NULL))
			return false;
	return true;
}

/*
 * Read @vm until it rests: 1, and @last has it; 0: it still moves; -errno.
 *
 * Two equal readings under which every law holds are enough. A broken law must
 * stand for the whole time: a vCPU may just be waiting for a processor.
 */
static int settle(struct check *c, uint32_t vm, struct reading *last)
{
	struct timespec pause = { .tv_nsec = PAUSE * 1000000L };
	unsigned long long waited, still = 0;
	struct reading before = {};
	int ret = take(c, vm, last);

	for (waited = 0; !ret && waited < c->timeout + PAUSE; waited += PAUSE) {
		struct reading swap = before;

		before = *last;
		*last = swap;
		nanosleep(&pause, NULL);
		ret = take(c, vm, last);
		if (ret)
			break;
		still = same(&before, last) ? still + PAUSE : 0;
		if (still && lawful(last))
			ret = 1;
	}
	free(before.stats);
	return !ret && still >= c->timeout ? 1 : ret;
}

/* --- laws --------------------------------------------------------------- */

static void add_row(struct check *c, const struct npt_nl_stat *stat,
		    const struct npt_law_result *r)
{
	json_t *row = json_object();

	json_object_set_new(row, "vm", json_integer(stat->vm));
	json_object_set_new(row, "vcpu", stat->vcpu == NPT_NL_SUM ? json_null() :
			    json_integer(stat->vcpu));
	json_object_set_new(row, "law", json_string(r->law->name));
	json_object_set_new(row, "left", npt_json_u64(r->left));
	json_object_set_new(row, "right", npt_json_u64(r->right));
	json_object_set_new(row, "ok", json_boolean(r->ok));
	json_object_set_new(row, "state", json_string(r->ok ? "holds" : "BROKEN"));
	json_array_append_new(c->rows, row);
}

/* Text shows the VM's laws, and of vCPUs what is wrong; JSON has all. */
static void check_stat(struct check *c, const struct npt_nl_stat *stat)
{
	const struct npt_law *laws;
	struct npt_law_result r;
	size_t i, n;

	laws = npt_laws(&n);
	for (i = 0; i < n; i++) {
		if (npt_law_check(&laws[i], stat->values, NPT_CTR_NR, &r))
			continue;
		c->failed += !r.ok;
		if (c->cli->json || stat->vcpu == NPT_NL_SUM || !r.ok)
			add_row(c, stat, &r);
	}
}

static void add_moving(struct check *c, uint32_t vm)
{
	json_t *row = json_object();

	json_object_set_new(row, "vm", json_integer(vm));
	json_object_set_new(row, "vcpu", json_null());
	json_object_set_new(row, "law", json_null());
	json_object_set_new(row, "ok", json_false());
	json_object_set_new(row, "state", json_string("moving"));
	json_array_append_new(c->rows, row);
	c->moving++;
}

static int check_vm(struct check *c, uint32_t vm)
{
	struct reading r = {};
	int ret = settle(c, vm, &r);
	size_t i;

	if (ret >= 0)
		c->vms++;
	if (!ret)
		add_moving(c, vm);
	for (i = 0; ret == 1 && i < r.n; i++)
		check_stat(c, &r.stats[i]);
	free(r.stats);
	return ret < 0 ? ret : 0;
}

/* --- the command -------------------------------------------------------- */

struct ids {
	uint32_t *ids;
	size_t n;
};

static int add_id(const struct npt_nl_vm *vm, void *arg)
{
	struct ids *list = arg;
	uint32_t *more = reallocarray(list->ids, list->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->ids = more;
	list->ids[list->n++] = vm->id;
	return 0;
}

static int check_all(struct check *c)
{
	struct ids list = {};
	int err = npt_nl_vms(c->nl, add_id, &list);
	size_t i;

	for (i = 0; !err && i < list.n; i++) {
		err = check_vm(c, list.ids[i]);
		/* It went between the list and its turn. */
		if (err == -ENOENT)
			err = 0;
	}
	free(list.ids);
	return err;
}

static void report(struct check *c)
{
	static const struct npt_column columns[] = {
		{ .key = "vm", .title = "VM" },
		{ .key = "vcpu", .title = "VCPU" },
		{ .key = "law", .title = "LAW", .left = true },
		{ .key = "left", .title = "LEFT", .style = NPT_STYLE_GROUP },
		{ .key = "right", .title = "RIGHT", .style = NPT_STYLE_GROUP },
		{ .key = "state", .title = "STATE", .left = true },
		{}
	};

	if (c->cli->json || c->vms)
		npt_out_rows(c->cli, c->rows, columns);
	if (c->cli->json)
		return;
	if (!c->vms) {
		puts("no VM");
		return;
	}
	printf("\n%u VM%s: ", c->vms, c->vms > 1 ? "s" : "");
	if (!c->failed && !c->moving)
		puts("every law holds");
	else
		printf("%u broken laws, %u not at rest\n", c->failed, c->moving);
}

static int run(struct check *c, uint32_t vm)
{
	int ret = nl_cli_open("stat", &c->nl);

	if (ret)
		return ret;
	c->rows = json_array();
	ret = vm ? check_vm(c, vm) : check_all(c);
	npt_nl_close(c->nl);
	if (!ret)
		report(c);
	json_decref(c->rows);
	if (ret)
		return nl_cli_fail("stat", ret);
	return c->failed || c->moving ? NPT_EXIT_FAILURE : NPT_EXIT_OK;
}

int npt_stat_check(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' }, {}
	};
	struct check c = { .cli = cli, .timeout = TIMEOUT_DEFAULT };
	uint32_t vm = 0;
	int opt;

	while ((opt = npt_getopt(argc, argv, options, false)) != -1)
		if (opt != 't' ||
		    !npt_parse_u64(optarg, "stat check: --timeout", 0, TIMEOUT_MAX, &c.timeout))
			return NPT_EXIT_USAGE;
	if (argc - optind > 1)
		return npt_usage("stat check: expected one VM at the most");
	if (optind < argc && !nl_cli_number("stat check", "VM", argv[optind], 0, &vm))
		return NPT_EXIT_USAGE;
	return run(&c, vm);
}
