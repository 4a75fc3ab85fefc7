// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: TLB models as text. What is taken passes the module's check, and
 * its own text gives the same model again.
 */
#include <string.h>

#include "fuzz.h"
#include "test.h"
#include "tlb/tlb.h"
#include "tlbspec.h"

/* Arrays in order of what they are, so that two models can be compared. */
static u64 weight(const struct npt_tlb_unit *u)
{
	return u->level ? (u64)u->level << 32 | u->kinds << 16 | u->pages : ~0ull;
}

static void sort(struct npt_tlb_model *m)
{
	for (unsigned int i = 0; i < NPT_TLB_UNITS; i++)
		for (unsigned int k = i + 1; k < NPT_TLB_UNITS; k++)
			if (weight(&m->tlb[k]) < weight(&m->tlb[i])) {
				struct npt_tlb_unit t = m->tlb[i];

				m->tlb[i] = m->tlb[k];
				m->tlb[k] = t;
			}
}

static void again(struct npt_tlb_model *m)
{
	struct npt_tlb_model back;
	char text[NPT_TLB_SPEC_LEN], err[256];
	int len = npt_tlb_format(m, text, sizeof(text));

	CHECK(len > 0 && (size_t)len == strlen(text), "npt_tlb_format(): %d", len);
	CHECK(!npt_tlb_parse(text, -1, &back, err, sizeof(err)), "\"%s\": %s", text, err);
	sort(m);
	sort(&back);
	CHECK(!memcmp(m, &back, sizeof(back)), "\"%s\" is another model", text);
}

void fuzz_tlbspec(const uint8_t *data, size_t size)
{
	struct npt_tlb_model m;
	char text[513], err[256] = "";
	const char *why = "";
	int policy, ret;

	if (!size)
		return;
	policy = data[0] % 5 - 1;
	size = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;
	memcpy(text, data + 1, size);
	text[size] = '\0';
	ret = npt_tlb_parse((const char *)fuzz_edge(text, strlen(text) + 1), policy, &m, err,
			    sizeof(err));
	if (ret) {
		CHECK_EQ(ret, -EINVAL, "result");
		CHECK(err[0] && !strchr(err, '\n'), "no line of text");
		return;
	}
	CHECK(!npt_tlb_model_check(&m, &why), "\"%s\" gave a bad model: %s", text, why);
	again(&m);
}

FUZZ_TARGET(tlbspec)
