// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "test.h"

const uint8_t *fuzz_edge(const void *data, size_t last)
{
	static uint8_t *end;

	CHECK(last <= FUZZ_EDGE_MAX, "%zu bytes, room for %d", last, FUZZ_EDGE_MAX);
	if (!end) {
		void *p = mmap(NULL, FUZZ_EDGE_MAX + 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED, "no memory");
		end = (uint8_t *)p + FUZZ_EDGE_MAX;
		CHECK(!mprotect(end, 4096, PROT_NONE), "mprotect");
	}
	memcpy(end - last, data, last);
	return end - last;
}
