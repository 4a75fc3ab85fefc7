/* SPDX-License-Identifier: GPL-2.0 */
/* The file that npt run runs: found by its name, read whole. */
#ifndef NPT_GUEST_FILE_H
#define NPT_GUEST_FILE_H

#include "machine.h"

/*
 * Read the file @path, or npt's own guest of that name, into @image; its data is
 * to be freed. An exit status, NPT_EXIT_OK if that went well.
 */
int guest_file_read(const char *path, struct npt_image *image, void **data);

#endif /* NPT_GUEST_FILE_H */
