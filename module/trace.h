/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints npt:*. They show host addresses: tracefs is root's.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM npt

#if !defined(NPT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NPT_TRACE_H

#include <linux/tracepoint.h>
#include <linux/npt.h>
#include "compat.h"

#define npt_show_outcome(v) __print_symbolic(v,				\
	{ 0, "fixed" }, { 1, "guest" }, { 2, "emulate" }, { 3, "unsync" },	\
	{ 4, "spurious" }, { 5, "mmio" }, { 6, "readonly" }, { 7, "error" })

#define npt_show_zap(v) __print_symbolic(v,				\
	{ 0, "notifier" }, { 1, "slot" }, { 2, "guest" }, { 3, "split" },	\
	{ 4, "recycle" }, { 5, "exit" })

#define npt_show_flush(v) __print_symbolic(v,				\
	{ 0, "cr3" }, { 1, "invlpg" }, { 2, "guest" }, { 3, "switch" },	\
	{ 4, "user" }, { 5, "notifier" }, { 6, "slot" }, { 7, "shadow" },	\
	{ 8, "recycle" }, { 9, "dirty_log" }, { 10, "model" })

#define npt_show_dim(v) __print_symbolic(v,				\
	{ NPT_DIM_GUEST, "guest" }, { NPT_DIM_NESTED, "nested" },		\
	{ NPT_DIM_SHADOW, "shadow" })

#define npt_show_status(v) __print_symbolic(v,				\
	{ NPT_STATUS_OK, "ok" }, { NPT_STATUS_GUEST_PF, "guest_pf" },		\
	{ NPT_STATUS_GUEST_GP, "guest_gp" }, { NPT_STATUS_MMIO, "mmio" },	\
	{ NPT_STATUS_READONLY, "readonly" },				\
	{ NPT_STATUS_HOST_FAULT, "host_fault" },				\
	{ NPT_STATUS_BAD_RECORD, "bad_record" })

TRACE_EVENT(npt_vm,
	TP_PROTO(u32 vm, const char *name, bool created),
	TP_ARGS(vm, name, created),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(bool, created)
		__string(name, name)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->created = created;
		npt_assign_str(name, name);
	),
	TP_printk("vm %u %s %s", __entry->vm, __get_str(name),
		  __entry->created ? "create" : "destroy")
);

TRACE_EVENT(npt_vcpu,
	TP_PROTO(u32 vm, u32 vcpu, bool created),
	TP_ARGS(vm, vcpu, created),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, vcpu)
		__field(bool, created)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->created = created;
	),
	TP_printk("vm %u vcpu %u %s", __entry->vm, __entry->vcpu,
		  __entry->created ? "create" : "destroy")
);

TRACE_EVENT(npt_fault,
	TP_PROTO(u32 vm, u64 gva, u64 gpa, u32 error_code, u32 outcome),
	TP_ARGS(vm, gva, gpa, error_code, outcome),
	TP_STRUCT__entry(
		__field(u64, gva)
		__field(u64, gpa)
		__field(u32, vm)
		__field(u32, error_code)
		__field(u32, outcome)
	),
	TP_fast_assign(
		__entry->gva = gva;
		__entry->gpa = gpa;
		__entry->vm = vm;
		__entry->error_code = error_code;
		__entry->outcome = outcome;
	),
	TP_printk("vm %u gva 0x%llx gpa 0x%llx error 0x%x %s", __entry->vm,
		  __entry->gva, __entry->gpa, __entry->error_code,
		  npt_show_outcome(__entry->outcome))
);

TRACE_EVENT(npt_fill,
	TP_PROTO(u32 vm, u64 gpa, u64 hpa, u32 size, u32 dim),
	TP_ARGS(vm, gpa, hpa, size, dim),
	TP_STRUCT__entry(
		__field(u64, gpa)
		__field(u64, hpa)
		__field(u32, vm)
		__field(u32, size)
		__field(u32, dim)
	),
	TP_fast_assign(
		__entry->gpa = gpa;
		__entry->hpa = hpa;
		__entry->vm = vm;
		__entry->size = size;
		__entry->dim = dim;
	),
	TP_printk("vm %u %s gpa 0x%llx hpa 0x%llx size %s", __entry->vm,
		  npt_show_dim(__entry->dim), __entry->gpa, __entry->hpa,
		  __print_symbolic(__entry->size, { 0, "4k" }, { 1, "2m" }, { 2, "1g" }))
);

TRACE_EVENT(npt_zap,
	TP_PROTO(u32 vm, u64 start, u64 end, u32 reason),
	TP_ARGS(vm, start, end, reason),
	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, end)
		__field(u32, vm)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->start = start;
		__entry->end = end;
		__entry->vm = vm;
		__entry->reason = reason;
	),
	TP_printk("vm %u gfn 0x%llx-0x%llx %s", __entry->vm, __entry->start,
		  __entry->end, npt_show_zap(__entry->reason))
);

TRACE_EVENT(npt_flush,
	TP_PROTO(u32 vm, u32 reason),
	TP_ARGS(vm, reason),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->reason = reason;
	),
	TP_printk("vm %u %s", __entry->vm, npt_show_flush(__entry->reason))
);

TRACE_EVENT(npt_stale,
	TP_PROTO(u32 vm, u64 gva, u64 gpa, u32 reason),
	TP_ARGS(vm, gva, gpa, reason),
	TP_STRUCT__entry(
		__field(u64, gva)
		__field(u64, gpa)
		__field(u32, vm)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->gva = gva;
		__entry->gpa = gpa;
		__entry->vm = vm;
		__entry->reason = reason;
	),
	TP_printk("vm %u gva 0x%llx gpa 0x%llx flush %s", __entry->vm, __entry->gva,
		  __entry->gpa, npt_show_flush(__entry->reason))
);

TRACE_EVENT(npt_walk,
	TP_PROTO(u32 vm, u64 gva, u32 refs_guest, u32 refs_nested, u32 end),
	TP_ARGS(vm, gva, refs_guest, refs_nested, end),
	TP_STRUCT__entry(
		__field(u64, gva)
		__field(u32, vm)
		__field(u32, refs_guest)
		__field(u32, refs_nested)
		__field(u32, end)
	),
	TP_fast_assign(
		__entry->gva = gva;
		__entry->vm = vm;
		__entry->refs_guest = refs_guest;
		__entry->refs_nested = refs_nested;
		__entry->end = end;
	),
	TP_printk("vm %u gva 0x%llx refs guest %u nested %u %s", __entry->vm,
		  __entry->gva, __entry->refs_guest, __entry->refs_nested,
		  npt_show_status(__entry->end))
);

#endif /* NPT_TRACE_H */

/* Found through the -I of Kbuild. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
