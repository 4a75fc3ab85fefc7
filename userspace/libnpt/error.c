// SPDX-License-Identifier: GPL-2.0
/* The text behind a negative errno, one per thread. */
#include <stdarg.h>
#include <stdio.h>

#include "libnpt_priv.h"

static __thread char error_text[1024];

const char *npt_error(void)
{
	return error_text;
}

int npt_set_error(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	return err;
}

int npt_set_errno(int err, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (err >= 0)
		return err;
	va_start(ap, fmt);
	n = vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(error_text))
		snprintf(error_text + n, sizeof(error_text) - n, ": %s", strerror(-err));
	return err;
}
