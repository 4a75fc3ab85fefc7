// SPDX-License-Identifier: GPL-2.0
/*
 * The picture of a walk. Guest levels go down the side; the nested reads that
 * each of them needs first go across; numbers are the order of the hardware.
 */
#include <stdio.h>
#include <string.h>

#include "libnpt.h"
#include "output.h"
#include "walk_picture.h"

#define NO_BIT 255

static const char *dim_name(unsigned int dim)
{
	static const char *const names[] = {
		[NPT_DIM_GUEST] = "guest", [NPT_DIM_NESTED] = "nested",
		[NPT_DIM_SHADOW] = "shadow",
	};

	return dim <= NPT_DIM_SHADOW ? names[dim] : "?";
}

static const char *op_name(const struct walk *w)
{
	static const char *const names[] = {
		[NPT_OP_READ] = "read", [NPT_OP_WRITE] = "write", [NPT_OP_FETCH] = "fetch",
	};

	return w->e.op <= NPT_OP_FETCH ? names[w->e.op] : "?";
}

/* Did the walk end here for want of something? */
static bool is_fatal(const struct npt_walk_entry *e)
{
	return e->verdict > NPT_VERDICT_LEAF;
}

static json_t *entry_json(const struct npt_walk_entry *e, unsigned int number)
{
	return json_pack("{s:i, s:s, s:i, s:i, s:o, s:o, s:o, s:s, s:o, s:o}", "number",
			 (int)number, "dimension", dim_name(e->dim), "level", (int)e->level,
			 "index", (int)e->index, "address", npt_json_hex(e->address), "value",
			 npt_json_hex(e->value), "input", npt_json_hex(e->input), "verdict",
			 npt_verdict_name(e->verdict), "bit",
			 e->bit == NO_BIT ? json_null() : json_integer(e->bit), "guest_level",
			 e->dim == NPT_DIM_NESTED ? json_integer(e->guest_level) : json_null());
}

json_t *walk_json(const struct walk *w)
{
	json_t *entries = json_array();
	unsigned int i;

	for (i = 0; i < w->e.count; i++)
		json_array_append_new(entries, entry_json(&w->ent[i], i + 1));
	return json_pack("{s:o, s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:{s:i, s:i},"
			 " s:b, s:o}", "gva", npt_json_hex(w->e.gva), "op", op_name(w), "user",
			 (int)w->e.user, "mmu", npt_mmu_name(w->mmu), "nested_format",
			 npt_nested_format_name(w->nested_format), "where", w->where, "status",
			 npt_status_name(w->e.status), "gpa", npt_json_hex(w->e.gpa), "hpa",
			 npt_json_hex(w->e.hpa), "page",
			 w->e.page_shift ? json_string(npt_page_name(w->e.page_shift)) :
					   json_null(),
			 "error_code", (int)w->e.error_code, "refs", "guest",
			 (int)w->e.refs_guest, "nested", (int)w->e.refs_nested, "in_process",
			 w->in_process, "entries", entries);
}

/* --- the picture --- */

static void print_title(struct npt_cli *cli, const struct walk *w)
{
	printf("%sgva 0x%llx%s, %s by %s: %s mode", npt_color(cli, NPT_C_BOLD),
	       (unsigned long long)w->e.gva, npt_color(cli, NPT_C_RESET), op_name(w),
	       w->e.user ? "the user" : "the supervisor", npt_mmu_name(w->mmu));
	if (w->mmu == NPT_MMU_NESTED)
		printf(", nested tables of %u levels (%s)", w->nested_levels,
		       npt_nested_format_name(w->nested_format));
	printf("\n%s\n\n", w->where);
}

/* The number of a read, as wide as four characters; red where the walk broke. */
static void print_number(struct npt_cli *cli, const struct npt_walk_entry *e,
			 unsigned int number)
{
	const char *mark = is_fatal(e) ? npt_color(cli, NPT_C_RED) :
			   e->verdict == NPT_VERDICT_LEAF ? npt_color(cli, NPT_C_GREEN) : "";

	printf("%s%3u%c%s", mark, number,
	       is_fatal(e) ? '!' : e->verdict == NPT_VERDICT_LEAF ? '*' : ' ',
	       *mark ? npt_color(cli, NPT_C_RESET) : "");
}

/* A guest's (or shadow) entry: "  5   L4[  0] 0x..." */
static void print_entry(struct npt_cli *cli, const struct npt_walk_entry *e,
			unsigned int number)
{
	print_number(cli, e, number);
	printf("  L%u[%4u]  0x%016llx  %s\n", e->level, e->index, (unsigned long long)e->value,
	       e->verdict == NPT_VERDICT_NEXT ? "to the next table" :
	       e->verdict == NPT_VERDICT_LEAF ? "maps the page" : npt_verdict_name(e->verdict));
}

static void print_nested_header(struct npt_cli *cli, const struct walk *w)
{
	unsigned int l;

	printf("%s%-18s", npt_color(cli, NPT_C_BOLD), "gpa to be found");
	for (l = w->nested_levels; l; l--)
		printf("    nL%u", l);
	printf("    guest entry%s\n", npt_color(cli, NPT_C_RESET));
}

/*
 * One line: the nested reads from @i on that serve one guest level, and the guest
 * entry that they lead to. Gives the index of the next line's first read.
 */
static unsigned int print_nested_line(struct npt_cli *cli, const struct walk *w,
				      unsigned int i)
{
	const struct npt_walk_entry *e = &w->ent[i];
	unsigned int l, serves = e->guest_level;
	bool last = !serves;

	if (e->dim == NPT_DIM_NESTED)
		printf("0x%-16llx", (unsigned long long)e->input);
	else
		printf("%-18s", "");
	for (l = w->nested_levels; l; l--) {
		e = &w->ent[i];
		if (i < w->e.count && e->dim == NPT_DIM_NESTED && e->level == l &&
		    e->guest_level == serves) {
			fputs(l == w->nested_levels ? "   " : "-> ", stdout);
			print_number(cli, e, ++i);
		} else {
			fputs("       ", stdout);
		}
	}
	if (i < w->e.count && w->ent[i].dim == NPT_DIM_GUEST && !last) {
		fputs(" =>", stdout);
		print_entry(cli, &w->ent[i], i + 1);
		return i + 1;
	}
	if (last && i && !is_fatal(&w->ent[i - 1]))
		printf(" => the page\n");
	else
		putchar('\n');
	return i;
}

static void print_nested(struct npt_cli *cli, const struct walk *w)
{
	unsigned int i = 0, next;

	print_nested_header(cli, w);
	while (i < w->e.count) {
		next = print_nested_line(cli, w, i);
		if (next == i)	/* an entry that fits nowhere: show it by itself */
			print_entry(cli, &w->ent[next++], i + 1);
		i = next;
	}
}

static void print_list(struct npt_cli *cli, const struct walk *w, unsigned int dim,
		       const char *title)
{
	bool any = false;
	unsigned int i;

	printf("%s%s%s\n", npt_color(cli, NPT_C_BOLD), title, npt_color(cli, NPT_C_RESET));
	for (i = 0; i < w->e.count; i++) {
		if (w->ent[i].dim != dim)
			continue;
		print_entry(cli, &w->ent[i], i + 1);
		any = true;
	}
	if (!any)
		puts("  (none yet)");
}

static void print_culprit(struct npt_cli *cli, const struct walk *w)
{
	const struct npt_walk_entry *e;
	unsigned int i;

	for (i = 0; i < w->e.count; i++) {
		e = &w->ent[i];
		if (!is_fatal(e))
			continue;
		printf("%sread %u, %s L%u[%u]: %s", npt_color(cli, NPT_C_RED), i + 1,
		       dim_name(e->dim), e->level, e->index, npt_verdict_text(e->verdict));
		if (e->bit != NO_BIT)
			printf(" (bit %u of 0x%llx decides)", e->bit, (unsigned long long)e->value);
		printf("%s\n", npt_color(cli, NPT_C_RESET));
	}
}

static void print_verdict(struct npt_cli *cli, const struct walk *w)
{
	const struct npt_explain *e = &w->e;

	switch (e->status) {
	case NPT_STATUS_OK:
		printf("%sgpa 0x%llx%s", npt_color(cli, NPT_C_GREEN), (unsigned long long)e->gpa,
		       npt_color(cli, NPT_C_RESET));
		if (e->hpa)
			printf(", hpa 0x%llx", (unsigned long long)e->hpa);
		printf(", a page of %s\n", npt_page_name(e->page_shift));
		break;
	case NPT_STATUS_GUEST_PF:
		printf("page fault for the guest, error code 0x%x\n", e->error_code);
		break;
	case NPT_STATUS_GUEST_GP:
		puts("general protection fault for the guest: the address is not canonical");
		break;
	case NPT_STATUS_HOST_FAULT:
		printf("the module's tables lack gpa 0x%llx; an access would have it filled in\n",
		       (unsigned long long)e->gpa);
		break;
	default:
		printf("ends at gpa 0x%llx: %s\n", (unsigned long long)e->gpa,
		       npt_status_name(e->status));
	}
}

static void print_totals(const struct walk *w)
{
	unsigned int g = w->e.refs_guest, n = w->e.refs_nested;

	if (w->mmu == NPT_MMU_NESTED)
		printf("%u guest + %u nested = %u reference%s", g, n, g + n,
		       g + n == 1 ? "" : "s");
	else
		printf("%u reference%s", g, g == 1 ? "" : "s");
	/* the formula holds where every nested walk has the same length */
	if (w->mmu == NPT_MMU_NESTED && w->e.status == NPT_STATUS_OK && !(n % (g + 1)))
		printf(" = (%u + 1) x (%u + 1) - 1", g, n / (g + 1));
	putchar('\n');
}

void walk_print(struct npt_cli *cli, const struct walk *w)
{
	print_title(cli, w);
	switch (w->mmu) {
	case NPT_MMU_NESTED:
		print_nested(cli, w);
		break;
	case NPT_MMU_SHADOW:
		print_list(cli, w, NPT_DIM_SHADOW, "shadow tables (gva -> hpa), what is walked");
		print_list(cli, w, NPT_DIM_GUEST,
			   "guest tables (gva -> gpa), what they were made from");
		break;
	default:
		print_list(cli, w, NPT_DIM_GUEST, "guest tables (gva -> gpa)");
	}
	putchar('\n');
	print_culprit(cli, w);
	print_verdict(cli, w);
	print_totals(w);
}
