/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tool's one writer. A command builds its answer as a JSON value; with -j it
 * is printed as it is, else as a table or a list of fields that a short
 * description of the columns picks from the same value. So text and JSON can't
 * disagree.
 */
#ifndef NPT_OUTPUT_H
#define NPT_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

#include "npt.h"

/* How a value is written as text. Strings are written as they are. */
enum npt_style {
	NPT_STYLE_PLAIN,	/* 1234 */
	NPT_STYLE_GROUP,	/* 1,234,567 */
	NPT_STYLE_HEX,		/* 0x4d2 */
	NPT_STYLE_BYTES,	/* 1.2 KiB */
	NPT_STYLE_PERCENT,	/* 1.23 % of a real number 0.0123 */
	NPT_STYLE_YESNO,	/* yes, no */
};

/*
 * One column (or field). @key is a path into the row: "tlb.l1d.hit". A value that
 * is missing or null is written as "-".
 */
struct npt_column {
	const char *key;
	const char *title;
	enum npt_style style;
	bool left;		/* flush left; numbers are best flush right */
};

/* Steals the reference @value, prints it as JSON with a newline at the end. */
void npt_out_json(struct npt_cli *cli, json_t *value);

/* The same on one line whatever -p says, flushed: for streams of events. */
void npt_out_json_line(json_t *value);

/*
 * Print an array of objects: JSON, or a table with a line of titles. Columns end
 * with a NULL key. Does not steal @rows. Text only: npt_out_table().
 */
void npt_out_rows(struct npt_cli *cli, json_t *rows, const struct npt_column *cols);
void npt_out_table(struct npt_cli *cli, json_t *rows, const struct npt_column *cols);

/* Text: the same table turned: a line per column, a column per row. */
void npt_out_turned(struct npt_cli *cli, json_t *rows, const struct npt_column *cols);

/* Print one object: JSON, or "title: value" lines. Does not steal @obj. */
void npt_out_fields(struct npt_cli *cli, json_t *obj, const struct npt_column *cols);

/* Write a value as text into @buf and return @buf. */
char *npt_out_format(json_t *value, enum npt_style style, char *buf, size_t len);

/*
 * Numbers of 64 bits: jansson's are signed, a counter or address above 2^63 - 1
 * becomes a string of 0x digits.
 */
json_t *npt_json_u64(uint64_t v);
/* An address: a string "0x...". */
json_t *npt_json_hex(uint64_t v);

#endif /* NPT_OUTPUT_H */
