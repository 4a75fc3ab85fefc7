/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fuzz targets: each takes any bytes and ends the process if something is
 * wrong. A target is one file, fuzz_NAME.c, built twice: with libFuzzer (FUZZ_ALONE),
 * and with all others into fuzz_test, which plays what was found again.
 */
#ifndef HOST_FUZZ_H
#define HOST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#ifdef FUZZ_ALONE
#define FUZZ_TARGET(name)						\
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);	\
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)	\
	{								\
		fuzz_##name(data, size);				\
		return 0;						\
	}
#else
#define FUZZ_TARGET(name)
#endif

void fuzz_decode(const uint8_t *data, size_t size);
void fuzz_emulate(const uint8_t *data, size_t size);
void fuzz_load(const uint8_t *data, size_t size);
void fuzz_mmu(const uint8_t *data, size_t size);
void fuzz_nl(const uint8_t *data, size_t size);
void fuzz_shadow(const uint8_t *data, size_t size);
void fuzz_tlbspec(const uint8_t *data, size_t size);
void fuzz_trace(const uint8_t *data, size_t size);
void fuzz_walk(const uint8_t *data, size_t size);

/*
 * Memory that ends where an inaccessible page begins, so that a read past the
 * end is seen without AddressSanitizer too. @last bytes of it hold @data.
 */
#define FUZZ_EDGE_MAX	(64 * 1024)
const uint8_t *fuzz_edge(const void *data, size_t last);

#endif /* HOST_FUZZ_H */
