/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands that speak netlink share. */
#ifndef NPT_NL_CLI_H
#define NPT_NL_CLI_H

#include "nl.h"
#include "npt.h"

/* Connect; a message that begins with @object and an exit code other than OK if not. */
int nl_cli_open(const char *object, struct npt_nl **nl);

/* "npt: OBJECT: " and what the library said of @err. Returns the exit code. */
int nl_cli_fail(const char *object, int err);

/* The id of a VM (@max 0) or a number up to @max from the command line. */
bool nl_cli_number(const char *object, const char *what, const char *text, uint32_t max,
		   uint32_t *id);

/* npt stat check (stat_check.c). */
int npt_stat_check(struct npt_cli *cli, int argc, char **argv);

#endif /* NPT_NL_CLI_H */
