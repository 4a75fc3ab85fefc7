// SPDX-License-Identifier: GPL-2.0
/* What the commands that speak netlink share. */
#include <errno.h>
#include <stdio.h>

#include "libnpt.h"
#include "nl_cli.h"

int nl_cli_open(const char *object, struct npt_nl **nl)
{
	int err = npt_nl_open(nl);

	if (err == -ENOENT)
		return npt_absent("%s: %s", object, npt_error());
	return err ? nl_cli_fail(object, err) : NPT_EXIT_OK;
}

int nl_cli_fail(const char *object, int err)
{
	if (err == -EPERM || err == -EACCES)
		return npt_absent("%s: %s", object, npt_error());
	return npt_err("%s: %s", object, npt_error());
}

bool nl_cli_number(const char *object, const char *what, const char *text, uint32_t max,
		   uint32_t *id)
{
	unsigned long long value;
	char name[64];

	snprintf(name, sizeof(name), "%s: %s", object, what);
	if (!npt_parse_u64(text, name, max ? 0 : 1, max ? max : UINT32_MAX, &value))
		return false;
	*id = value;
	return true;
}
