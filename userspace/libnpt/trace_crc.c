// SPDX-License-Identifier: GPL-2.0
/* CRC-32C (Castagnoli), eight bytes at a step. */
#include <pthread.h>

#include "trace_native.h"

#define POLYNOMIAL	0x82f63b78	/* bits reversed */

/* table[k][b]: what byte b does to the sum when k more bytes follow it. */
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	uint32_t b, v;
	int i, k;

	for (b = 0; b < 256; b++) {
		v = b;
		for (i = 0; i < 8; i++)
			v = v >> 1 ^ (v & 1 ? POLYNOMIAL : 0);
		table[0][b] = v;
	}
	for (b = 0; b < 256; b++)
		for (k = 1; k < 8; k++)
			table[k][b] = table[k - 1][b] >> 8 ^
				      table[0][table[k - 1][b] & 0xff];
}

static uint32_t eight_bytes(uint32_t crc, uint64_t v)
{
	uint32_t sum = 0;
	int k;

	v ^= crc;
	for (k = 7; k >= 0; k--, v >>= 8)
		sum ^= table[k][v & 0xff];
	return sum;
}

/**
 * trace_crc32c() - the sum of @len bytes more
 * @crc: 0, or the sum of the bytes before
 * @data: the bytes
 * @len: how many
 * Return: the sum
 */
uint32_t trace_crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	pthread_once(&once, fill_table);
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8)
		crc = eight_bytes(crc, trace_get64(p));
	for (; len; p++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}
