// SPDX-License-Identifier: GPL-2.0
/* npt run: a real guest in a VM, its serial port on the terminal. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "guest_file.h"
#include "libnpt.h"
#include "machine.h"
#include "npt.h"
#include "output.h"
#include "signals.h"

/* Exit statuses beside the guest's own; npt(8) documents them. */
#define EXIT_GUEST	70	/* the guest did what nobody can serve, or crashed */
#define EXIT_TIMEOUT	124	/* as timeout(1) has it */
#define EXIT_INTERRUPT	130

struct request {
	const char *device;	/* NULL: npt's */
	const char *path;
	struct npt_vm_options vm;
	struct npt_machine_options machine;
	struct npt_image image;
	bool stats;
	unsigned long long timeout;	/* s, 0: none */
	char cmdline[4096];
};

/* --- the command line --- */

enum {
	O_ENGINE = 256,
	O_MMU,
	O_MEM,
	O_SMP,
	O_PAGE,
	O_STATS,
	O_DEVICE,
	O_TIMEOUT,
	O_FORMAT,
	O_LOAD,
	O_ENTRY,
	O_NAME,
};

static const struct option options[] = {
	{ "engine", required_argument, NULL, O_ENGINE },
	{ "mmu", required_argument, NULL, O_MMU },
	{ "mem", required_argument, NULL, O_MEM },
	{ "smp", required_argument, NULL, O_SMP },
	{ "page", required_argument, NULL, O_PAGE },
	{ "stats", no_argument, NULL, O_STATS },
	{ "device", required_argument, NULL, O_DEVICE },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "format", required_argument, NULL, O_FORMAT },
	{ "load", required_argument, NULL, O_LOAD },
	{ "entry", required_argument, NULL, O_ENTRY },
	{ "name", required_argument, NULL, O_NAME },
	{}
};

/* A size as people write it: 64M, 2G, 512K, or MiB without a letter. */
static bool parse_size(const char *text, uint64_t *bytes)
{
	static const char letters[] = "KMGT";
	const char *letter = NULL;
	unsigned long long n;
	unsigned int shift = 20;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (!errno && *text >= '0' && *text <= '9' && end != text) {
		letter = *end ? strchr(letters, *end & ~0x20) : letters + 1;
		shift = letter ? 10 * (letter - letters + 1) : 0;
	}
	if (letter && (!*end || !end[1]) && n && n <= UINT64_MAX >> shift) {
		*bytes = n << shift;
		return true;
	}
	npt_usage("run: --mem: \"%s\": expected a size such as 64M or 2G", text);
	return false;
}

static bool parse_engine(const char *text, uint32_t *engine)
{
	unsigned int e;

	for (e = NPT_ENGINE_AUTO; e <= NPT_ENGINE_VMX; e++) {
		if (strcmp(text, npt_engine_name(e)))
			continue;
		*engine = e;
		return true;
	}
	npt_usage("run: --engine: \"%s\", expected auto, soft, svm or vmx", text);
	return false;
}

/* The largest page of nested and shadow tables, and what shall back it. */
static bool parse_page(const char *text, struct request *req)
{
	switch (npt_page_by_name(text)) {
	case 12:
		req->vm.leaf_pages = NPT_PAGE_4K;
		req->machine.pages = NPT_MEMORY_4K;
		return true;
	case 21:
		req->vm.leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M;
		req->machine.pages = NPT_MEMORY_THP;
		return true;
	case 30:
		req->vm.leaf_pages = NPT_PAGE_4K | NPT_PAGE_2M | NPT_PAGE_1G;
		req->machine.pages = NPT_MEMORY_HUGETLB_1G;
		return true;
	}
	npt_usage("run: --page: \"%s\", expected 4k, 2m or 1g", text);
	return false;
}

static bool parse_format(const char *text, uint32_t *format)
{
	static const char *const names[] = {
		[NPT_IMAGE_AUTO] = "auto",
		[NPT_IMAGE_FLAT] = "flat",
		[NPT_IMAGE_ELF] = "elf",
		[NPT_IMAGE_MULTIBOOT] = "multiboot",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]))
			continue;
		*format = i;
		return true;
	}
	npt_usage("run: --format: \"%s\", expected auto, flat, elf or multiboot", text);
	return false;
}

static bool parse_number(const char *what, unsigned long long max, unsigned long long *n)
{
	return npt_parse_u64(optarg, what, 0, max, n);
}

static bool parse_option(struct request *req, int c)
{
	unsigned long long n;
	int mmu;

	switch (c) {
	case O_ENGINE:
		return parse_engine(optarg, &req->vm.engine);
	case O_MMU:
		mmu = npt_mmu_by_name(optarg);
		if (mmu != NPT_MMU_NESTED && mmu != NPT_MMU_SHADOW) {
			npt_usage("run: --mmu: \"%s\", expected nested or shadow", optarg);
			return false;
		}
		req->vm.mmu = mmu;
		return true;
	case O_MEM:
		return parse_size(optarg, &req->machine.memory);
	case O_SMP:
		if (!npt_parse_u64(optarg, "run: --smp", 1, NPT_MACHINE_MAX_VCPUS, &n))
			return false;
		req->machine.vcpus = n;
		return true;
	case O_PAGE:
		return parse_page(optarg, req);
	case O_STATS:
		req->stats = true;
		return true;
	case O_DEVICE:
		req->device = optarg;
		return true;
	case O_TIMEOUT:
		return parse_number("run: --timeout", 1000000, &req->timeout);
	case O_FORMAT:
		return parse_format(optarg, &req->image.format);
	case O_LOAD:
		if (!parse_number("run: --load", ULLONG_MAX, &n))
			return false;
		req->image.load = n;
		return true;
	case O_ENTRY:
		if (!parse_number("run: --entry", 0xfffff, &n))
			return false;
		req->image.entry = n;
		return true;
	case O_NAME:
		req->vm.name = optarg;
		return true;
	default:
		return false;
	}
}

/* The guest's command line: its name and the words after it, as multiboot has it. */
static bool join_cmdline(struct request *req, int argc, char **argv)
{
	size_t n = 0;
	int i;

	for (i = 0; i < argc; i++) {
		n += snprintf(req->cmdline + n, sizeof(req->cmdline) - n, "%s%s", i ? " " : "",
			      argv[i]);
		if (n < sizeof(req->cmdline))
			continue;
		npt_usage("run: the guest's command line is longer than %zu bytes",
			  sizeof(req->cmdline) - 1);
		return false;
	}
	req->image.cmdline = req->cmdline;
	return true;
}

static bool parse_request(struct request *req, int argc, char **argv)
{
	bool load = false, entry = false;
	int c;

	memset(req, 0, sizeof(*req));
	while ((c = npt_getopt(argc, argv, options, true)) != -1) {
		if (!parse_option(req, c))
			return false;
		load |= c == O_LOAD;
		entry |= c == O_ENTRY;
	}
	if (optind >= argc) {
		npt_usage("run: the guest is missing (a flat, ELF or multiboot file)");
		return false;
	}
	/* one of the two alone speaks for both */
	if (load && !entry)
		req->image.entry = req->image.load;
	if (entry && !load)
		req->image.load = req->image.entry;
	if ((load || entry) && req->image.format == NPT_IMAGE_AUTO)
		req->image.format = NPT_IMAGE_FLAT;
	if ((load || entry) && req->image.format != NPT_IMAGE_FLAT) {
		npt_usage("run: --load and --entry are for flat files");
		return false;
	}
	if (req->machine.pages == NPT_MEMORY_HUGETLB_1G && !req->machine.memory)
		req->machine.memory = 1ULL << 30;
	req->path = argv[optind];
	req->machine.vm = &req->vm;
	return join_cmdline(req, argc - optind, argv + optind);
}

/* --- the terminal --- */

static struct termios saved_terminal;
static bool terminal_taken;

/* Each key at once and not shown twice; Ctrl-C still makes a signal. */
static void terminal_take(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved_terminal))
		return;
	t = saved_terminal;
	t.c_lflag &= ~(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	terminal_taken = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static void terminal_restore(void)
{
	if (terminal_taken)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
	terminal_taken = false;
}

/* What the guest prints goes out at once: it may be a prompt. */
static void on_output(void *arg, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	(void)arg;
	while (len) {
		n = write(STDOUT_FILENO, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		p += n;
		len -= n;
	}
}

/* --- running --- */

static unsigned long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Bytes typed wait here until the guest has room for them. */
struct keys {
	char bytes[256];
	size_t len;
	bool eof;
};

static void pass_keys(struct npt_machine *m, struct keys *keys)
{
	size_t n = npt_machine_input(m, keys->bytes, keys->len);

	memmove(keys->bytes, keys->bytes + n, keys->len - n);
	keys->len -= n;
}

static void read_keys(struct keys *keys)
{
	ssize_t n = read(STDIN_FILENO, keys->bytes, sizeof(keys->bytes));

	if (n > 0)
		keys->len = n;
	else if (!n || (errno != EAGAIN && errno != EINTR))
		keys->eof = true;
}

/* Until the guest ends. 0, or the status of who ended it instead. */
static int attend(const struct request *req, struct npt_machine *m)
{
	unsigned long long end = now_ms() + req->timeout * 1000;
	struct keys keys = { .len = 0 };

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = npt_machine_fd(m), .events = POLLIN },
			{ .fd = keys.eof || keys.len ? -1 : STDIN_FILENO, .events = POLLIN },
		};

		if (signals_wishes())
			return EXIT_INTERRUPT;
		if (req->timeout && now_ms() >= end)
			return EXIT_TIMEOUT;
		/* signals come in by signals_wait(), which also polls nothing */
		signals_wait(-1, false);
		if (poll(p, 2, 20) < 0)
			continue;
		if (p[0].revents)
			return 0;
		if (p[1].revents)
			read_keys(&keys);
		if (keys.len)
			pass_keys(m, &keys);
	}
}

static void print_registers(const struct npt_machine_end *end)
{
	const struct kvm_regs *r = &end->regs;
	const struct kvm_sregs *s = &end->sregs;

	fprintf(stderr,
		"  rip %016llx  rflags %08llx  rsp %016llx\n"
		"  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx\n"
		"  rsi %016llx  rdi %016llx  rbp %016llx  r8  %016llx\n"
		"  r9  %016llx  r10 %016llx  r11 %016llx  r12 %016llx\n"
		"  r13 %016llx  r14 %016llx  r15 %016llx\n"
		"  cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  efer %04llx\n"
		"  cs %04x (base %llx)  ss %04x  gdt %llx  idt %llx\n",
		r->rip, r->rflags, r->rsp, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi,
		r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, s->cr0,
		s->cr2, s->cr3, s->cr4, s->efer, s->cs.selector, s->cs.base, s->ss.selector,
		s->gdt.base, s->idt.base);
}

static int tell_end(const struct request *req, int by, const struct npt_machine_end *end)
{
	if (by == EXIT_TIMEOUT) {
		npt_err("run: %s: not done after %llu s", req->path, req->timeout);
		return by;
	}
	if (by)
		return by;
	switch (end->reason) {
	case NPT_MACHINE_EXITED:
		return end->status;
	case NPT_MACHINE_POWERED_OFF:
	case NPT_MACHINE_HALTED:
		return NPT_EXIT_OK;
	default:
		npt_err("run: %s: vCPU %u: %s", req->path, end->vcpu, end->text);
		/* after a triple fault they are those of a reset */
		if (end->reason != NPT_MACHINE_CRASHED)
			print_registers(end);
		return EXIT_GUEST;
	}
}

/* Counters that are not zero, in the catalogue's order. */
static void print_stats(struct npt_cli *cli, struct npt_machine *m)
{
	static const struct npt_column columns[] = {
		{ "counter", "counter", NPT_STYLE_PLAIN, true },
		{ "value", "value", NPT_STYLE_GROUP, false },
		{}
	};
	uint64_t values[NPT_CTR_NR];
	json_t *rows, *row;
	unsigned int i;

	if (npt_vm_stats(npt_machine_vm(m), values, NPT_CTR_NR)) {
		npt_warn("run: %s", npt_error());
		return;
	}
	rows = json_array();
	for (i = 0; i < NPT_CTR_NR; i++) {
		if (!values[i])
			continue;
		row = json_pack("{s:s, s:I}", "counter", npt_counter_info(i)->name, "value",
				(json_int_t)values[i]);
		json_array_append_new(rows, row);
	}
	npt_out_rows(cli, rows, columns);
	json_decref(rows);
}

static int run_machine(struct npt_cli *cli, const struct request *req, struct npt_machine *m)
{
	struct npt_machine_end end;
	int by;

	signals_take();
	if (npt_machine_start(m)) {
		signals_restore();
		return npt_err("run: %s", npt_error());
	}
	terminal_take();
	by = attend(req, m);
	npt_machine_stop(m);
	npt_machine_wait(m, &end);
	terminal_restore();
	signals_restore();
	if (req->stats)
		print_stats(cli, m);
	return tell_end(req, by, &end);
}

/* --- getting ready --- */

/* npt's device, or one that takes KVM's calls alone. */
static int open_device(const struct request *req, struct npt_device **dev)
{
	int ret = npt_device_open(req->device, dev);

	if (ret == -ENOTTY && req->device) {
		if (req->vm.engine || req->vm.mmu)
			return npt_usage("run: %s has KVM's calls alone: --engine and --mmu are npt's",
					 req->device);
		ret = npt_device_open_kvm(req->device, dev);
	}
	if (!ret)
		return NPT_EXIT_OK;
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		return npt_absent("run: %s%s", npt_error(), req->device ? "" : " (load npt.ko)");
	if (ret == -EACCES || ret == -EPERM)
		return npt_absent("run: %s (be root)", npt_error());
	return npt_err("run: %s", npt_error());
}

static int build_and_run(struct npt_cli *cli, struct request *req, struct npt_device *dev)
{
	struct npt_machine *m;
	int ret;

	req->machine.output = on_output;
	if (npt_device_is_kvm(dev))
		req->vm = (struct npt_vm_options) { .name = NULL };
	if (req->stats && npt_device_is_kvm(dev))
		npt_warn("run: --stats: %s has no counters of npt's", req->device);
	req->stats &= !npt_device_is_kvm(dev);
	ret = npt_machine_create(dev, &req->machine, &m);
	if (ret)
		return npt_err("run: %s%s", npt_error(), ret == -EOPNOTSUPP ?
			       " (npt doctor says what this machine can run)" : "");
	ret = npt_machine_load(m, &req->image);
	if (ret)
		ret = npt_err("run: %s", npt_error());
	else
		ret = run_machine(cli, req, m);
	npt_machine_destroy(m);
	return ret;
}

static int run_run(struct npt_cli *cli, int argc, char **argv)
{
	struct npt_device *dev;
	struct request req;
	void *data = NULL;
	int ret;

	if (!parse_request(&req, argc, argv))
		return NPT_EXIT_USAGE;
	ret = guest_file_read(req.path, &req.image, &data);
	if (ret)
		return ret;
	ret = open_device(&req, &dev);
	if (!ret) {
		ret = build_and_run(cli, &req, dev);
		npt_device_close(dev);
	}
	free(data);
	return ret;
}

static const struct npt_command commands[] = {
	{
		.name = "",
		.run = run_run,
		.args = "[OPTIONS] GUEST [WORD...]",
		.help = "run a flat, ELF or multiboot file; the WORDs are its command line",
		.options =
		"  --engine ENGINE      auto, svm or vmx (default: the module's)\n"
		"  --mmu MODE           nested or shadow (default: the module's)\n"
		"  --mem SIZE           memory, such as 64M or 2G (default: 128M; 1G with --page 1g)\n"
		"  --smp N              vCPUs (default: 1)\n"
		"  --page SIZE          largest page of host memory and tables: 4k, 2m, 1g\n"
		"  --stats              print the VM's counters at the end\n"
		"  --device PATH        another device, such as /dev/kvm\n"
		"  --timeout S          end it after so many seconds, with status 124\n"
		"  --format FORMAT      auto, flat, elf, multiboot (default: auto)\n"
		"  --load ADDRESS       flat: where it goes (default: 0x7c00)\n"
		"  --entry ADDRESS      flat: where it begins (default: where it was loaded)\n"
		"  --name NAME          name of the VM, for npt vm and npt monitor\n",
	},
	{}
};

const struct npt_object npt_obj_run = {
	.name = "run",
	.help = "run a real guest, its serial port on the terminal",
	.commands = commands,
};
