// SPDX-License-Identifier: GPL-2.0
/*
 * The emulator's core where a processor can't be asked: devices instead of
 * memory, memory that changes under a lock, attempts that are begun again.
 */
#include <asm/processor-flags.h>
#include <string.h>

#include "engine/x86/emulate.h"
#include "test.h"

#define PAGE 4096
#define RAM_PAGE 0x10000	/* a page of memory, */
#define DEVICE 0x11000		/* a device, */
#define ROM_PAGE 0x12000	/* a page that can't be written, another device */
#define DEVICE2 0x13000

struct device {
	struct npt_emul e;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u8 ram[PAGE], rom[PAGE];
	u8 xmm[16];
	unsigned int accesses;
	unsigned int answers;	/* reads that have one; the next one waits */
	unsigned int reads;	/* in this attempt */
	unsigned int meddle;	/* exchanges that find something else */
	unsigned int nwrites;
	struct {
		u64 gpa, data;
		u32 len;
	} write[8];
};

static struct device *dev_of(struct npt_emul *e)
{
	return container_of(e, struct device, e);
}

static enum npt_emul_end dev_access(struct npt_emul *e, u64 lin, u8 op, void *buf, u32 len,
				    u64 *gpa)
{
	struct device *d = dev_of(e);
	u64 page = lin & ~4095ull;

	CHECK((lin & 4095) + len <= PAGE, "more than one page");
	d->accesses++;
	*gpa = lin;
	if (page == DEVICE || page == DEVICE2)
		return NPT_EMUL_MMIO;
	if (page == ROM_PAGE && op == NPT_OP_WRITE)
		return NPT_EMUL_ROM;
	CHECK(page == RAM_PAGE || page == ROM_PAGE, "nothing is at %#llx", lin);
	if (buf && op == NPT_OP_WRITE)
		memcpy(d->ram + (lin & 4095), buf, len);
	else if (buf)
		memcpy(buf, (page == RAM_PAGE ? d->ram : d->rom) + (lin & 4095), len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end dev_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	struct device *d = dev_of(e);

	memcpy(buf, ((gpa & ~4095ull) == RAM_PAGE ? d->ram : d->rom) + (gpa & 4095), len);
	return NPT_EMUL_DONE;
}

static enum npt_emul_end dev_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	memcpy(dev_of(e)->ram + (gpa & 4095), buf, len);
	return NPT_EMUL_DONE;
}

/* Another vCPU adds 10h before each of the first d->meddle. */
static enum npt_emul_end dev_exchange(struct npt_emul *e, u64 gpa, const void *old,
				      const void *new, u32 len)
{
	struct device *d = dev_of(e);
	u8 *p = d->ram + (gpa & 4095);

	if (d->meddle) {
		d->meddle--;
		*p += 0x10;
	}
	if (memcmp(p, old, len))
		return NPT_EMUL_RETRY;
	memcpy(p, new, len);
	return NPT_EMUL_DONE;
}

/* Byte n of the answers is n + 1. */
static enum npt_emul_end dev_mmio_read(struct npt_emul *e, u64 gpa, void *buf, u32 len)
{
	struct device *d = dev_of(e);
	u32 i;

	CHECK(len <= 8, "%u bytes at once", len);
	if (d->reads == d->answers)
		return NPT_EMUL_WAIT;
	d->reads++;
	for (i = 0; i < len; i++)
		((u8 *)buf)[i] = gpa + i + 1;
	return NPT_EMUL_DONE;
}

static enum npt_emul_end dev_mmio_write(struct npt_emul *e, u64 gpa, const void *buf, u32 len)
{
	struct device *d = dev_of(e);

	CHECK(len <= 8 && d->nwrites < ARRAY_SIZE(d->write), "%u bytes at once", len);
	d->write[d->nwrites].gpa = gpa;
	d->write[d->nwrites].len = len;
	memcpy(&d->write[d->nwrites++].data, buf, len);
	return NPT_EMUL_DONE;
}

static void dev_xmm(struct npt_emul *e, u8 reg, void *buf, bool write)
{
	struct device *d = dev_of(e);

	memcpy(write ? d->xmm : buf, write ? buf : d->xmm, 16);
}

static const struct npt_emul_ops dev_ops = {
	.access = dev_access,
	.read = dev_read,
	.write = dev_write,
	.exchange = dev_exchange,
	.mmio_read = dev_mmio_read,
	.mmio_write = dev_mmio_write,
	.xmm = dev_xmm,
};

static void make(struct device *d, const char *bytes, u32 n)
{
	memset(d, 0, sizeof(*d));
	d->e = (struct npt_emul) {
		.ops = &dev_ops, .regs = &d->regs, .sregs = &d->sregs,
		.mode = NPT_MODE_64, .va_bits = 48, .protect = true,
	};
	CHECK_EQ(npt_insn_decode(&d->e.insn, (const u8 *)bytes, n, NPT_MODE_64), n, "length");
	test_cases++;
}

#define MAKE(d, bytes) make(d, bytes, sizeof(bytes) - 1)

/* Attempts with one more answer each, the last with @answers: nothing changes before. */
static enum npt_emul_end attempts(struct device *d, unsigned int answers)
{
	struct kvm_regs before = d->regs;
	enum npt_emul_end end;
	u8 ram[PAGE];

	memcpy(ram, d->ram, PAGE);
	for (d->answers = 0; ; d->answers++) {
		d->reads = 0;
		d->nwrites = 0;
		end = npt_emul_step(&d->e);
		if (d->answers == answers)
			return end;
		CHECK_EQ(end, NPT_EMUL_WAIT, "end");
		CHECK(!memcmp(&d->regs, &before, sizeof(before)), "registers changed");
		CHECK(!memcmp(d->ram, ram, PAGE), "memory changed");
		CHECK_EQ(d->nwrites, 0, "writes");
	}
}

static void check_write(const struct device *d, unsigned int n, u64 gpa, u32 len, u64 data)
{
	CHECK(n < d->nwrites, "%u writes", d->nwrites);
	CHECK_EQ(d->write[n].gpa, gpa, "address");
	CHECK_EQ(d->write[n].len, len, "length");
	CHECK_EQ(d->write[n].data, data, "data");
}

static void devices(void)
{
	struct device d;

	MAKE(&d, "\x48\x8b\x07");		/* mov (%rdi), %rax */
	d.regs.rdi = DEVICE;
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.regs.rax, 0x0807060504030201, "RAX");
	CHECK_EQ(d.regs.rip, 3, "RIP");

	MAKE(&d, "\x01\x07");			/* add %eax, (%rdi) */
	d.regs.rdi = DEVICE;
	d.regs.rax = 1;
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	check_write(&d, 0, DEVICE, 4, 0x04030202);

	MAKE(&d, "\xf0\x48\x0f\xc7\x0f");	/* lock cmpxchg16b (%rdi) */
	d.regs.rdi = DEVICE;
	CHECK_EQ(attempts(&d, 2), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.regs.rdx, 0x100f0e0d0c0b0a09, "RDX");
	/* The comparison failed: what was there is written back. */
	check_write(&d, 0, DEVICE, 8, 0x0807060504030201);
	check_write(&d, 1, DEVICE + 8, 8, 0x100f0e0d0c0b0a09);

	MAKE(&d, "\x0f\x10\x07");		/* movups (%rdi), %xmm0 */
	d.regs.rdi = DEVICE2 + 3;
	CHECK_EQ(attempts(&d, 2), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.xmm[15], 19, "XMM0");

	MAKE(&d, "\xff\x37");			/* push (%rdi) */
	d.regs.rdi = DEVICE;
	d.regs.rsp = RAM_PAGE + 8;
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.regs.rsp, RAM_PAGE, "RSP");
	CHECK_EQ(d.ram[7], 8, "the stack");
}

/* Memory on one side of a page's end, a device on the other. */
static void splits(void)
{
	struct device d;

	MAKE(&d, "\x48\x89\x07");		/* mov %rax, (%rdi) */
	d.regs.rdi = DEVICE - 2;
	d.regs.rax = 0x0807060504030201;
	CHECK_EQ(attempts(&d, 0), NPT_EMUL_DONE, "end");
	CHECK(d.ram[PAGE - 2] == 1 && d.ram[PAGE - 1] == 2, "memory");
	check_write(&d, 0, DEVICE, 6, 0x080706050403);

	MAKE(&d, "\x48\x01\x07");		/* add %rax, (%rdi) */
	d.regs.rdi = DEVICE - 4;
	d.regs.rax = 1;
	memset(d.ram + PAGE - 4, 0xff, 4);
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.ram[PAGE - 4], 0, "memory");
	check_write(&d, 0, DEVICE, 4, 0x04030202);

	MAKE(&d, "\xf0\x48\x01\x07");		/* the same with LOCK, from a device to ROM */
	d.regs.rdi = ROM_PAGE - 4;
	d.regs.rax = 1;
	d.rom[0] = 0x40;
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	check_write(&d, 0, ROM_PAGE - 4, 4, 0x00fffefe);
	check_write(&d, 1, ROM_PAGE, 4, 0x40);
}

static void strings(void)
{
	struct device d;

	MAKE(&d, "\xf3\xa4");			/* rep movsb */
	d.regs.rsi = DEVICE;
	d.regs.rdi = DEVICE2;
	d.regs.rcx = 2;
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_AGAIN, "end");
	check_write(&d, 0, DEVICE2, 1, 1);
	CHECK_EQ(d.regs.rcx, 1, "RCX");
	CHECK_EQ(d.regs.rip, 0, "RIP");
	CHECK_EQ(attempts(&d, 1), NPT_EMUL_DONE, "end");
	check_write(&d, 0, DEVICE2 + 1, 1, 2);
	CHECK_EQ(d.regs.rcx, 0, "RCX");
	CHECK_EQ(d.regs.rip, 2, "RIP");
}

/* What is computed is computed from what is there when it is written. */
static void locks(void)
{
	struct device d;

	MAKE(&d, "\xf0\x01\x07");		/* lock add %eax, (%rdi) */
	d.regs.rdi = RAM_PAGE;
	d.regs.rax = 1;
	d.meddle = 3;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.ram[0], 0x31, "memory");
	CHECK_EQ(d.accesses, 1, "translations");

	MAKE(&d, "\x87\x07");			/* xchg %eax, (%rdi): locked by itself */
	d.regs.rdi = RAM_PAGE;
	d.regs.rax = 5;
	d.meddle = 2;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.ram[0], 5, "memory");
	CHECK_EQ(d.regs.rax, 0x20, "RAX");

	MAKE(&d, "\xf0\x0f\xb1\x1f");		/* lock cmpxchg %ebx, (%rdi) */
	d.regs.rdi = RAM_PAGE;
	d.regs.rbx = 7;
	d.meddle = 1;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_DONE, "end");
	CHECK_EQ(d.ram[0], 0x10, "memory: it was no longer 0");
	CHECK_EQ(d.regs.rax, 0x10, "RAX");
	CHECK(!(d.regs.rflags & X86_EFLAGS_ZF), "ZF");

	MAKE(&d, "\xf0\x01\x07");		/* others never let go: the guest is to try */
	d.regs.rdi = RAM_PAGE;
	d.meddle = ~0u;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_RETRY, "end");
	CHECK_EQ(d.regs.rip, 0, "RIP");
}

static void check_fault(struct device *d, u8 vector)
{
	CHECK_EQ(npt_emul_step(&d->e), NPT_EMUL_FAULT, "end");
	CHECK_EQ(d->e.vector, vector, "vector");
	CHECK_EQ(d->e.error, 0, "error code");
	CHECK_EQ(d->regs.rip, 0, "RIP");
}

/* Addresses that are not canonical; misaligned ones where alignment is checked; LOCK. */
static void exceptions(void)
{
	struct device d;

	MAKE(&d, "\x48\x8b\x07");		/* mov (%rdi), %rax */
	d.regs.rdi = 0x800000000000 - 7;
	check_fault(&d, 13);
	MAKE(&d, "\x48\x8b\x45\x00");		/* mov (%rbp), %rax */
	d.regs.rbp = 0x800000000000;
	check_fault(&d, 12);
	MAKE(&d, "\x48\x8b\x07");
	d.regs.rdi = RAM_PAGE + 4;
	d.e.align = true;
	check_fault(&d, 17);
	MAKE(&d, "\x8b\x07");
	d.regs.rdi = RAM_PAGE + 4;
	d.e.align = true;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_DONE, "end");
	MAKE(&d, "\xf0\x64\x48\x0f\xc7\x0f");	/* lock cmpxchg16b %fs:(%rdi): the sum counts */
	d.regs.rdi = RAM_PAGE;
	d.sregs.fs.base = 8;
	check_fault(&d, 13);
	d.regs.rdi = RAM_PAGE + 8;
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_DONE, "end");
	MAKE(&d, "\xf0\x89\x07");		/* lock mov */
	d.regs.rdi = RAM_PAGE;
	check_fault(&d, 6);
	MAKE(&d, "\xf0\x39\x07");		/* lock cmp */
	d.regs.rdi = RAM_PAGE;
	check_fault(&d, 6);
}

static void unknowns(void)
{
	struct device d;

	MAKE(&d, "\xd9\x07");			/* flds (%rdi) */
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_UNKNOWN, "end");
	MAKE(&d, "\x89\xc0");			/* mov %eax, %eax: no memory */
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_UNKNOWN, "end");
	MAKE(&d, "\xc5\xfe\x6f\x07");		/* vmovdqu (%rdi), %ymm0 */
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_UNKNOWN, "end");
	MAKE(&d, "\xf2\x0f\x38\xf1\x07");	/* crc32l (%rdi), %eax */
	CHECK_EQ(npt_emul_step(&d.e), NPT_EMUL_UNKNOWN, "end");
	CHECK_EQ(d.accesses, 0, "accesses");
}

static const struct test tests[] = {
	{ "emulate: devices", devices },
	{ "emulate: between memory and devices", splits },
	{ "emulate: strings of devices", strings },
	{ "emulate: memory that changes under a lock", locks },
	{ "emulate: exceptions of addresses", exceptions },
	{ "emulate: what is not known", unknowns },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
