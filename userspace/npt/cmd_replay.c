// SPDX-License-Identifier: GPL-2.0
/* npt replay: a trace through native, shadow and nested page tables. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libnpt.h"
#include "npt.h"
#include "output.h"
#include "signals.h"
#include "tlbspec.h"
#include "trace.h"

#define MAX_RUNS 64
#define DEFAULT_TLB "skylake"

/* What the command line asked for. */
struct request {
	struct npt_replay_options replay;
	enum npt_trace_format format;
	bool in_process;
	const char *tlb;
	const char *policy;
	const char *path;
};

/* --- the answer as JSON --- */

static json_t *tlb_level(const uint64_t *c, int hit, int miss, int evict)
{
	return json_pack("{s:o, s:o, s:o}", "hit", npt_json_u64(c[hit]), "miss",
			 npt_json_u64(c[miss]), "evictions", npt_json_u64(c[evict]));
}

static json_t *hit_miss(const uint64_t *c, int hit, int miss)
{
	return json_pack("{s:o, s:o}", "hit", npt_json_u64(c[hit]), "miss",
			 npt_json_u64(c[miss]));
}

static json_t *ratio(uint64_t a, uint64_t b)
{
	return b ? json_real((double)a / b) : json_null();
}

static json_t *json_tlb(const uint64_t *c)
{
	return json_pack("{s:o, s:o, s:o}",
			 "l1i", tlb_level(c, NPT_CTR_l1i_hit, NPT_CTR_l1i_miss, NPT_CTR_l1i_evict),
			 "l1d", tlb_level(c, NPT_CTR_l1d_hit, NPT_CTR_l1d_miss, NPT_CTR_l1d_evict),
			 "l2", tlb_level(c, NPT_CTR_l2_hit, NPT_CTR_l2_miss, NPT_CTR_l2_evict));
}

static json_t *json_caches(const uint64_t *c)
{
	return json_pack("{s:o, s:o, s:o}",
			 "pwc_guest", hit_miss(c, NPT_CTR_pwc_guest_hit, NPT_CTR_pwc_guest_miss),
			 "pwc_nested",
			 hit_miss(c, NPT_CTR_pwc_nested_hit, NPT_CTR_pwc_nested_miss),
			 "ntlb", hit_miss(c, NPT_CTR_ntlb_hit, NPT_CTR_ntlb_miss));
}

static json_t *json_refs(const uint64_t *c)
{
	uint64_t saved = c[NPT_CTR_refs_saved_pwc_guest] + c[NPT_CTR_refs_saved_pwc_nested] +
			 c[NPT_CTR_refs_saved_ntlb];

	return json_pack("{s:o, s:o, s:o, s:o}", "guest", npt_json_u64(c[NPT_CTR_refs_guest]),
			 "nested", npt_json_u64(c[NPT_CTR_refs_nested]), "saved",
			 npt_json_u64(saved), "uncached", npt_json_u64(c[NPT_CTR_refs_uncached]));
}

static json_t *json_faults(const uint64_t *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "guest", npt_json_u64(c[NPT_CTR_guest_pf]),
			 "nested", npt_json_u64(c[NPT_CTR_pf_nested]),
			 "shadow", npt_json_u64(c[NPT_CTR_pf_shadow]),
			 "gp", npt_json_u64(c[NPT_CTR_guest_gp]),
			 "mmio", npt_json_u64(c[NPT_CTR_pf_mmio]),
			 "readonly", npt_json_u64(c[NPT_CTR_pf_readonly]),
			 "error", npt_json_u64(c[NPT_CTR_pf_error]));
}

static json_t *json_tables(const struct npt_replay_run *r)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "guest", npt_json_u64(r->guest_table_bytes),
			 "nested", npt_json_u64(r->nested_table_bytes), "shadow",
			 npt_json_u64(r->shadow_table_bytes), "map",
			 npt_json_u64(r->map_table_bytes));
}

static json_t *json_memory(const struct npt_replay_run *r)
{
	return json_pack("{s:o, s:o, s:o, s:b}", "pages", npt_json_u64(r->guest_pages), "bytes",
			 npt_json_u64(r->memory_bytes), "huge_bytes",
			 npt_json_u64(r->huge_bytes), "short", r->host_pages_short);
}

static void add_failure(json_t *run, const struct npt_replay_run *r)
{
	if (!r->failed)
		return;
	json_object_set_new(run, "first_failure",
			    json_pack("{s:o, s:s, s:o, s:i}", "record",
				      npt_json_u64(r->first_failed + 1), "status",
				      npt_status_name(r->first_failure.status), "gpa",
				      npt_json_hex(r->first_failure.gpa), "error_code",
				      (int)r->first_failure.error_code));
}

static json_t *json_run(const struct request *req, const struct npt_replay_run *r)
{
	const uint64_t *c = r->counters;
	json_t *run = json_object();

	json_object_set_new(run, "mmu", json_string(npt_mmu_name(r->mmu)));
	json_object_set_new(run, "page", json_string(npt_page_name(r->page_shift)));
	json_object_set_new(run, "accesses", npt_json_u64(r->records));
	json_object_set_new(run, "failed", npt_json_u64(r->failed));
	json_object_set_new(run, "lookups", npt_json_u64(c[NPT_CTR_lookups]));
	json_object_set_new(run, "tlb", json_tlb(c));
	json_object_set_new(run, "caches", json_caches(c));
	json_object_set_new(run, "walks", npt_json_u64(c[NPT_CTR_walks]));
	json_object_set_new(run, "refs", json_refs(c));
	json_object_set_new(run, "faults", json_faults(c));
	json_object_set_new(run, "flushes", npt_json_u64(c[NPT_CTR_tlb_flush]));
	json_object_set_new(run, "table_bytes", json_tables(r));
	json_object_set_new(run, "memory", json_memory(r));
	json_object_set_new(run, "cycles", npt_json_u64(c[NPT_CTR_cycles]));
	json_object_set_new(run, "walks_per_access", ratio(c[NPT_CTR_walks], r->records));
	json_object_set_new(run, "refs_per_walk",
			    ratio(c[NPT_CTR_refs_guest] + c[NPT_CTR_refs_nested],
				  c[NPT_CTR_walk_done]));
	json_object_set_new(run, "cycles_per_access", ratio(c[NPT_CTR_cycles], r->records));
	json_object_set_new(run, "seconds", json_real(r->seconds));
	json_object_set_new(run, "in_process", json_boolean(req->in_process));
	add_failure(run, r);
	return run;
}

static json_t *json_answer(const struct request *req, const struct npt_replay_run *runs,
			   unsigned int n)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_run(req, &runs[i]));
	return json_pack("{s:o, s:s, s:b, s:s, s:s, s:s, s:i, s:i, s:s}", "runs", list, "trace",
			 req->path, "in_process", req->in_process, "engine", "soft", "tlb",
			 req->tlb, "policy", req->policy ? req->policy : "lru",
			 "guest_levels", (int)req->replay.guest_levels, "nested_levels",
			 (int)req->replay.nested_levels, "nested_format",
			 npt_nested_format_name(req->replay.nested_format));
}

/* --- the answer as text --- */

static const struct npt_column rows[] = {
	{ "mmu", "MMU mode", NPT_STYLE_PLAIN, false },
	{ "page", "page size", NPT_STYLE_PLAIN, false },
	{ "", "accesses and TLBs", NPT_STYLE_PLAIN, false },
	{ "accesses", "accesses", NPT_STYLE_GROUP, false },
	{ "lookups", "look-ups (pages)", NPT_STYLE_GROUP, false },
	{ "tlb.l1i.hit", "L1 instruction hits", NPT_STYLE_GROUP, false },
	{ "tlb.l1i.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "tlb.l1i.evictions", "  evictions", NPT_STYLE_GROUP, false },
	{ "tlb.l1d.hit", "L1 data hits", NPT_STYLE_GROUP, false },
	{ "tlb.l1d.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "tlb.l1d.evictions", "  evictions", NPT_STYLE_GROUP, false },
	{ "tlb.l2.hit", "L2 hits", NPT_STYLE_GROUP, false },
	{ "tlb.l2.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "tlb.l2.evictions", "  evictions", NPT_STYLE_GROUP, false },
	{ "", "walks", NPT_STYLE_PLAIN, false },
	{ "walks", "walks", NPT_STYLE_GROUP, false },
	{ "refs.guest", "references, guest", NPT_STYLE_GROUP, false },
	{ "refs.nested", "references, nested", NPT_STYLE_GROUP, false },
	{ "refs.saved", "references saved", NPT_STYLE_GROUP, false },
	{ "refs_per_walk", "references per walk", NPT_STYLE_PLAIN, false },
	{ "caches.pwc_guest.hit", "walk cache hits, guest", NPT_STYLE_GROUP, false },
	{ "caches.pwc_guest.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "caches.pwc_nested.hit", "walk cache hits, nested", NPT_STYLE_GROUP, false },
	{ "caches.pwc_nested.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "caches.ntlb.hit", "nested TLB hits", NPT_STYLE_GROUP, false },
	{ "caches.ntlb.miss", "  misses", NPT_STYLE_GROUP, false },
	{ "", "faults", NPT_STYLE_PLAIN, false },
	{ "faults.guest", "guest page faults", NPT_STYLE_GROUP, false },
	{ "faults.nested", "nested page faults", NPT_STYLE_GROUP, false },
	{ "faults.shadow", "shadow page faults", NPT_STYLE_GROUP, false },
	{ "", "cost", NPT_STYLE_PLAIN, false },
	{ "cycles", "cycles (cost model)", NPT_STYLE_GROUP, false },
	{ "cycles_per_access", "cycles per access", NPT_STYLE_PLAIN, false },
	{ "table_bytes.guest", "guest tables", NPT_STYLE_BYTES, false },
	{ "table_bytes.nested", "nested tables", NPT_STYLE_BYTES, false },
	{ "table_bytes.shadow", "shadow tables", NPT_STYLE_BYTES, false },
	{ "memory.bytes", "guest memory", NPT_STYLE_BYTES, false },
	{}
};

/* Does the model have a walk cache of that dimension (NPT_PWC_*)? */
static bool has_pwc(const struct npt_tlb_model *m, unsigned int dim)
{
	unsigned int i;

	for (i = 0; i < NPT_PWC_UNITS; i++)
		if (m->pwc[i].dims & dim)
			return true;
	return false;
}

/* A row about a cache that the model lacks says nothing. */
static bool wanted(const struct npt_tlb_model *m, const char *key)
{
	if (!strncmp(key, "caches.pwc_guest", 16))
		return has_pwc(m, NPT_PWC_GUEST);
	if (!strncmp(key, "caches.pwc_nested", 17))
		return has_pwc(m, NPT_PWC_NESTED);
	if (!strncmp(key, "caches.ntlb", 11))
		return m->ntlb_entries;
	if (!strcmp(key, "refs.saved"))
		return m->ntlb_entries || has_pwc(m, NPT_PWC_GUEST | NPT_PWC_NESTED);
	return true;
}

static void print_text(struct npt_cli *cli, const struct request *req, json_t *answer)
{
	struct npt_column some[sizeof(rows) / sizeof(rows[0])];
	size_t i, n = 0;

	for (i = 0; rows[i].key; i++)
		if (wanted(&req->replay.tlb, rows[i].key))
			some[n++] = rows[i];
	some[n] = rows[i];
	printf("%s, replayed %s\n", strcmp(req->path, "-") ? req->path : "standard input",
	       req->in_process ? "in this process (no kernel module)" : "by the kernel module");
	printf("engine soft; TLB %s, %s; guest tables of %u levels, nested tables of %u\n\n",
	       req->tlb, req->policy ? req->policy : "lru", req->replay.guest_levels,
	       req->replay.nested_levels);
	npt_out_turned(cli, json_object_get(answer, "runs"), some);
	printf("\n%sNative and shadow: the references of the one walked table count as guest.%s\n",
	       npt_color(cli, NPT_C_DIM), npt_color(cli, NPT_C_RESET));
}

/* What a reader of the figures must know; gives the exit code. */
static int remarks(const struct npt_replay_run *runs, unsigned int n)
{
	int ret = NPT_EXIT_OK;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct npt_replay_run *r = &runs[i];

		if (r->host_pages_short)
			npt_warn("replay: %s %s: the host had too few pages of %s: some leaves are smaller",
				 npt_mmu_name(r->mmu), npt_page_name(r->page_shift),
				 npt_page_name(r->page_shift));
		if (r->failed)
			ret = npt_err("replay: %s %s: %llu of %llu failed, first record %llu: %s",
				      npt_mmu_name(r->mmu), npt_page_name(r->page_shift),
				      (unsigned long long)r->failed,
				      (unsigned long long)r->records,
				      (unsigned long long)r->first_failed + 1,
				      npt_status_name(r->first_failure.status));
	}
	return ret;
}

/* --- the command line --- */

/* The next word of a list, copied; false at its end. An empty word is a word. */
static bool next_word(const char **list, char *word, size_t len)
{
	size_t n;

	if (!*list)
		return false;
	n = strcspn(*list, ",");
	snprintf(word, len, "%.*s", (int)n, *list);
	*list = (*list)[n] ? *list + n + 1 : NULL;
	return true;
}

/* A list of names, each turned into a number by @find. */
static bool parse_list(const char *option, const char *list, int (*find)(const char *),
		       uint32_t *out, unsigned int max, unsigned int *n)
{
	char word[32];
	int value;

	for (*n = 0; next_word(&list, word, sizeof(word)); (*n)++) {
		value = find(word);
		if (value < 0) {
			npt_usage("replay: %s: %s", option, npt_error());
			return false;
		}
		if (*n == max) {
			npt_usage("replay: %s: at most %u entries", option, max);
			return false;
		}
		out[*n] = value;
	}
	return true;
}

static bool parse_number(const char *option, const char *text, unsigned int min,
			 unsigned int max, unsigned int *out)
{
	unsigned long long v;

	if (!npt_parse_u64(text, option, min, max, &v))
		return false;
	*out = v;
	return true;
}

static bool parse_word(const char *option, const char *text, const char *a, const char *b,
		       bool *second)
{
	*second = !strcmp(text, b);
	if (*second || !strcmp(text, a))
		return true;
	npt_usage("replay: %s: \"%s\", expected %s or %s", option, text, a, b);
	return false;
}

enum {
	O_IN_PROCESS = 256,
	O_FORMAT,
	O_MMU,
	O_PAGE,
	O_TLB,
	O_POLICY,
	O_GUEST,
	O_NESTED,
	O_NESTED_FORMAT,
	O_NAME,
	O_LAYOUT,
	O_SEED,
};

static const struct option options[] = {
	{ "in-process", no_argument, NULL, O_IN_PROCESS },
	{ "format", required_argument, NULL, O_FORMAT },
	{ "mmu", required_argument, NULL, O_MMU },
	{ "page", required_argument, NULL, O_PAGE },
	{ "tlb", required_argument, NULL, O_TLB },
	{ "policy", required_argument, NULL, O_POLICY },
	{ "guest-levels", required_argument, NULL, O_GUEST },
	{ "nested-levels", required_argument, NULL, O_NESTED },
	{ "nested-format", required_argument, NULL, O_NESTED_FORMAT },
	{ "name", required_argument, NULL, O_NAME },
	{ "layout", required_argument, NULL, O_LAYOUT },
	{ "seed", required_argument, NULL, O_SEED },
	{}
};

static bool parse_option(struct request *req, int c)
{
	struct npt_replay_options *r = &req->replay;
	unsigned long long seed;
	bool second;

	switch (c) {
	case O_IN_PROCESS:
		req->in_process = true;
		return true;
	case O_FORMAT:
		if (!npt_trace_format_by_name(optarg, &req->format))
			return true;
		npt_usage("replay: --format: \"%s\", expected npt, lackey, dynamorio or champsim",
			  optarg);
		return false;
	case O_MMU:
		return parse_list("--mmu", optarg, npt_mmu_by_name, r->mmu,
				  sizeof(r->mmu) / sizeof(r->mmu[0]), &r->nr_mmu);
	case O_PAGE:
		return parse_list("--page", optarg, npt_page_by_name, r->page,
				  sizeof(r->page) / sizeof(r->page[0]), &r->nr_page);
	case O_TLB:
		req->tlb = optarg;
		return true;
	case O_POLICY:
		req->policy = optarg;
		return true;
	case O_GUEST:
		return parse_number("replay: --guest-levels", optarg, 2, 5, &r->guest_levels);
	case O_NESTED:
		return parse_number("replay: --nested-levels", optarg, 4, 5, &r->nested_levels);
	case O_NESTED_FORMAT:
		if (!parse_word("--nested-format", optarg, "npt", "ept", &second))
			return false;
		r->nested_format = second ? NPT_NESTED_EPT : NPT_NESTED_NPT;
		return true;
	case O_NAME:
		r->name = optarg;
		return true;
	case O_LAYOUT:
		return parse_word("--layout", optarg, "compact", "random", &r->random);
	case O_SEED:
		if (!npt_parse_u64(optarg, "replay: --seed", 0, UINT64_MAX, &seed))
			return false;
		r->seed = seed;
		return true;
	default:
		return false;
	}
}

static bool parse_tlb(struct request *req)
{
	char err[512];
	int policy = -1;

	if (req->policy) {
		policy = npt_tlb_policy_parse(req->policy);
		if (policy < 0) {
			npt_usage("replay: --policy: \"%s\", expected lru, fifo, lfu or plru",
				  req->policy);
			return false;
		}
	}
	if (!npt_tlb_parse(req->tlb, policy, &req->replay.tlb, err, sizeof(err)))
		return true;
	npt_usage("replay: --tlb: %s", err);
	return false;
}

static bool parse_request(struct request *req, int argc, char **argv)
{
	int c;

	memset(req, 0, sizeof(*req));
	npt_replay_defaults(&req->replay);
	req->replay.nested_format = NPT_NESTED_NPT;
	req->format = NPT_TRACE_AUTO;
	req->tlb = DEFAULT_TLB;
	while ((c = npt_getopt(argc, argv, options, false)) != -1)
		if (!parse_option(req, c))
			return false;
	if (argc - optind != 1) {
		npt_usage("replay: expected one trace (a file, or - for standard input), found %d",
			  argc - optind);
		return false;
	}
	req->path = argv[optind];
	return parse_tlb(req);
}

/* --- doing it --- */

static int on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	(void)arg;
	npt_progress(what, done, total);
	signals_wait(-1, false);
	return signals_wishes() ? -EINTR : 0;
}

static int wait_for_input(void *arg)
{
	int ret = signals_wait(*(int *)arg, true);

	if (signals_wishes())
		return -EINTR;
	return ret < 0 ? ret : 0;
}

/* A missing device is the most common failure: say what helps. */
static int open_device(const struct request *req, struct npt_device **dev)
{
	int ret;

	if (req->in_process)
		ret = npt_device_open_inproc(dev);
	else
		ret = npt_device_open(NULL, dev);
	if (!ret)
		return NPT_EXIT_OK;
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		return npt_absent("replay: %s (load npt.ko, or use --in-process)", npt_error());
	if (ret == -EACCES || ret == -EPERM)
		return npt_absent("replay: %s (be root, or use --in-process)", npt_error());
	return npt_err("replay: %s", npt_error());
}

/* *@fd must live as long as the reader. */
static int open_trace(const struct request *req, int *fd, struct npt_trace_reader **trace)
{
	bool standard = !strcmp(req->path, "-");
	struct npt_trace_source source = {
		.fd = standard ? STDIN_FILENO : open(req->path, O_RDONLY | O_CLOEXEC),
		.name = standard ? "standard input" : req->path,
		.wait = wait_for_input,
		.arg = fd,
	};
	char err[NPT_TRACE_ERRLEN];

	if (source.fd < 0)
		return npt_err("replay: %s: %s", req->path, strerror(errno));
	*fd = source.fd;
	if (!npt_trace_open_source(&source, req->format, trace, err, sizeof(err)))
		return NPT_EXIT_OK;
	return signals_wishes() ? npt_err("replay: interrupted") : npt_err("replay: %s", err);
}

static int replay(struct npt_cli *cli, const struct request *req, struct npt_device *dev,
		  struct npt_trace_reader *trace)
{
	static struct npt_replay_run runs[MAX_RUNS];
	unsigned int n = req->replay.nr_mmu * req->replay.nr_page;
	json_t *answer;
	int ret;

	ret = npt_replay(dev, trace, &req->replay, runs);
	npt_progress_end();
	if (ret && signals_wishes())
		return npt_err("replay: interrupted");
	if (ret)
		return npt_err("replay: %s", npt_error());
	answer = json_answer(req, runs, n);
	if (cli->json) {
		npt_out_json(cli, answer);
	} else {
		print_text(cli, req, answer);
		json_decref(answer);
	}
	return remarks(runs, n);
}

static int run_replay(struct npt_cli *cli, int argc, char **argv)
{
	struct npt_trace_reader *trace;
	struct npt_device *dev;
	struct request req;
	int ret, fd;

	if (!parse_request(&req, argc, argv))
		return NPT_EXIT_USAGE;
	req.replay.progress = on_progress;
	ret = open_device(&req, &dev);
	if (ret)
		return ret;
	signals_take();
	ret = open_trace(&req, &fd, &trace);
	if (!ret) {
		ret = replay(cli, &req, dev, trace);
		npt_trace_close(trace);
	}
	signals_restore();
	npt_device_close(dev);
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_replay,
		.args = "[OPTIONS] TRACE",
		.help = "put a trace through page tables; TRACE is a file, or - for standard input",
		.options =
		"  --in-process         use the core in this process: no module, no root\n"
		"  --format FORMAT      npt, lackey, dynamorio, champsim (default: guessed)\n"
		"  --mmu LIST           native, shadow, nested (default: all three)\n"
		"  --page LIST          4k, 2m, 1g (default: 4k,2m)\n"
		"  --tlb SPEC           a preset (npt caps tlb lists them) or a geometry, such as\n"
		"                       l1i=128/8,l1d=64/4,l2=2048/16,pwc=2/4/32,ntlb=16\n"
		"                       (default: " DEFAULT_TLB ")\n"
		"  --policy POLICY      replacement: lru, fifo, lfu, plru (default: lru)\n"
		"  --guest-levels N     2 (32-bit), 3 (PAE), 4 or 5 (default: 4)\n"
		"  --nested-levels N    4 or 5 (default: 4)\n"
		"  --nested-format F    npt or ept (default: npt)\n"
		"  --layout LAYOUT      compact or random places for pages and tables (default: compact)\n"
		"  --seed N             of the random layout (default: 0)\n"
		"  --name NAME          name of the VMs, for npt vm and npt monitor\n",
	},
	{}
};

const struct npt_object npt_obj_replay = {
	.name = "replay",
	.help = "replay a trace through native, shadow and nested page tables",
	.commands = commands,
};
