// SPDX-License-Identifier: GPL-2.0
/* The start in C, the serial port, the two ways out, the command line. */
#include "guest.h"

#define SERIAL		0x3f8
#define SERIAL_LSR	(SERIAL + 5)
#define LSR_EMPTY	0x20
#define EXIT_PORT	0xf4
#define POWER_PORT	0x604
#define SLP_EN		0x2000

#define MB_LOADED	0x2badb002
#define MB_INFO_MEMORY	(1 << 0)
#define MB_INFO_CMDLINE	(1 << 2)

volatile unsigned int failures;

static const char *cmdline = "";
static uint64_t top = 2 << 20;
static volatile int print_lock;

uint64_t memory_end(void)
{
	return top;
}

void power_off(void)
{
	outw(POWER_PORT, SLP_EN);
	for (;;)
		asm volatile("cli; hlt");
}

void leave(uint8_t code)
{
	outb(EXIT_PORT, code);
	for (;;)
		asm volatile("cli; hlt");
}

void guest_main(uint32_t magic, const uint32_t *info);

void guest_main(uint32_t magic, const uint32_t *info)
{
	if (magic == MB_LOADED && info[0] & MB_INFO_CMDLINE)
		cmdline = (const char *)(uint64_t)info[4];
	if (magic == MB_LOADED && info[0] & MB_INFO_MEMORY)
		top = (1 << 20) + ((uint64_t)info[2] << 10);
	cpu_init();
	trap_init();
	if (main())
		fail("main() says so");
	if (failures)
		leave(1);
	power_off();
}

/* --- printing --- */

/* As a string instruction: one exit for a line, not one for each letter. */
void print_bytes(const char *data, size_t n)
{
	while (!(inb(SERIAL_LSR) & LSR_EMPTY))
		pause();
	asm volatile("rep outsb" : "+S" (data), "+c" (n) : "d" ((uint16_t)SERIAL) : "memory");
}

struct line {
	char text[256];
	size_t n;
};

static void put(struct line *l, char c)
{
	if (l->n < sizeof(l->text))
		l->text[l->n++] = c;
}

static void put_number(struct line *l, uint64_t v, unsigned int base, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	for (; width > n; width--)
		put(l, pad);
	while (n)
		put(l, digits[--n]);
}

static void put_string(struct line *l, const char *s, int width)
{
	int n = strlen(s);

	while (*s)
		put(l, *s++);
	for (; width > n; width--)
		put(l, ' ');
}

static void put_argument(struct line *l, char c, bool is_long, int width, char pad, va_list *ap)
{
	uint64_t v;

	switch (c) {
	case 's':
		put_string(l, va_arg(*ap, const char *), width);
		return;
	case 'c':
		put(l, va_arg(*ap, int));
		return;
	case 'd':
		v = is_long ? (uint64_t)va_arg(*ap, long) : (uint64_t)va_arg(*ap, int);
		if ((int64_t)v < 0) {
			put(l, '-');
			v = -v;
		}
		put_number(l, v, 10, width, pad);
		return;
	case 'u':
	case 'x':
		v = is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
		put_number(l, v, c == 'u' ? 10 : 16, width, pad);
		return;
	default:
		put(l, c);
		return;
	}
}

static void vprint(struct line *l, const char *fmt, va_list *ap)
{
	bool is_long;
	int width;
	char pad;

	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(l, *fmt);
			continue;
		}
		fmt++;
		pad = *fmt == '0' ? '0' : ' ';
		for (width = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (is_long = false; *fmt == 'l'; fmt++)
			is_long = true;
		put_argument(l, *fmt, is_long, width, pad, ap);
	}
}

static void print_line(struct line *l)
{
	while (__atomic_exchange_n(&print_lock, 1, __ATOMIC_ACQUIRE))
		pause();
	print_bytes(l->text, l->n);
	__atomic_store_n(&print_lock, 0, __ATOMIC_RELEASE);
}

void print(const char *fmt, ...)
{
	struct line l = { .n = 0 };
	va_list ap;

	va_start(ap, fmt);
	vprint(&l, fmt, &ap);
	va_end(ap);
	print_line(&l);
}

void fail(const char *fmt, ...)
{
	struct line l = { .n = 0 };
	va_list ap;

	/* the first few say it all */
	if (__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST) > 20)
		return;
	va_start(ap, fmt);
	put_string(&l, "WRONG: ", 0);
	vprint(&l, fmt, &ap);
	put(&l, '\n');
	va_end(ap);
	print_line(&l);
}

/* --- what a C library would have; the compiler calls the first two --- */

void *memset(void *to, int c, size_t n)
{
	void *p = to;

	asm volatile("rep stosb" : "+D" (p), "+c" (n) : "a" (c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *p = to;

	asm volatile("rep movsb" : "+D" (p), "+S" (from), "+c" (n) : : "memory");
	return to;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* --- the command line --- */

/* What follows @name in a word that begins with it, NULL if there is none. */
static const char *word_after(const char *name)
{
	size_t n = strlen(name), i;
	const char *p;

	for (p = cmdline; *p; p++) {
		if (p != cmdline && p[-1] != ' ')
			continue;
		for (i = 0; i < n && p[i] == name[i]; i++)
			;
		if (i == n)
			return p + n;
	}
	return NULL;
}

uint64_t option(const char *name, uint64_t otherwise)
{
	const char *p = word_after(name);
	uint64_t v = 0;

	if (!p || *p++ != '=')
		return otherwise;
	for (; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + *p - '0';
	return v;
}

bool option_set(const char *name)
{
	const char *p = word_after(name);

	return p && (!*p || *p == ' ');
}
