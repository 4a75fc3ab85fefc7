// SPDX-License-Identifier: GPL-2.0
/* The writer: JSON values as JSON, as tables and as lists of fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

#define CELL 512

void npt_out_json(struct npt_cli *cli, json_t *value)
{
	json_dumpf(value, stdout,
		   JSON_ENCODE_ANY | (cli->pretty ? JSON_INDENT(2) : JSON_COMPACT));
	putchar('\n');
	json_decref(value);
}

void npt_out_json_line(json_t *value)
{
	json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(value);
}

json_t *npt_json_hex(uint64_t v)
{
	return json_sprintf("0x%llx", (unsigned long long)v);
}

json_t *npt_json_u64(uint64_t v)
{
	return v > INT64_MAX ? npt_json_hex(v) : json_integer(v);
}

/* Digits in groups of three: 1,234,567. */
static void format_group(long long v, char *buf, size_t len)
{
	char digits[32];
	size_t n, i, out = 0;

	snprintf(digits, sizeof(digits), "%lld", v);
	n = strlen(digits);
	for (i = 0; i < n && out + 2 < len; i++) {
		buf[out++] = digits[i];
		if (digits[i] != '-' && i + 1 < n && (n - i - 1) % 3 == 0)
			buf[out++] = ',';
	}
	buf[out] = 0;
}

/* A power of 1024 that leaves a short number; exact where it can be. */
static void format_bytes(long long v, char *buf, size_t len)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double d = v;
	size_t u = 0;

	while (d >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		d /= 1024;
		u++;
	}
	if (d == (long long)d)
		snprintf(buf, len, "%lld %s", (long long)d, units[u]);
	else
		snprintf(buf, len, "%.1f %s", d, units[u]);
}

static void format_number(json_t *value, enum npt_style style, char *buf, size_t len)
{
	long long v = json_is_integer(value) ? json_integer_value(value) : 0;

	switch (style) {
	case NPT_STYLE_GROUP:
		format_group(v, buf, len);
		break;
	case NPT_STYLE_HEX:
		snprintf(buf, len, "0x%llx", v);
		break;
	case NPT_STYLE_BYTES:
		format_bytes(v, buf, len);
		break;
	default:
		snprintf(buf, len, "%lld", v);
	}
}

/* Real numbers: three significant digits are what a reader compares. */
static void format_real(double v, enum npt_style style, char *buf, size_t len)
{
	if (style == NPT_STYLE_PERCENT)
		snprintf(buf, len, "%.3f %%", v * 100);
	else
		snprintf(buf, len, v < 10 ? "%.3f" : v < 100 ? "%.2f" : "%.1f", v);
}

char *npt_out_format(json_t *value, enum npt_style style, char *buf, size_t len)
{
	if (!value || json_is_null(value))
		snprintf(buf, len, "-");
	else if (json_is_string(value))
		snprintf(buf, len, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, len, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_real(value))
		format_real(json_real_value(value), style, buf, len);
	else if (json_is_integer(value))
		format_number(value, style, buf, len);
	else
		snprintf(buf, len, "?");
	return buf;
}

/* Follow a path such as "tlb.l1d.hit". */
static json_t *find(json_t *row, const char *path)
{
	char key[64];
	size_t n;

	while (row && *path) {
		n = strcspn(path, ".");
		if (n >= sizeof(key))
			return NULL;
		memcpy(key, path, n);
		key[n] = 0;
		row = json_object_get(row, key);
		path += n + (path[n] == '.');
	}
	return row;
}

static char *cell(json_t *row, const struct npt_column *col, char *buf)
{
	return npt_out_format(find(row, col->key), col->style, buf, CELL);
}

/* Columns that a terminal shows: bytes of UTF-8 that begin a character. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_cell(const char *text, int width, bool left, bool last)
{
	int pad = width - width_of(text);

	if (!left)
		printf("%*s", pad > 0 ? pad : 0, "");
	fputs(text, stdout);
	if (left && !last)
		printf("%*s", pad > 0 ? pad : 0, "");
	fputs(last ? "\n" : "  ", stdout);
}

static int column_width(json_t *rows, const struct npt_column *col)
{
	int width = width_of(col->title), w;
	char buf[CELL];
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		w = width_of(cell(row, col, buf));
		if (w > width)
			width = w;
	}
	return width;
}

void npt_out_table(struct npt_cli *cli, json_t *rows, const struct npt_column *cols)
{
	const struct npt_column *c;
	int widths[64];
	char buf[CELL];
	json_t *row;
	size_t i;
	int n;

	for (n = 0; cols[n].key && n < 64; n++)
		widths[n] = column_width(rows, &cols[n]);
	fputs(npt_color(cli, NPT_C_BOLD), stdout);
	for (c = cols; c < cols + n; c++)
		print_cell(c->title, widths[c - cols], c->left, c + 1 == cols + n);
	fputs(npt_color(cli, NPT_C_RESET), stdout);
	json_array_foreach(rows, i, row)
		for (c = cols; c < cols + n; c++)
			print_cell(cell(row, c, buf), widths[c - cols], c->left,
				   c + 1 == cols + n);
}

void npt_out_rows(struct npt_cli *cli, json_t *rows, const struct npt_column *cols)
{
	if (cli->json)
		npt_out_json(cli, json_incref(rows));
	else
		npt_out_table(cli, rows, cols);
}

/* The widest cell of one row of the description: a column of the turned table. */
static int turned_width(json_t *row, const struct npt_column *cols)
{
	char buf[CELL];
	int width = 0, w;

	for (; cols->key; cols++) {
		w = *cols->key ? width_of(cell(row, cols, buf)) : 0;
		if (w > width)
			width = w;
	}
	return width;
}

void npt_out_turned(struct npt_cli *cli, json_t *rows, const struct npt_column *cols)
{
	size_t n = json_array_size(rows), i;
	const struct npt_column *c;
	int title = 0, *widths;
	char buf[CELL];

	widths = calloc(n + 1, sizeof(*widths));
	if (!widths)
		return;
	for (c = cols; c->key; c++)
		if (width_of(c->title) > title)
			title = width_of(c->title);
	for (i = 0; i < n; i++)
		widths[i] = turned_width(json_array_get(rows, i), cols);
	for (c = cols; c->key; c++) {
		/* an empty key is a heading */
		if (!*c->key) {
			printf("%s%s%s\n", npt_color(cli, NPT_C_BOLD), c->title,
			       npt_color(cli, NPT_C_RESET));
			continue;
		}
		print_cell(c->title, title, true, !n);
		for (i = 0; i < n; i++)
			print_cell(cell(json_array_get(rows, i), c, buf), widths[i], false,
				   i + 1 == n);
	}
	free(widths);
}

void npt_out_fields(struct npt_cli *cli, json_t *obj, const struct npt_column *cols)
{
	const struct npt_column *c;
	char buf[CELL];
	int title = 0;

	if (cli->json) {
		npt_out_json(cli, json_incref(obj));
		return;
	}
	for (c = cols; c->key; c++)
		if (width_of(c->title) > title)
			title = width_of(c->title);
	for (c = cols; c->key; c++) {
		print_cell(c->title, title, true, false);
		print_cell(cell(obj, c, buf), 0, true, true);
	}
}
