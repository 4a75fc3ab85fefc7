// SPDX-License-Identifier: GPL-2.0
/* TLB models as text: what is taken, what is refused and why, presets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlb/tlb.h"
#include "tlbspec.h"
#include "test.h"

static struct npt_tlb_model parse(const char *spec, int policy)
{
	struct npt_tlb_model m;
	char err[512] = "";
	int ret = npt_tlb_parse(spec, policy, &m, err, sizeof(err));
	const char *why = "";

	CHECK(!ret, "\"%s\" was refused: %s", spec, err);
	CHECK(!npt_tlb_model_check(&m, &why), "\"%s\" gave a bad model: %s", spec, why);
	test_cases++;
	return m;
}

static void check_unit(const struct npt_tlb_unit *u, unsigned int level, unsigned int kinds,
		       unsigned int pages, unsigned int entries, unsigned int ways)
{
	CHECK_EQ(u->level, level, "level");
	CHECK_EQ(u->kinds, kinds, "kinds");
	CHECK_EQ(u->pages, pages, "pages");
	CHECK_EQ(u->entries, entries, "entries");
	CHECK_EQ(u->ways, ways, "ways");
}

static void check_pwc(const struct npt_pwc_unit *u, unsigned int dims, unsigned int levels,
		      unsigned int entries, unsigned int ways)
{
	CHECK_EQ(u->dims, dims, "dims");
	CHECK_EQ(u->levels, levels, "levels");
	CHECK_EQ(u->entries, entries, "entries");
	CHECK_EQ(u->ways, ways, "ways");
}

static void test_geometry(void)
{
	struct npt_tlb_model m = parse("l1i=128/8,l1d=64/4,l2=2048/16,pwc=2/4/32,ntlb=16", -1);

	check_unit(&m.tlb[0], 1, 1, 7, 128, 8);
	check_unit(&m.tlb[1], 1, 2, 7, 64, 4);
	check_unit(&m.tlb[2], 2, 3, 7, 2048, 16);
	check_unit(&m.tlb[3], 0, 0, 0, 0, 0);
	check_pwc(&m.pwc[0], 1, 1 << 4, 2, 0);
	check_pwc(&m.pwc[1], 1, 1 << 3, 4, 0);
	check_pwc(&m.pwc[2], 1, 1 << 2, 32, 0);
	check_pwc(&m.pwc[3], 0, 0, 0, 0);
	CHECK_EQ(m.ntlb_entries, 16, "ntlb");
	CHECK_EQ(m.ntlb_ways, 0, "ntlb ways");
	CHECK_EQ(m.flags, 0, "flags");
	CHECK(!memcmp(&m.cost, npt_tlb_default_cost(), sizeof(m.cost)), "cost");

	m = parse("l1.1g=4/full,l2d4k2m=96/6:fifo", NPT_TLB_LFU);
	check_unit(&m.tlb[0], 1, 3, 4, 4, 0);
	check_unit(&m.tlb[1], 2, 2, 3, 96, 6);
	CHECK_EQ(m.tlb[0].policy, NPT_TLB_LFU, "policy given to all");
	CHECK_EQ(m.tlb[1].policy, NPT_TLB_FIFO, "policy of one");

	m = parse("bothpwc.35=8/2", -1);
	check_pwc(&m.pwc[0], 3, 0x28, 8, 2);
	m = parse("npwc=1/0/3/4,pwc.5=2/2,vpid,pcid,no-vpid,cost.ref=0,cost.flush=7", -1);
	check_pwc(&m.pwc[0], 2, 1 << 5, 1, 0);
	check_pwc(&m.pwc[1], 2, 1 << 3, 3, 0);
	check_pwc(&m.pwc[2], 2, 1 << 2, 4, 0);
	check_pwc(&m.pwc[3], 1, 1 << 5, 2, 2);
	CHECK_EQ(m.flags, NPT_TLB_PCID, "flags");
	CHECK_EQ(m.cost.ref, 0, "cost.ref");
	CHECK_EQ(m.cost.flush, 7, "cost.flush");
}

static void test_presets(void)
{
	struct npt_tlb_model m, again;
	char text[NPT_TLB_SPEC_LEN];
	const struct npt_tlb_preset *p;
	unsigned int policy, i;
	size_t n;

	p = npt_tlb_presets(&n);
	CHECK(n >= 15, "%zu presets", n);
	for (; n--; p++) {
		for (policy = 0; policy < 4; policy++) {
			m = parse(p->name, policy);
			for (i = 0; i < NPT_TLB_UNITS; i++)
				CHECK(!m.tlb[i].level || m.tlb[i].policy == policy, "%s: policy",
				      p->name);
			CHECK(npt_tlb_format(&m, text, sizeof(text)) > 0, "%s: format", p->name);
			again = parse(text, -1);
			CHECK(!memcmp(&m, &again, sizeof(m)), "%s: \"%s\" is another model",
			      p->name, text);
		}
		again = parse(p->spec, -1);
		m = parse(p->name, -1);
		CHECK(!memcmp(&m, &again, sizeof(m)), "%s: its spec is another model", p->name);
		CHECK(*p->title && *p->certainty_text && p->note, "%s: texts", p->name);
	}
	m = parse("none", -1);
	check_unit(&m.tlb[0], 0, 0, 0, 0, 0);
	CHECK(npt_tlb_format(&m, text, sizeof(text)) == 4 && !strcmp(text, "none"),
	      "none as text: \"%s\"", text);
}

#define HSW_L1		"l1i.4k=128/4,l1i.2m=8,l1d.4k=64/4,l1d.2m=32/4,l1d.1g=4,"
#define SKL_L1I		"l1i.4k=128/8,l1i.2m=8,"
#define SKL_L1		SKL_L1I "l1d.4k=64/4,l1d.2m=32/4,l1d.1g=4/4,"
#define SKL_L2		"l2.4k2m=1536/12,"
#define CHAMPSIM	"l1i=64/4,l1d=64/4,l2=1536/12,"

/* Items replace what a base has in their place and leave the rest. */
static void test_extend(void)
{
	static const char *const same[][2] = {
		{ "haswell,ntlb=16", HSW_L1 "l2.4k2m=1024/8,ntlb=16,vpid,pcid" },
		{ "skylake,l2=2048/16", SKL_L1 "l2=2048/16,vpid,pcid" },
		{ "skylake,l1d=32/4,no-pcid", SKL_L1I "l1d=32/4," SKL_L2 "vpid" },
		{ "skylake,l1d.1g=8",
		  SKL_L1I "l1d.4k=64/4,l1d.2m=32/4,l1d.1g=8," SKL_L2 "vpid,pcid" },
		{ "skylake,l2.1g=16/4", SKL_L1 SKL_L2 "l2.1g=16/4,vpid,pcid" },
		{ "zen2,l2=none,pwc=none", "l1i=64,l1d=64,vpid" },
		{ "zen2,l2=64", "l1i=64,l1d=64,l2=64,pwc.2345=64/4,vpid" },
		{ "champsim,pwc.2=16", CHAMPSIM "pwc.5=2,pwc.4=4,pwc.3=8/4,pwc.2=16" },
		{ "champsim,pwc=7", CHAMPSIM "pwc.2=7" },
		{ "opteron-2008,ntlb=none,npwc.4=2", "npwc.4=2,vpid" },
		{ "none,l1d=4/4", "l1d=4/4" },
		{ "l1d=4,pcid", "pcid,l1d=4" },
	};
	struct npt_tlb_model a, b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(same); i++) {
		a = parse(same[i][0], -1);
		b = parse(same[i][1], -1);
		CHECK(!memcmp(&a, &b, sizeof(a)), "\"%s\" is not \"%s\"", same[i][0], same[i][1]);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *spec, *part, *text;
	} bad[] = {
		{ "", "\"\"", "haswell" },
		{ "haswel", "\"haswel\"", "haswell" },
		{ "Haswell", "\"Haswell\"", "none" },
		{ "has\nwell\033[m", "\"has?well?[m\"", "haswell" },
		{ "l1d=64/4,", "\"\"", "expected" },
		{ ",l1d=64/4", "\"\"", "expected" },
		{ "l1d=64/4,,l2=64", "\"\"", "expected" },
		{ "l1d=64/4 ", "\"l1d=64/4 \"", "ways" },
		{ "l1d=", "\"l1d=\"", "ENTRIES" },
		{ "l1d", "\"l1d\"", "l1d=64/4" },
		{ "l1d=0", "\"l1d=0\"", "ENTRIES" },
		{ "l1d=64/0", "\"l1d=64/0\"", "ways" },
		{ "l1d=-1", "\"l1d=-1\"", "ENTRIES" },
		{ "l1d=64/5", "\"l1d=64/5\"", "divide" },
		{ "l1d=64/4/2", "\"l1d=64/4/2\"", "ways" },
		{ "l1d=99999999999/4", "\"l1d=9", "ENTRIES" },
		{ "l1d=4294967296", "\"l1d=4", "ENTRIES" },
		{ "l1d=65537/1", "\"l1d=65537/1\"", "out of range" },
		{ "l1d=2048", "\"l1d=2048\"", "fully associative" },
		{ "l2=4096/2048", "\"l2=4096/2048\"", "1024 ways" },
		{ "l1d=64/4:mru", "\"l1d=64/4:mru\"", "fifo" },
		{ "l1d.4m=64/4", "\"l1d.4m=64/4\"", "page sizes" },
		{ "l3=64/4", "\"l3=64/4\"", "l1i" },
		{ "l1d=64/4,l1d=32/4", "\"l1d=32/4\"", "before" },
		{ "l1d=64/4,l1.2m=32/4", "\"l1.2m=32/4\"", "before" },
		{ "pwc=1/2/3/4/5", "\"pwc=1/2/3/4/5\"", "levels" },
		{ "pwc=", "\"pwc=\"", "2/4/32" },
		{ "pwc=2/x", "\"pwc=2/x\"", "2/4/32" },
		{ "pwc=5000", "\"pwc=5000\"", "out of range" },
		{ "pwc.6=4", "\"pwc.6=4\"", "levels 2 to 5" },
		{ "pwc.=4", "\"pwc.=4\"", "levels 2 to 5" },
		{ "pwc=2/4,bothpwc.2=4", "\"bothpwc.2=4\"", "before" },
		{ "ntlb=0", "\"ntlb=0\"", "ENTRIES" },
		{ "ntlb=65536", "\"ntlb=65536\"", "fully" },
		{ "cost.refs=1", "\"cost.refs=1\"", "cost.l1_hit" },
		{ "cost.ref=4294967296", "\"cost.ref=4", "cycles" },
		{ "l1d=64/4,haswell", "\"haswell\"", "first" },
		{ "haswell,none", "\"none\"", "first" },
		{ "haswell,asid", "\"asid\"", "vpid" },
		{ "no-asid", "\"no-asid\"", "none" },
	};
	struct npt_tlb_model m;
	char err[512];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(npt_tlb_parse(bad[i].spec, -1, &m, err, sizeof(err)), (u64)-EINVAL,
			 bad[i].spec);
		CHECK(strstr(err, bad[i].part) && strstr(err, bad[i].text) && !strchr(err, '\n'),
		      "\"%s\": \"%s\" should name %s and say %s", bad[i].spec, err, bad[i].part,
		      bad[i].text);
		CHECK_EQ(npt_tlb_parse(bad[i].spec, -1, &m, NULL, 0), (u64)-EINVAL, bad[i].spec);
		test_cases++;
	}
	CHECK_EQ(npt_tlb_parse("haswell", 4, &m, err, sizeof(err)), (u64)-EINVAL, "policy 4");
	CHECK_EQ(npt_tlb_policy_parse("lru"), NPT_TLB_LRU, "lru");
	CHECK_EQ(npt_tlb_policy_parse("plru"), NPT_TLB_PLRU, "plru");
	CHECK_EQ(npt_tlb_policy_parse(""), (u64)-EINVAL, "no policy");
	CHECK(!npt_tlb_policy_name(4), "policy 4 has a name");
}

static void random_geometry(struct rnd *r, __u32 *entries, __u32 *ways)
{
	*ways = rnd_below(r, 20);
	*entries = (*ways ? *ways : 1) * (1 + rnd_below(r, 50));
}

static bool overlaps(const struct npt_tlb_model *m, unsigned int n)
{
	const struct npt_tlb_unit *a = m->tlb, *b = &m->tlb[n];

	for (; a < b; a++)
		if (a->level == b->level && a->kinds & b->kinds && a->pages & b->pages)
			return true;
	return false;
}

static void test_round_trip(void)
{
	struct npt_tlb_model m, again;
	char text[NPT_TLB_SPEC_LEN], small[NPT_TLB_SPEC_LEN];
	unsigned long round;
	unsigned int i;
	struct rnd r;
	int len;

	for_each_round(round, 20000, &r) {
		m = (struct npt_tlb_model){ .size = sizeof(m), .flags = rnd_below(&r, 4) };
		for (i = 0; i < 8 && !rnd_one_in(&r, 6); i++) {
			m.tlb[i] = (struct npt_tlb_unit){ 1 + rnd_below(&r, 2),
				1 + rnd_below(&r, 3), 1 + rnd_below(&r, 7), rnd_below(&r, 4) };
			random_geometry(&r, &m.tlb[i].entries, &m.tlb[i].ways);
			if (overlaps(&m, i)) {
				memset(&m.tlb[i], 0, sizeof(m.tlb[i]));
				break;
			}
		}
		for (i = 0; i < 4 && !rnd_one_in(&r, 4); i++) {
			m.pwc[i] = (struct npt_pwc_unit){ .dims = 1 + rnd_below(&r, 3),
				.levels = 1 << (i + 2) };
			random_geometry(&r, &m.pwc[i].entries, &m.pwc[i].ways);
		}
		if (rnd_bool(&r))
			random_geometry(&r, &m.ntlb_entries, &m.ntlb_ways);
		m.cost = *npt_tlb_default_cost();
		if (rnd_bool(&r))
			m.cost.ref = rnd64(&r);
		if (rnd_bool(&r))
			m.cost.flush = rnd64(&r);
		len = npt_tlb_format(&m, text, sizeof(text));
		CHECK(len > 0 && len == (int)strlen(text), "format: %d", len);
		again = parse(text, -1);
		CHECK(!memcmp(&m, &again, sizeof(m)), "\"%s\" is another model", text);
		i = rnd_below(&r, len + 1);
		CHECK_EQ(npt_tlb_format(&m, small, i), (u64)-ENOSPC, "a small buffer");
		CHECK(!i || !strncmp(small, text, i - 1), "the start in a small buffer");
	}
}

/* The longest text there can be fits. */
static void test_longest(void)
{
	struct npt_tlb_model m;
	char text[NPT_TLB_SPEC_LEN];
	unsigned int i;

	memset(&m, 0xff, sizeof(m));
	for (i = 0; i < NPT_TLB_UNITS; i++)
		m.tlb[i] = (struct npt_tlb_unit){ 1, 1, 3, 3, 65536, 1024, 0 };
	for (i = 0; i < NPT_PWC_UNITS; i++)
		m.pwc[i] = (struct npt_pwc_unit){ 3, 0x3c, 0, 4096, 1024, 0 };
	m.ntlb_entries = 65536;
	m.ntlb_ways = 1024;
	CHECK(npt_tlb_format(&m, text, sizeof(text)) > 0, "the longest text is too long");
}

static void test_garbage(void)
{
	static const char *const bits[] = {
		"l1d", "l1i", "l2", "=", "/", ",", ".", "64", "4", "0", "pwc", "npwc", "ntlb",
		"haswell", "none", "4k", "2m", ":lru", "vpid", "no-", "cost.", "ref", "full",
		"99999999999", "\xff", " ", "%s",
	};
	struct npt_tlb_model m;
	char spec[256], *err;
	unsigned long round;
	struct rnd r;
	size_t len;
	unsigned int n;

	for_each_round(round, 100000, &r) {
		spec[0] = 0;
		for (n = rnd_below(&r, 12); n; n--)
			strcat(spec, bits[rnd_below(&r, ARRAY_SIZE(bits))]);
		len = rnd_below(&r, 200);
		err = malloc(len + 1);
		if (!npt_tlb_parse(spec, -1, &m, err, len))
			CHECK(!npt_tlb_model_check(&m, NULL), "\"%s\" gave a bad model", spec);
		else if (len)
			CHECK(strnlen(err, len) < len, "\"%s\": unterminated error", spec);
		free(err);
		test_cases++;
	}
}

int main(void)
{
	static const struct test tests[] = {
		{ "geometries", test_geometry },
		{ "presets", test_presets },
		{ "items after a base", test_extend },
		{ "what is refused, and why", test_refused },
		{ "model to text and back", test_round_trip },
		{ "the longest text", test_longest },
		{ "garbage", test_garbage },
	};

	return test_main(tests, ARRAY_SIZE(tests));
}
