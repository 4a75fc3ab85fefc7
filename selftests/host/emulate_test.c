// SPDX-License-Identifier: GPL-2.0
/*
 * module/engine/x86/emulate.c held against the processor that runs this test:
 * each form of instruction with random prefixes, operands and contents; its
 * registers, flags, memory and exceptions compared.
 */
#include "emul_trial.h"

static void as_the_processor(enum npt_cpu_mode mode, enum trial_hurdle hurdle)
{
	static struct trial t;
	unsigned long round, faults = 0;
	struct rnd r;
	u32 i;

	if (!native_init(mode))
		test_skip("this system does not run %d-bit code", 16 << mode);
	for_each_round(round, 100, &r) {
		for (i = 0; i < trial_nr_forms; i++) {
			if (mode != NPT_MODE_64 && (trial_forms[i].how & ONLY_64))
				continue;
			trial_make(&r, &t, &trial_forms[i], mode, hurdle);
			trial_run(&t);
			faults += t.fault.happened;
		}
	}
	/* Are the hurdles where the operands are? */
	CHECK(hurdle == TRIAL_PLAIN ? !faults : faults > test_cases / 10,
	      "%lu of %lu end in exceptions", faults, test_cases);
}

static void plain_64(void)
{
	as_the_processor(NPT_MODE_64, TRIAL_PLAIN);
}

static void plain_32(void)
{
	as_the_processor(NPT_MODE_32, TRIAL_PLAIN);
}

static void plain_16(void)
{
	as_the_processor(NPT_MODE_16, TRIAL_PLAIN);
}

static void pages_64(void)
{
	as_the_processor(NPT_MODE_64, TRIAL_PAGES);
}

static void pages_32(void)
{
	as_the_processor(NPT_MODE_32, TRIAL_PAGES);
}

static void pages_16(void)
{
	as_the_processor(NPT_MODE_16, TRIAL_PAGES);
}

static void segments_32(void)
{
	as_the_processor(NPT_MODE_32, TRIAL_SEGMENTS);
}

static void segments_16(void)
{
	as_the_processor(NPT_MODE_16, TRIAL_SEGMENTS);
}

static const struct test tests[] = {
	{ "emulate: 64-bit mode as the processor", plain_64 },
	{ "emulate: 32-bit mode as the processor", plain_32 },
	{ "emulate: 16-bit mode as the processor", plain_16 },
	{ "emulate: page faults in 64-bit mode as the processor's", pages_64 },
	{ "emulate: page faults in 32-bit mode as the processor's", pages_32 },
	{ "emulate: page faults in 16-bit mode as the processor's", pages_16 },
	{ "emulate: segment faults in 32-bit mode as the processor's", segments_32 },
	{ "emulate: segment faults in 16-bit mode as the processor's", segments_16 },
};

int main(void)
{
	return test_main(tests, ARRAY_SIZE(tests));
}
