// SPDX-License-Identifier: GPL-2.0
/* The file that npt run runs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_file.h"
#include "npt.h"

/* A file larger than this is no guest for a machine of a few GiB. */
#define MAX_IMAGE	(1LL << 30)

/* Where npt's own guests are, from the tool's folder: installed, and in the tree. */
static const char *const folders[] = { "../share/npt/guests", "../guests" };
static const char *const suffixes[] = { "", ".elf", ".bin" };

/* The tool's folder with its last slash; false: it can't be told. */
static bool own_folder(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	return true;
}

static int open_own(const char *name)
{
	char own[PATH_MAX], path[2 * PATH_MAX];
	unsigned int i, j;
	int fd;

	if (strchr(name, '/') || strlen(name) > NAME_MAX || !own_folder(own, sizeof(own)))
		return -1;
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		for (j = 0; j < sizeof(suffixes) / sizeof(suffixes[0]); j++) {
			snprintf(path, sizeof(path), "%s%s/%s%s", own, folders[i], name,
				 suffixes[j]);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0)
				return fd;
		}
	}
	return -1;
}

/* What the user has comes first; what is missing there may be npt's own. */
static int open_guest(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = errno;

	if (fd < 0 && err == ENOENT)
		fd = open_own(path);
	errno = err;
	return fd;
}

/* Up to @size bytes; a file that shrinks meanwhile gives fewer. */
static size_t read_all(int fd, char *to, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, to + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

int guest_file_read(const char *path, struct npt_image *image, void **data)
{
	int fd = open_guest(path);
	struct stat st;

	if (fd < 0)
		return npt_err("run: %s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MAX_IMAGE) {
		close(fd);
		return npt_err("run: %s: expected a file of at most 1 GiB", path);
	}
	*data = malloc(st.st_size + 1);
	if (!*data) {
		close(fd);
		return npt_err("run: %s: no memory for it", path);
	}
	image->data = *data;
	image->size = read_all(fd, *data, st.st_size);
	image->name = path;
	close(fd);
	return NPT_EXIT_OK;
}
