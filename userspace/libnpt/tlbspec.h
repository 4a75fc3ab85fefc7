/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TLB models as text: presets of named processors, and a small language for
 * geometries of one's own. Documentation/tlb-model.rst tells what the parts mean.
 *
 *   SPEC  := BASE | [BASE ","] ITEM {"," ITEM}
 *   BASE  := a preset's name | "none"
 *   ITEM  := ("l1i" | "l1d" | "l1" | "l2i" | "l2d" | "l2") [["."] SIZES] "=" (ARRAY | "none")
 *          | ("pwc" | "npwc") "=" (ENTRIES {"/" ENTRIES} | "none")
 *          | ("pwc" | "npwc" | "bothpwc") "." LEVELS "=" (GEOMETRY | "none")
 *          | "ntlb" "=" (GEOMETRY | "none")
 *          | "cost." NAME "=" CYCLES
 *          | ["no-"] ("vpid" | "pcid")
 *   SIZES := {"4k" | "2m" | "1g"}                     left out: all
 *   ARRAY := GEOMETRY [":" ("lru" | "fifo" | "lfu" | "plru")]
 *   GEOMETRY := ENTRIES ["/" (WAYS | "full")]         left out: fully associative
 *   LEVELS := {"2" | "3" | "4" | "5"}
 *
 * What is left out is absent. An item replaces what the base has in its place: the
 * arrays of its level that share a kind and a page size with it, the walk caches that
 * share a dimension (and a level, if levels are named) with it.
 *
 * In "pwc=2/4/32" the last number is for entries read at level 2 (page directory), the
 * one before for level 3, then 4, then 5; 0 leaves a level out. Each is fully
 * associative. "pwc" caches the guest dimension (or the one walked table), "npwc" the
 * nested one, "bothpwc" both in one array.
 */
#ifndef LIBNPT_TLBSPEC_H
#define LIBNPT_TLBSPEC_H

#include <stddef.h>
#include <linux/npt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** NPT_TLB_SPEC_LEN - a buffer of this size holds the text of any model */
#define NPT_TLB_SPEC_LEN 2048

/**
 * enum npt_tlb_certainty - how well a preset's numbers are known
 * @NPT_TLB_PUBLISHED: from the maker's or other published descriptions that agree
 * @NPT_TLB_DIFFER: published, but sources differ in some number
 * @NPT_TLB_PARTLY: some parts are known, others are not and are left out
 * @NPT_TLB_APPROXIMATE: approximate
 * @NPT_TLB_FROM_SOURCE: from the source code of the simulator it is named after
 */
enum npt_tlb_certainty {
	NPT_TLB_PUBLISHED,
	NPT_TLB_DIFFER,
	NPT_TLB_PARTLY,
	NPT_TLB_APPROXIMATE,
	NPT_TLB_FROM_SOURCE,
};

/**
 * struct npt_tlb_preset - a named TLB model
 * @name: name to give as BASE
 * @title: the processor (or program), for people
 * @spec: the same in items
 * @certainty: enum npt_tlb_certainty
 * @certainty_text: that as a word or two
 * @note: what is uncertain or not modelled; "" if there is nothing to say
 */
struct npt_tlb_preset {
	const char *name;
	const char *title;
	const char *spec;
	enum npt_tlb_certainty certainty;
	const char *certainty_text;
	const char *note;
};

/**
 * npt_tlb_presets() - all presets
 * @n: gets their number
 *
 * Return: a constant array in order of age.
 */
const struct npt_tlb_preset *npt_tlb_presets(size_t *n);

/**
 * npt_tlb_parse() - make a TLB model from text
 * @spec: the text, see above
 * @policy: enum npt_tlb_policy for every TLB array whose own item does not name
 *	one, presets' too; -1: LRU
 * @out: the model; its cost model is npt_tlb_default_cost() but for "cost." items
 * @err: gets one line that names the bad part and what was expected; may be NULL
 * @errlen: size of @err
 *
 * Return: 0, or -EINVAL with @err filled and @out undefined. A model from here
 * always passes the module's checks.
 */
int npt_tlb_parse(const char *spec, int policy, struct npt_tlb_model *out,
		  char *err, size_t errlen);

/**
 * npt_tlb_format() - the text of a TLB model
 * @model: a valid model
 * @buf: gets the text; NPT_TLB_SPEC_LEN bytes are enough for any
 * @len: size of @buf
 *
 * npt_tlb_parse() makes the same model of it, with unused slots last (unless two
 * arrays of one level serve the same kind and page size, which it refuses).
 * Return: length of the text, or -ENOSPC.
 */
int npt_tlb_format(const struct npt_tlb_model *model, char *buf, size_t len);

/**
 * npt_tlb_default_cost() - the cost model where none is given
 *
 * Return: a constant; Documentation/tlb-model.rst says where each number is from.
 */
const struct npt_cost *npt_tlb_default_cost(void);

/**
 * npt_tlb_policy_parse() - number of a replacement policy
 * @name: "lru", "fifo", "lfu" or "plru"
 *
 * Return: enum npt_tlb_policy, or -EINVAL.
 */
int npt_tlb_policy_parse(const char *name);

/**
 * npt_tlb_policy_name() - name of a replacement policy
 * @policy: enum npt_tlb_policy
 *
 * Return: its name as npt_tlb_policy_parse() takes it, or NULL.
 */
const char *npt_tlb_policy_name(unsigned int policy);

#ifdef __cplusplus
}
#endif

#endif /* LIBNPT_TLBSPEC_H */
