// SPDX-License-Identifier: GPL-2.0
/* npt monitor: life-cycle events and counters, as they come over netlink. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libnpt.h"
#include "nl_cli.h"
#include "output.h"
#include "signals.h"

#define NS_PER_SEC 1000000000ULL

/* The last report of a VM. */
struct seen {
	uint32_t vm;
	uint64_t time;
	uint64_t values[NPT_CTR_NR];
};

struct monitor {
	struct npt_cli *cli;
	struct npt_nl *nl;
	uint32_t groups;	/* NPT_NL_* */
	uint32_t interval;	/* 0: as it is */
	uint32_t only;		/* this VM alone, 0: all */
	bool all;		/* every counter that moved */
	uint64_t count;		/* end after so many, 0: never */
	uint64_t printed;
	uint64_t lost[2];	/* by group, as the sender last said */
	bool told[2];		/* a message of the group has come */
	struct seen *seen;
	size_t nr_seen;
};

/* --- what was before ---------------------------------------------------- */

static struct seen *find(struct monitor *m, uint32_t vm)
{
	size_t i;

	for (i = 0; i < m->nr_seen; i++)
		if (m->seen[i].vm == vm)
			return &m->seen[i];
	return NULL;
}

static struct seen *add(struct monitor *m, uint32_t vm)
{
	struct seen *s = find(m, vm);

	if (s)
		return s;
	s = reallocarray(m->seen, m->nr_seen + 1, sizeof(*s));
	if (!s)
		return NULL;
	m->seen = s;
	s = &m->seen[m->nr_seen++];
	*s = (struct seen) { .vm = vm };
	return s;
}

static void forget(struct monitor *m, uint32_t vm)
{
	struct seen *s = find(m, vm);

	if (s)
		*s = m->seen[--m->nr_seen];
}

/* --- one line each ------------------------------------------------------ */

static const char *event_name(uint32_t cmd)
{
	switch (cmd) {
	case NPT_CMD_VM_NEW_NTF:
		return "vm-new";
	case NPT_CMD_VM_DEL_NTF:
		return "vm-del";
	case NPT_CMD_VM_DEAD_NTF:
		return "vm-dead";
	case NPT_CMD_VCPU_NEW_NTF:
		return "vcpu-new";
	case NPT_CMD_VCPU_DEL_NTF:
		return "vcpu-del";
	case NPT_CMD_STAT_NTF:
		return "stat";
	default:
		return "unknown";
	}
}

static const char *group_name(uint32_t group)
{
	return group == NPT_NL_STATS ? NPT_MCGRP_STATS : NPT_MCGRP_EVENTS;
}

static void line(struct monitor *m, json_t *o)
{
	npt_out_json_line(o);
	m->printed++;
}

static void print_lost(struct monitor *m, const char *what, uint32_t group, uint64_t n)
{
	json_t *o;

	if (m->cli->json) {
		o = json_object();
		json_object_set_new(o, "event", json_string(what));
		json_object_set_new(o, "group", json_string(group_name(group)));
		json_object_set_new(o, "count", npt_json_u64(n));
		line(m, o);
		return;
	}
	printf("%s%s: %llu messages of the group %s%s\n", npt_color(m->cli, NPT_C_RED), what,
	       (unsigned long long)n, group_name(group), npt_color(m->cli, NPT_C_RESET));
	m->printed++;
}

/* Losses on the way to us, and those that the sender knows of. */
static void account(struct monitor *m, const struct npt_nl_event *ev)
{
	bool stats = ev->group == NPT_NL_STATS;

	if (ev->missed)
		print_lost(m, "dropped", ev->group, ev->missed);
	if (m->told[stats] && ev->lost > m->lost[stats])
		print_lost(m, "lost", ev->group, ev->lost - m->lost[stats]);
	m->told[stats] = true;
	m->lost[stats] = ev->lost;
}

static json_t *head_json(const struct npt_nl_event *ev)
{
	json_t *o = json_object();

	json_object_set_new(o, "event", json_string(event_name(ev->cmd)));
	json_object_set_new(o, "time_ns", npt_json_u64(ev->time));
	json_object_set_new(o, "seq", npt_json_u64(ev->seq));
	json_object_set_new(o, "lost", npt_json_u64(ev->lost));
	json_object_set_new(o, "vm", json_integer(ev->vm));
	json_object_set_new(o, "name", json_string(ev->name));
	return o;
}

static void head_text(struct monitor *m, const struct npt_nl_event *ev)
{
	printf("%s[%6llu.%06llu]%s %s%-8s%s vm %u \"%s\"",
	       npt_color(m->cli, NPT_C_DIM), ev->time / NS_PER_SEC,
	       ev->time % NS_PER_SEC / 1000, npt_color(m->cli, NPT_C_RESET),
	       npt_color(m->cli, NPT_C_BOLD), event_name(ev->cmd),
	       npt_color(m->cli, NPT_C_RESET), ev->vm, ev->name);
}

static bool about_vcpu(const struct npt_nl_event *ev)
{
	return ev->cmd == NPT_CMD_VCPU_NEW_NTF || ev->cmd == NPT_CMD_VCPU_DEL_NTF;
}

static void life_json(struct monitor *m, const struct npt_nl_event *ev)
{
	json_t *o = head_json(ev);

	json_object_set_new(o, "uid", json_integer(ev->uid));
	json_object_set_new(o, "engine", json_string(npt_engine_name(ev->engine)));
	json_object_set_new(o, "mmu", json_string(npt_mmu_name(ev->mmu)));
	if (about_vcpu(ev))
		json_object_set_new(o, "vcpu", json_integer(ev->vcpu));
	if (*ev->reason)
		json_object_set_new(o, "reason", json_string(ev->reason));
	line(m, o);
}

static void life_text(struct monitor *m, const struct npt_nl_event *ev)
{
	head_text(m, ev);
	if (about_vcpu(ev))
		printf(" vcpu %u", ev->vcpu);
	else
		printf(" uid %u %s %s", ev->uid, npt_engine_name(ev->engine),
		       npt_mmu_name(ev->mmu));
	if (*ev->reason)
		printf(": %s", ev->reason);
	putchar('\n');
	m->printed++;
}

/* --- counters ----------------------------------------------------------- */

/* What a line of text has room for; --all shows the rest. */
static const unsigned int chief[] = {
	NPT_CTR_accesses, NPT_CTR_l1d_hit, NPT_CTR_l1d_miss, NPT_CTR_l2_hit, NPT_CTR_walks,
	NPT_CTR_refs_guest, NPT_CTR_refs_nested, NPT_CTR_guest_pf, NPT_CTR_pf_taken,
	NPT_CTR_tlb_flush, NPT_CTR_cycles, NPT_CTR_table_pages, NPT_CTR_NR
};

static bool is_gauge(unsigned int id)
{
	return npt_counter_info(id)->type == NPT_TYPE_gauge;
}

/* Counters as what they grew by, gauges as they stand. */
static bool moved(const struct seen *s, const struct npt_nl_event *ev, unsigned int id,
		  uint64_t *value)
{
	*value = is_gauge(id) ? ev->values[id] : ev->values[id] - s->values[id];
	return ev->values[id] != s->values[id];
}

static void stat_json(struct monitor *m, const struct npt_nl_event *ev, const struct seen *s)
{
	json_t *grown = json_object(), *gauges = json_object(), *o = head_json(ev);
	unsigned int i;
	uint64_t value;

	for (i = 0; i < NPT_CTR_NR; i++)
		if (moved(s, ev, i, &value))
			json_object_set_new(is_gauge(i) ? gauges : grown,
					    npt_counter_info(i)->name, npt_json_u64(value));
	json_object_set_new(o, "interval_ns",
			    s->time ? npt_json_u64(ev->time - s->time) : json_null());
	json_object_set_new(o, "grown", grown);
	json_object_set_new(o, "gauges", gauges);
	line(m, o);
}

static void put_counter(const struct seen *s, const struct npt_nl_event *ev, unsigned int id)
{
	char buf[64];
	uint64_t value;
	json_t *v;

	if (!moved(s, ev, id, &value))
		return;
	v = npt_json_u64(value);
	printf(" %s %s%s", npt_counter_info(id)->name, is_gauge(id) ? "" : "+",
	       npt_out_format(v, NPT_STYLE_GROUP, buf, sizeof(buf)));
	json_decref(v);
}

/* A VM that did nothing gets no line. */
static void stat_text(struct monitor *m, const struct npt_nl_event *ev, const struct seen *s)
{
	size_t i;

	if (!memcmp(s->values, ev->values, sizeof(s->values)))
		return;
	head_text(m, ev);
	if (m->all)
		for (i = 0; i < NPT_CTR_NR; i++)
			put_counter(s, ev, i);
	else
		for (i = 0; chief[i] != NPT_CTR_NR; i++)
			put_counter(s, ev, chief[i]);
	putchar('\n');
	m->printed++;
}

static int on_stat(struct monitor *m, const struct npt_nl_event *ev)
{
	struct seen *s = add(m, ev->vm);

	if (!s)
		return -ENOMEM;
	if (m->cli->json)
		stat_json(m, ev, s);
	else
		stat_text(m, ev, s);
	s->time = ev->time;
	memcpy(s->values, ev->values, sizeof(s->values));
	return 0;
}

/* --- the stream --------------------------------------------------------- */

static bool enough(const struct monitor *m)
{
	return (m->count && m->printed >= m->count) || ferror(stdout);
}

/* -ECANCELED ends it. */
static int on_event(const struct npt_nl_event *ev, void *arg)
{
	struct monitor *m = arg;
	int err = 0;

	account(m, ev);
	if (m->only && ev->vm != m->only)
		return 0;
	if (ev->cmd == NPT_CMD_STAT_NTF)
		err = on_stat(m, ev);
	else if (m->cli->json)
		life_json(m, ev);
	else
		life_text(m, ev);
	if (ev->cmd == NPT_CMD_VM_DEL_NTF)
		forget(m, ev->vm);
	fflush(stdout);
	return err ? err : enough(m) ? -ECANCELED : 0;
}

static int stream(struct monitor *m)
{
	int ret;

	for (;;) {
		ret = signals_wait(npt_nl_fd(m->nl), true);
		if (signals_wishes())
			return NPT_EXIT_OK;
		if (ret < 0)
			return npt_fail(ret, "monitor");
		ret = npt_nl_dispatch(m->nl, on_event, m);
		/* The next message tells how many are missing. */
		if (ret == -ENOBUFS)
			continue;
		if (ret == -ECANCELED)
			return ferror(stdout) ? NPT_EXIT_FAILURE : NPT_EXIT_OK;
		if (ret < 0)
			return nl_cli_fail("monitor", ret);
	}
}

static int begin(struct monitor *m)
{
	struct npt_nl_vm vm;
	int ret = nl_cli_open("monitor", &m->nl);

	if (ret)
		return ret;
	ret = npt_nl_subscribe(m->nl, m->groups);
	if (!ret && m->only)
		ret = npt_nl_vm(m->nl, m->only, &vm);
	if (!ret && (m->groups & NPT_NL_STATS))
		ret = npt_nl_monitor_set(m->nl, m->interval, NULL);
	return ret ? nl_cli_fail("monitor", ret) : NPT_EXIT_OK;
}

static bool parse_number(const char *what, unsigned long long min, unsigned long long max,
			 uint64_t *out)
{
	unsigned long long value;

	if (!npt_parse_u64(optarg, what, min, max, &value))
		return false;
	*out = value;
	return true;
}

static bool parse(struct monitor *m, int opt)
{
	uint64_t interval;

	switch (opt) {
	case 'i':
		if (!parse_number("monitor: --interval", NPT_INTERVAL_MIN, NPT_INTERVAL_MAX,
				  &interval))
			return false;
		m->interval = interval;
		return true;
	case 'v':
		return nl_cli_number("monitor", "--vm", optarg, 0, &m->only);
	case 'c':
		return parse_number("monitor: --count", 1, UINT64_MAX, &m->count);
	case 'e':
		m->groups &= ~NPT_NL_STATS;
		return true;
	case 's':
		m->groups &= ~NPT_NL_EVENTS;
		return true;
	case 'a':
		m->all = true;
		return true;
	default:
		return false;
	}
}

static int run_monitor(struct npt_cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "vm", required_argument, NULL, 'v' },
		{ "count", required_argument, NULL, 'c' },
		{ "events-only", no_argument, NULL, 'e' },
		{ "stats-only", no_argument, NULL, 's' },
		{ "all", no_argument, NULL, 'a' },
		{}
	};
	struct monitor m = { .cli = cli, .groups = NPT_NL_EVENTS | NPT_NL_STATS };
	int opt, ret;

	while ((opt = npt_getopt(argc, argv, options, false)) != -1)
		if (!parse(&m, opt))
			return NPT_EXIT_USAGE;
	if (optind < argc)
		return npt_usage("monitor: unexpected \"%s\"", argv[optind]);
	if (!m.groups)
		return npt_usage("monitor: --events-only and --stats-only exclude each other");
	signals_take();
	ret = begin(&m);
	if (!ret)
		ret = stream(&m);
	npt_nl_close(m.nl);
	free(m.seen);
	signals_restore();
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_monitor,
		.args =
		"[--interval MS] [--vm ID] [--count N] [--events-only | --stats-only] [--all]",
		.help = "VMs and vCPUs that come and go, and what counters grow by, a line each",
		.options =
		"        --interval MS  time between two reports of counters, for all listeners\n"
		"                       (10 to 3600000; 1000 until somebody sets it)\n"
		"        --vm ID        only this VM\n"
		"        --count N      end after N lines\n"
		"        --events-only  no counters\n"
		"        --stats-only   no events\n"
		"        --all          every counter that moved, not only the chief ones (text)\n",
	},
	{}
};

const struct npt_object npt_obj_monitor = {
	.name = "monitor",
	.help = "events and counters as they come",
	.commands = commands,
};
