# SPDX-License-Identifier: GPL-2.0
# Sourced: what in a kernel's log is a complaint.
# shellcheck shell=bash disable=SC2034

# A program's own fault ("traps: ... general protection fault ip:") is none.
splat_pattern='BUG:|WARNING: |Oops|general protection fault[,:]|KASAN|UBSAN:|kmemleak: object'
splat_pattern+='|unable to handle|INFO: task .* blocked for|INFO: possible recursive'
splat_pattern+='|INFO: trying to register|detected stalls?|self-detected stall'
splat_pattern+='|soft lockup|hard LOCKUP|Kernel panic|refcount_t:|corruption'
splat_pattern+='|Bad page|bad: scheduling|scheduling while atomic|stack guard page'
splat_pattern+='|unchecked MSR access|kernel BUG at|invalid opcode: |double fault'
splat_pattern+='|remaining on __kmem_cache_shutdown|nobody cared|pagealloc: |ODEBUG: '
