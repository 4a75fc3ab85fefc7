/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traces of memory accesses: reading, writing and summing them up.
 *
 * A trace is a sequence of struct npt_access. It is read as a stream, so that
 * memory use depends neither on its length nor on where it comes from (a file,
 * a pipe). Four formats are read and two are written; Documentation/
 * trace-format.rst describes the native one and what the others are turned into.
 *
 * Functions that return int give 0 (or a count) on success and a negative errno
 * on failure; each failure also leaves one line of text that names the file, the
 * place in it and what was expected there. A reader or writer may be used by one
 * thread at a time; different ones are independent.
 */
#ifndef LIBNPT_TRACE_H
#define LIBNPT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/npt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** NPT_TRACE_ERRLEN - a buffer of this size holds any error line of this file */
#define NPT_TRACE_ERRLEN	512

/** NPT_TRACE_OPS - operation codes that a trace has room for: 0 to 15 */
#define NPT_TRACE_OPS		16

/**
 * enum npt_trace_format - what a trace is written in
 * @NPT_TRACE_AUTO: guess it from the first bytes (readers only)
 * @NPT_TRACE_NPT: the native format
 * @NPT_TRACE_LACKEY: text of valgrind --tool=lackey --trace-mem=yes
 * @NPT_TRACE_DYNAMORIO: text of DynamoRIO's view tool or memtrace samples
 * @NPT_TRACE_CHAMPSIM: ChampSim's 64-byte instruction records
 */
enum npt_trace_format {
	NPT_TRACE_AUTO,
	NPT_TRACE_NPT,
	NPT_TRACE_LACKEY,
	NPT_TRACE_DYNAMORIO,
	NPT_TRACE_CHAMPSIM,
};

/**
 * struct npt_trace_info - what is known of a trace besides its records
 * @format: the format being read (never NPT_TRACE_AUTO)
 * @page_shift: log2 of the page size of the machine of origin, 0 if unknown
 * @exit_status: the traced program's wait status, -1 if unknown
 * @complete: the end was reached and is as it should be
 * @records: total as the trace itself states it, valid if @complete
 * @command: the traced program's command line, "" if unknown
 * @arch: machine of origin as uname(2) names it, "" if unknown
 * @tool: what made the trace, "" if unknown
 *
 * A native trace states @exit_status at its end only, and a lackey trace
 * @command a few lines from its start: look again once all is read.
 */
struct npt_trace_info {
	enum npt_trace_format format;
	unsigned int page_shift;
	int exit_status;
	bool complete;
	uint64_t records;
	const char *command;
	const char *arch;
	const char *tool;
};

struct npt_trace_reader;
struct npt_trace_writer;

/**
 * npt_trace_format_name() - the name of a format as the command line knows it
 * @format: any enum npt_trace_format
 * Return: a constant string, NULL for a number that is no format
 */
const char *npt_trace_format_name(enum npt_trace_format format);

/**
 * npt_trace_format_by_name() - find a format
 * @name: "auto", "npt", "lackey", "dynamorio" or "champsim"
 * @format: set to the format found
 * Return: 0, or -EINVAL for an unknown name
 */
int npt_trace_format_by_name(const char *name, enum npt_trace_format *format);

/**
 * npt_trace_open() - open a trace for reading
 * @path: file name; "-" is standard input
 * @format: its format, or NPT_TRACE_AUTO
 * @reader: set to the new reader
 * @err: buffer for one line of text, filled on failure; may be NULL
 * @errlen: size of @err, best NPT_TRACE_ERRLEN
 *
 * Return: 0, -errno of open(2) or read(2), -ENODATA if the input is empty and
 * its format was to be guessed, -EPROTONOSUPPORT if no format fits (or the
 * input is compressed), -EBADMSG if the native header is damaged.
 */
int npt_trace_open(const char *path, enum npt_trace_format format,
		   struct npt_trace_reader **reader, char *err, size_t errlen);

/**
 * struct npt_trace_source - a descriptor to read a trace from
 * @fd: open for reading; the reader closes it in the end (but for 0), also if it
 *	cannot be opened
 * @name: what error messages shall call it
 * @wait: called before each read(2), or NULL: 0 means read, 1 means take the
 *	input as ended, a negative errno makes the call fail with it
 * @arg: passed to @wait
 */
struct npt_trace_source {
	int fd;
	const char *name;
	int (*wait)(void *arg);
	void *arg;
};

/**
 * npt_trace_open_source() - open a trace on a descriptor
 * @source: where it is; not needed any more afterwards
 * @format: as for npt_trace_open()
 * @reader: set to the new reader
 * @err: as for npt_trace_open()
 * @errlen: size of @err
 * Return: as npt_trace_open(), and what @source->wait gives
 */
int npt_trace_open_source(const struct npt_trace_source *source,
			  enum npt_trace_format format, struct npt_trace_reader **reader,
			  char *err, size_t errlen);

/**
 * npt_trace_read() - read the next records
 * @reader: the reader
 * @buf: where to put them
 * @n: how many at most
 *
 * Records before a damaged place are delivered first, the error comes with the
 * next call and stays.
 *
 * Return: how many were read, at least 1 and maybe fewer than @n; 0 at the
 * proper end; -EBADMSG if the trace is damaged, cut or nonsense; -errno of
 * read(2). npt_trace_error() has the text.
 */
ssize_t npt_trace_read(struct npt_trace_reader *reader, struct npt_access *buf,
		       size_t n);

/**
 * npt_trace_rewind() - go back to the first record
 * @reader: the reader; an earlier error is forgotten
 * Return: 0, or -ESPIPE if the input cannot seek
 */
int npt_trace_rewind(struct npt_trace_reader *reader);

/**
 * npt_trace_error() - one line about the last failure of this reader
 * @reader: the reader
 * Return: text without a newline, "" if nothing has failed
 */
const char *npt_trace_error(const struct npt_trace_reader *reader);

/**
 * npt_trace_info() - what is known by now of the trace being read
 * @reader: the reader
 * Return: valid until the reader is used again
 */
const struct npt_trace_info *npt_trace_info(const struct npt_trace_reader *reader);

/**
 * npt_trace_position() - how far reading has come, for progress messages
 * @reader: the reader
 * @done: set to the bytes taken in
 * @total: set to the size of the input, 0 if that is unknown
 */
void npt_trace_position(const struct npt_trace_reader *reader, uint64_t *done,
			uint64_t *total);

/**
 * npt_trace_close() - end reading
 * @reader: the reader, or NULL
 */
void npt_trace_close(struct npt_trace_reader *reader);

/**
 * npt_trace_create() - start to write a trace
 * @path: file name; "-" is standard output
 * @format: NPT_TRACE_NPT or NPT_TRACE_LACKEY
 * @info: command, arch, tool and page_shift to put into the trace, or NULL
 * @writer: set to the new writer
 * @err: buffer for one line of text, filled on failure; may be NULL
 * @errlen: size of @err
 *
 * A regular file is written under another name in the same directory and takes
 * the name @path only in npt_trace_commit(): until then what @path named before
 * stays as it was.
 *
 * Return: 0, -errno of open(2), -EINVAL for a format that is not written
 */
int npt_trace_create(const char *path, enum npt_trace_format format,
		     const struct npt_trace_info *info,
		     struct npt_trace_writer **writer, char *err, size_t errlen);

/**
 * npt_trace_write() - append records
 * @writer: the writer
 * @buf: the records
 * @n: how many
 *
 * Return: 0; -EINVAL for a record that cannot be (operation above 15, size 0 of
 * a read, write or fetch, end past 2^64); -EOPNOTSUPP for a record that the
 * format cannot express; -errno of write(2), for example -ENOSPC.
 * npt_trace_writer_error() has the text. After a failure only
 * npt_trace_abort() makes sense.
 */
int npt_trace_write(struct npt_trace_writer *writer, const struct npt_access *buf,
		    size_t n);

/**
 * npt_trace_set_info() - state what the header shall say, after creation
 * @writer: a writer that nothing was written to yet
 * @info: as for npt_trace_create(); replaces all of what was given there
 * Return: 0, -EBUSY if the header has been written, -ENOMEM
 */
int npt_trace_set_info(struct npt_trace_writer *writer, const struct npt_trace_info *info);

/**
 * npt_trace_set_exit_status() - state how the traced program ended
 * @writer: the writer
 * @status: as waitpid(2) gives it
 */
void npt_trace_set_exit_status(struct npt_trace_writer *writer, int status);

/**
 * npt_trace_writer_error() - one line about the last failure of this writer
 * @writer: the writer
 * Return: text without a newline, "" if nothing has failed
 */
const char *npt_trace_writer_error(const struct npt_trace_writer *writer);

/**
 * npt_trace_written() - the size of the trace if it were committed now
 * @writer: the writer
 * Return: the number of bytes
 */
uint64_t npt_trace_written(const struct npt_trace_writer *writer);

/**
 * npt_trace_commit() - finish a trace and give it its name
 * @writer: freed, whatever the outcome
 * @err: buffer for one line of text, filled on failure; may be NULL
 * @errlen: size of @err
 * Return: 0, or -errno; then no file is left behind
 */
int npt_trace_commit(struct npt_trace_writer *writer, char *err, size_t errlen);

/**
 * npt_trace_abort() - give up on a trace and remove what was written
 * @writer: freed; NULL is ignored
 */
void npt_trace_abort(struct npt_trace_writer *writer);

/**
 * struct npt_trace_range - an interval of addresses
 * @first: lowest address
 * @last: highest address (inclusive, so that the top of memory can be named)
 */
struct npt_trace_range {
	uint64_t first;
	uint64_t last;
};

/**
 * struct npt_trace_page - a page and how often it was accessed
 * @gva: its first address
 * @accesses: records that touch it
 */
struct npt_trace_page {
	uint64_t gva;
	uint64_t accesses;
};

/**
 * struct npt_trace_summary - what a trace consists of
 * @records: number of records
 * @by_op: the same by operation; they add up to @records
 * @bytes_by_op: bytes that each operation moved
 * @crossing_4k: records that touch two 4K pages or more
 * @crossing_2m: records that touch two 2M pages or more
 * @pages_4k: distinct 4K pages
 * @pages_2m: distinct 2M pages
 * @lowest: lowest address accessed, meaningful if @pages_4k is not 0
 * @highest: highest address accessed
 *
 * Only reads, writes and fetches have addresses: other operations count in
 * @records and @by_op alone.
 */
struct npt_trace_summary {
	uint64_t records;
	uint64_t by_op[NPT_TRACE_OPS];
	uint64_t bytes_by_op[NPT_TRACE_OPS];
	uint64_t crossing_4k;
	uint64_t crossing_2m;
	uint64_t pages_4k;
	uint64_t pages_2m;
	uint64_t lowest;
	uint64_t highest;
};

struct npt_trace_counter;

/**
 * npt_trace_counter_new() - start a summary
 * Return: NULL without memory
 */
struct npt_trace_counter *npt_trace_counter_new(void);

/**
 * npt_trace_counter_add() - count records
 * @counter: the summary; its memory grows with the number of distinct pages
 * @buf: the records
 * @n: how many
 * Return: 0 or -ENOMEM
 */
int npt_trace_counter_add(struct npt_trace_counter *counter,
			  const struct npt_access *buf, size_t n);

/**
 * npt_trace_counter_get() - the figures so far
 * @counter: the summary
 * @summary: filled
 */
void npt_trace_counter_get(struct npt_trace_counter *counter,
			   struct npt_trace_summary *summary);

/**
 * npt_trace_counter_ranges() - the pages touched, merged into ranges
 * @counter: the summary
 * @gap: also merge ranges that at most this many untouched bytes separate
 * @ranges: set to an array in ascending order, to be released with free()
 * @n: set to its length
 * Return: 0 or -ENOMEM
 */
int npt_trace_counter_ranges(struct npt_trace_counter *counter, uint64_t gap,
			     struct npt_trace_range **ranges, size_t *n);

/**
 * npt_trace_counter_top() - the pages accessed most often
 * @counter: the summary
 * @top: filled with 4K pages, the most frequent first, equals by address
 * @max: size of @top
 * Return: how many were filled in
 */
size_t npt_trace_counter_top(struct npt_trace_counter *counter,
			     struct npt_trace_page *top, size_t max);

/**
 * npt_trace_counter_free() - end a summary
 * @counter: the summary, or NULL
 */
void npt_trace_counter_free(struct npt_trace_counter *counter);

#ifdef __cplusplus
}
#endif

#endif /* LIBNPT_TRACE_H */
