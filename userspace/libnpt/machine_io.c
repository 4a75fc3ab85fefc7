// SPDX-License-Identifier: GPL-2.0
/* A machine's devices: the serial port, the ports that end it, and no others. */
#include "machine_priv.h"

/* Registers of a 16550A, by offset. */
enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH };

#define LCR_DLAB	0x80
#define LSR_DATA	0x01	/* a byte can be read */
#define LSR_EMPTY	0x60	/* all was sent: always */
#define MSR_READY	0xb0	/* carrier, data set ready, clear to send */
#define IIR_NONE	0x01	/* no interrupt waits */
#define IIR_FIFO	0xc0
#define FCR_ENABLE	0x01
#define MCR_LOOP	0x10

#define SLP_EN		0x2000	/* ACPI's PM1 control register: go to sleep */

void npt_serial_init(struct npt_serial *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->divisor = 12;
}

static uint8_t serial_take(struct npt_serial *s)
{
	if (s->head == s->tail)
		return 0;
	return s->room[s->tail++ % NPT_SERIAL_ROOM];
}

static uint8_t serial_in(struct npt_serial *s, unsigned int reg)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		return dlab ? s->divisor & 0xff : serial_take(s);
	case IER:
		return dlab ? s->divisor >> 8 : s->ier;
	case IIR_FCR:
		return IIR_NONE | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return LSR_EMPTY | (s->head != s->tail ? LSR_DATA : 0);
	case MSR:
		/* in loopback the outputs come back as inputs, crossed over */
		if (s->mcr & MCR_LOOP)
			return (s->mcr & 0x0c) << 4 | (s->mcr & 0x02) << 3 | (s->mcr & 0x01) << 5;
		return MSR_READY;
	default:
		return s->scratch;
	}
}

/* Writes but those of a byte to send. */
static void serial_out(struct npt_serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		s->divisor = (s->divisor & 0xff00) | value;
		break;
	case IER:
		if (dlab)
			s->divisor = (s->divisor & 0x00ff) | value << 8;
		else
			s->ier = value & 0x0f;
		break;
	case IIR_FCR:
		s->fcr = value;
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		s->mcr = value & 0x1f;
		break;
	case SCRATCH:
		s->scratch = value;
		break;
	default:
		break;
	}
}

static void serial_access(struct npt_machine *m, bool out, unsigned int reg, uint8_t *data,
			  size_t n)
{
	struct npt_serial *s = &m->serial;
	size_t i;

	pthread_mutex_lock(&s->lock);
	if (out && reg == RBR_THR && !(s->lcr & LCR_DLAB)) {
		/* a string instruction's bytes in one piece */
		if (s->mcr & MCR_LOOP) {
			for (i = 0; i < n && s->head - s->tail < NPT_SERIAL_ROOM; i++)
				s->room[s->head++ % NPT_SERIAL_ROOM] = data[i];
		} else if (m->opts.output) {
			m->opts.output(m->opts.arg, data, n);
		}
	} else {
		for (i = 0; i < n; i++) {
			if (out)
				serial_out(s, reg, data[i]);
			else
				data[i] = serial_in(s, reg);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

size_t npt_machine_input(struct npt_machine *m, const void *data, size_t len)
{
	struct npt_serial *s = &m->serial;
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < len && s->head - s->tail < NPT_SERIAL_ROOM; i++)
		s->room[s->head++ % NPT_SERIAL_ROOM] = ((const uint8_t *)data)[i];
	pthread_mutex_unlock(&s->lock);
	return i;
}

static uint32_t io_value(const uint8_t *data, unsigned int size)
{
	uint32_t value = 0;

	memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
	return value;
}

bool npt_machine_io(struct npt_machine_vcpu *v)
{
	struct npt_machine *m = v->machine;
	uint8_t *data = (uint8_t *)v->run + v->run->io.data_offset;
	unsigned int port = v->run->io.port, size = v->run->io.size;
	bool out = v->run->io.direction == KVM_EXIT_IO_OUT;
	size_t bytes = (size_t)size * v->run->io.count;

	if (v->run->io.data_offset > m->run_size ||
	    bytes > m->run_size - v->run->io.data_offset) {
		npt_machine_end(v, NPT_MACHINE_FAILED, 0,
				"an I/O exit with data outside of the run page");
		return false;
	}
	if (port >= NPT_MACHINE_SERIAL && port < NPT_MACHINE_SERIAL + 8 && size == 1) {
		serial_access(m, out, port - NPT_MACHINE_SERIAL, data, bytes);
	} else if (!out) {
		memset(data, 0xff, bytes);
	} else if (port == NPT_MACHINE_EXIT) {
		npt_machine_end(v, NPT_MACHINE_EXITED, (io_value(data, size) << 1 | 1) & 0xff,
				"the guest wrote 0x%x to the debug-exit port",
				io_value(data, size));
		return false;
	} else if (port == NPT_MACHINE_POWER && io_value(data, size) & SLP_EN) {
		npt_machine_end(v, NPT_MACHINE_POWERED_OFF, 0, "the guest turned power off");
		return false;
	}
	return true;
}
