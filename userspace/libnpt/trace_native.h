/* SPDX-License-Identifier: GPL-2.0 */
/* The native trace format, see Documentation/trace-format.rst. All is little-endian. */
#ifndef LIBNPT_TRACE_NATIVE_H
#define LIBNPT_TRACE_NATIVE_H

#include <assert.h>
#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that text transfers would damage: high bit, CR LF, end-of-file, LF. */
#define TRACE_MAGIC		"\x89NPT\r\n\x1a\n"
#define TRACE_MAGIC_LEN		8

#define TRACE_MAJOR		1
#define TRACE_MINOR		0

/* Header: magic, u16 major, u16 minor, u32 length of it all, items, u32 CRC. */
#define TRACE_HEAD_FIXED	16
#define TRACE_HEAD_MAX		(64 * 1024)

/* Block: u32 kind, u32 number, u32 payload bytes, u32 records, u32 CRC, payload. */
#define TRACE_BLOCK_HEAD	20
#define TRACE_BLOCK_CRC_AT	16
#define TRACE_BLOCK_DATA	0x544b4c42	/* "BLKT" */
#define TRACE_BLOCK_END		0x5f444e45	/* "END_" */

/* Limits of a reader; the writer stays far below. */
#define TRACE_PAYLOAD_MAX	(1024 * 1024)
#define TRACE_RECORDS_MAX	(1024 * 1024)

/* Items of the header and the end block: u16 type, u16 length, data. */
#define TRACE_ITEM_HEAD		4
#define TRACE_ITEM_MAX		65535
#define TRACE_ITEM_CRITICAL	0x8000	/* who does not know the type must give up */

enum trace_head_item {
	TRACE_HEAD_COMMAND = 1,		/* text */
	TRACE_HEAD_ARCH = 2,		/* text */
	TRACE_HEAD_TOOL = 3,		/* text */
	TRACE_HEAD_PAGE_SHIFT = 4,	/* u8 */
};

enum trace_end_item {
	TRACE_END_RECORDS = 1,		/* u64, always there */
	TRACE_END_EXIT_STATUS = 2,	/* u32 */
};

/*
 * Records. A tag byte says what follows.
 *
 * 0dddssss	fetch of s bytes (1..15), at the end of the previous fetch plus a
 *		signed difference of 0, 1, 2, 3, 4 or 8 bytes for d = 0..5
 * 1wccddbb	read (w = 0) or write (w = 1) at address register b plus a signed
 *		difference of 1, 2, 4 or 8 bytes for d = 0..3; c = 0..2: of 8, 4 or
 *		1 bytes, c = 3: the size follows in a u16
 * 00000000	any record: u8 operation, u8 flags, u16 size, u64 address, u64 data
 * 00010000	u8 flags of the records to come (but for the kind above)
 *
 * A data record sets its register to its address. A block starts with all five
 * registers 0 and the flags NPT_ACCESS_USER.
 */
#define TRACE_TAG_ANY		0x00
#define TRACE_TAG_FLAGS		0x10
#define TRACE_TAG_DATA		0x80
#define TRACE_TAG_WRITE		0x40
#define TRACE_FETCH_SIZES	16
#define TRACE_DATA_REGS		4
#define TRACE_FETCH_REG		4	/* the end of the previous fetch */
#define TRACE_SIZE_FOLLOWS	3
#define TRACE_ANY_LEN		21	/* the longest record */

static_assert(TRACE_ANY_LEN <= 64, "decoders load past the end of the payload");

uint32_t trace_crc32c(uint32_t crc, const void *data, size_t len);

static inline uint16_t trace_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t trace_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t trace_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint8_t *trace_put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *trace_put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *trace_put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

#endif /* LIBNPT_TRACE_NATIVE_H */
