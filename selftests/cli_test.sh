#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tool without the module: grammar, errors, exit codes, JSON, replay of text.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"
npt=${NPT:-$here/../userspace/npt/npt}
export NO_COLOR=1 TMPDIR=$tap_tmp

[ -x "$npt" ] || make -s -C "$here/../userspace/npt" >&2 || exit 1

# run EXPECTED-STATUS ARGUMENT...: what it wrote is in $tap_tmp/out and /err
run()
{
	local expected=$1 status=0
	shift

	timeout 60 "$npt" "$@" > "$tap_tmp/out" 2> "$tap_tmp/err" < "${input:-/dev/null}" || status=$?
	[ "$status" = "$expected" ] && return 0
	echo "npt $*: exit status $status, expected $expected"
	cat "$tap_tmp/err"
	return 1
}

# fails STATUS TEXT ARGUMENT...: one line on stderr that holds TEXT, nothing on stdout
fails()
{
	local status=$1 text=$2
	shift 2

	run "$status" "$@" || return 1
	is "lines on stderr of npt $*" "$(wc -l < "$tap_tmp/err")" 1 || return 1
	is "bytes on stdout of npt $*" "$(wc -c < "$tap_tmp/out")" 0 || return 1
	grep -q '^npt: ' "$tap_tmp/err" && grep -qF -e "$text" "$tap_tmp/err" && return 0
	echo "npt $*: '$(cat "$tap_tmp/err")' does not say '$text'"
	return 1
}

# prints TEXT ARGUMENT...: success, TEXT on stdout, nothing on stderr
prints()
{
	local text=$1
	shift

	run 0 "$@" || return 1
	[ ! -s "$tap_tmp/err" ] || { cat "$tap_tmp/err"; return 1; }
	grep -qF -e "$text" "$tap_tmp/out" && return 0
	echo "npt $*: no '$text' in"
	cat "$tap_tmp/out"
	return 1
}

# json EXPRESSION ARGUMENT...: success, and the Python expression on the answer d is true
json()
{
	local expression=$1
	shift

	run 0 -j "$@" || return 1
	python3 - "$tap_tmp/out" "$expression" <<-'PYTHON'
	import json, sys
	d = json.load(open(sys.argv[1]))
	if not eval("(" + sys.argv[2] + ")"):
	    sys.exit("not so: %s\n%s" % (sys.argv[2], json.dumps(d, indent=1)[:2000]))
	PYTHON
}

cat > "$tap_tmp/lackey" <<-END
	==1== Lackey, an example Valgrind tool
	==1== Command: ./nothing
	I  00400000,4
	 L 00601000,8
	 S 00602ffc,8
	 M 00601000,4
END
printf 'I  00400000,4\n L 1234567890123,8\n' > "$tap_tmp/high"
printf 'I  00400000,4\n L rubbish\n' > "$tap_tmp/rubbish"
: > "$tap_tmp/empty"

# --- grammar ---

check "no object" fails 2 "object is missing"
check "unknown object" fails 2 "expected one of: caps, " frobnicate
check "unknown option before the object" fails 2 "unknown option -x" -x doctor
check "unknown command" fails 2 "expected one of: show, " stat frobnicate
check "missing command" fails 2 "a command is missing" completion
check "unknown option of a command" fails 2 "--frob" replay --frob x
check "option without a value" fails 2 "needs a value" replay --mmu
check "a name that holds a newline stays one line" fails 2 "unknown object" $'two\nlines'
for object in caps completion doctor help monitor record replay run stat table trace version vm walk; do
	check "help $object" prints "npt $object - " help "$object"
done
check "help lists all" prints "Exit codes" help
check "help of nothing" fails 2 "no object" help nothing
check "--help after the object" prints "npt replay - " replay --help
check "-h" prints "Usage: " -h
check "version" json 'd["npt"] == d["library"] and d["abi"] == 1' version
check "-V" prints "library" -V

completes()
{
	# shellcheck disable=SC2016
	local script='source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));
		_npt; printf "%s " "${COMPREPLY[@]}"'

	"$BASH" -c "$script" - "$npt" "${@:2}" > "$tap_tmp/words" || return 1
	grep -qw -e "$1" "$tap_tmp/words" && return 0
	echo "no '$1' in: $(cat "$tap_tmp/words")"
	return 1
}
check "completion of objects" completes replay npt re
check "completion of objects after -j" completes replay npt -j rep
check "completion of commands" completes convert npt trace co
check "completion of options" completes --in-process npt replay --in
check "completion of values" completes shadow npt replay --mmu sh
check "completion of engines" completes svm npt run --engine s
check "completion of help" completes walk npt help wa

# --- run, as far as it goes without a device ---

printf '\364' > "$tap_tmp/guest"
check "run: no guest" fails 2 "the guest is missing" run
check "run: no such file" fails 1 "No such file" run "$tap_tmp/nothing"
check "run: a folder" fails 1 "expected a file" run "$tap_tmp"
check "run: bad size" fails 2 "expected a size" run --mem 12X "$tap_tmp/guest"
check "run: a size that wraps" fails 2 "expected a size" run --mem 99999999999T "$tap_tmp/guest"
check "run: no vCPUs" fails 2 "from 1 to 254" run --smp 0 "$tap_tmp/guest"
check "run: bad engine" fails 2 "expected auto, soft, svm or vmx" run --engine tcg "$tap_tmp/guest"
check "run: bad mode" fails 2 "expected nested or shadow" run --mmu native "$tap_tmp/guest"
check "run: bad page size" fails 2 "expected 4k, 2m or 1g" run --page 4m "$tap_tmp/guest"
check "run: bad format" fails 2 "expected auto, flat" run --format pe "$tap_tmp/guest"
check "run: an address for ELF" fails 2 "are for flat files" run --format elf --load 0 "$tap_tmp/guest"
check "run: an entry above 1 MiB" fails 2 "from 0 to 1048575" run --entry 0x100000 "$tap_tmp/guest"
check "run: a device that is none" fails 1 "does not take KVM's calls" \
	run --device /dev/null "$tap_tmp/guest"
check "run: a device that is not there" fails 3 "No such file" run --device /dev/nothing "$tap_tmp/guest"

# --- without the module ---

if [ -e /dev/npt ]; then
	skip "commands that need the module" "the module is loaded"
else
	check "replay without the module" fails 3 "--in-process" replay "$tap_tmp/lackey"
	check "walk without the module" fails 3 "/dev/npt" walk
	check "caps without the module" fails 3 "/dev/npt" caps
	check "table without the module" fails 3 "netlink" table --vm 1
	check "walk of a VM without the module" fails 3 "netlink" walk --vm 1 0x1000
fi
check "doctor" json 'any(c["check"] == "in-process" and c["ok"] for c in d["checks"]) and
	all(c["reason"] for c in d["checks"])' doctor
check "doctor as text" prints "ok  in-process" doctor
check "caps in-process" json 'd["in_process"] and d["engines"] == ["soft"]' caps --in-process
check "TLB presets" json 'any(p["name"] == "skylake" for p in d)' caps tlb

# --- replay ---

replay=(replay --in-process)
check "replay of lackey text" json '[(r["mmu"], r["page"]) for r in d["runs"]] ==
	[(m, p) for m in ("native", "shadow", "nested") for p in ("4k", "2m")] and
	all(r["accesses"] == 5 and r["in_process"] for r in d["runs"])' "${replay[@]}" "$tap_tmp/lackey"
# pages 0x400, 0x601, 0x602 and 0x603: four misses; modify hits; 4 and 24 references each
check "its counts" json '[(r["walks"], r["refs"]["guest"], r["refs"]["nested"],
	r["tlb"]["l1i"]["miss"], r["tlb"]["l1d"]["hit"], r["tlb"]["l1d"]["miss"]) for r in d["runs"]] ==
	[(4, 16, 0, 1, 2, 3), (4, 16, 80, 1, 2, 3)]' \
	"${replay[@]}" --mmu native,nested --page 4k "$tap_tmp/lackey"
check "2M pages" json '[(r["walks"], r["refs"]["guest"], r["refs"]["nested"]) for r in d["runs"]] ==
	[(2, 6, 24)]' "${replay[@]}" --mmu nested --page 2m "$tap_tmp/lackey"
check "1G pages" json '[(r["walks"], r["refs"]["guest"], r["refs"]["nested"]) for r in d["runs"]] ==
	[(2, 4, 12)]' "${replay[@]}" --mmu nested --page 1g "$tap_tmp/lackey"
check "no TLB" json 'd["runs"][0]["walks"] == 6' "${replay[@]}" --mmu native --page 4k --tlb none \
	"$tap_tmp/lackey"
check "five levels on five" json 'd["runs"][0]["refs"] ["nested"] == 4 * 30 and
	d["runs"][0]["refs"]["guest"] == 20' \
	"${replay[@]}" --mmu nested --page 4k --guest-levels 5 --nested-levels 5 "$tap_tmp/lackey"
check "32-bit tables" json 'd["runs"][0]["refs"]["guest"] == 8' \
	"${replay[@]}" --mmu nested --page 4k --guest-levels 2 "$tap_tmp/lackey"
check "EPT" json 'd["nested_format"] == "ept" and d["runs"][0]["refs"]["nested"] == 80' \
	"${replay[@]}" --mmu nested --page 4k --nested-format ept "$tap_tmp/lackey"
check "random layout" json 'd["runs"][0]["walks"] == 4' \
	"${replay[@]}" --mmu nested --page 4k --layout random --seed 7 "$tap_tmp/lackey"
check "text says in-process" prints "in this process (no kernel module)" "${replay[@]}" "$tap_tmp/lackey"

narrow()
{
	run 0 "${replay[@]}" "$tap_tmp/lackey" || return 1
	awk 'length > 100 { print "too long: " $0; bad = 1 } END { exit bad }' "$tap_tmp/out"
}
check "text fits 100 columns" narrow

piped()
{
	local status=0

	# shellcheck disable=SC2002
	cat "$tap_tmp/lackey" | "$npt" -j "${replay[@]}" - > "$tap_tmp/a" || status=$?
	"$npt" -j "${replay[@]}" - < "$tap_tmp/lackey" > "$tap_tmp/b" || status=$?
	is "exit status" "$status" 0 || return 1
	diff <(sed 's/"seconds":[^,]*,//g' "$tap_tmp/a") <(sed 's/"seconds":[^,]*,//g' "$tap_tmp/b")
}
check "a pipe gives what a file gives" piped

convert()
{
	run 0 trace convert "$tap_tmp/lackey" "$tap_tmp/native" || return 1
	json 'all(r["accesses"] == 5 for r in d["runs"])' "${replay[@]}" "$tap_tmp/native"
}
check "the native format" convert

# The same, whatever -p does to the looks.
pretty()
{
	run 0 -p "${replay[@]}" "$tap_tmp/lackey" || return 1
	[ "$(wc -l < "$tap_tmp/out")" -gt 50 ] || { echo "not indented"; return 1; }
	python3 -m json.tool < "$tap_tmp/out" > /dev/null
}
check "-p is indented JSON" pretty

check "no trace" fails 2 "one trace" "${replay[@]}"
check "two traces" fails 2 "found 2" "${replay[@]}" a b
check "a trace that is not there" fails 1 "No such file" "${replay[@]}" "$tap_tmp/nothing"
check "a trace that is a folder" fails 1 "directory" "${replay[@]}" "$tap_tmp"
check "an empty trace" fails 1 "empty" "${replay[@]}" "$tap_tmp/empty"
check "a damaged trace" fails 1 "rubbish" "${replay[@]}" "$tap_tmp/rubbish"
check "an address above 4 GiB" fails 1 "4 GiB" "${replay[@]}" --guest-levels 3 "$tap_tmp/high"
check "an address that is not canonical" fails 1 "record 2" "${replay[@]}" "$tap_tmp/high"
check "bad mode" fails 2 "expected native, shadow or nested" "${replay[@]}" --mmu native,x "$tap_tmp/lackey"
check "empty list" fails 2 "expected" "${replay[@]}" --mmu "" "$tap_tmp/lackey"
check "bad page size" fails 2 "expected 4k, 2m or 1g" "${replay[@]}" --page 4m "$tap_tmp/lackey"
check "bad TLB" fails 2 "--tlb" "${replay[@]}" --tlb l1d=7/3 "$tap_tmp/lackey"
check "bad policy" fails 2 "expected lru" "${replay[@]}" --policy best "$tap_tmp/lackey"
check "bad levels" fails 2 "from 2 to 5" "${replay[@]}" --guest-levels 6 "$tap_tmp/lackey"
check "negative levels" fails 2 "from 4 to 5" "${replay[@]}" --nested-levels -4 "$tap_tmp/lackey"
check "bad format" fails 2 "expected npt, lackey" "${replay[@]}" --format tar "$tap_tmp/lackey"
check "1G pages of a PAE guest" fails 1 "1g" "${replay[@]}" --page 1g --guest-levels 3 "$tap_tmp/lackey"

full()
{
	local status=0

	"$npt" -j "${replay[@]}" "$tap_tmp/lackey" > /dev/full 2> "$tap_tmp/err" || status=$?
	is "exit status" "$status" 1 && grep -q "could not be written" "$tap_tmp/err"
}
check "a full disk under standard output" full

left_behind()
{
	is "copies left behind" "$(find "$tap_tmp" -name 'npt-replay-*' | wc -l)" 0
}
check "no copy of a trace is left behind" left_behind

# --- walk ---

walk=(walk --in-process)
check "walk: 24 references" prints "4 guest + 20 nested = 24 references" "${walk[@]}"
check "walk: 2M in 2M" prints "= 15 references" "${walk[@]}" --page 2m --nested-page 2m
check "walk: 4K in 2M" prints "= 19 references" "${walk[@]}" --nested-page 2m
check "walk: 4K in 1G" prints "= 14 references" "${walk[@]}" --nested-page 1g
check "walk: 1G in 1G" prints "= 8 references" "${walk[@]}" --page 1g --nested-page 1g
check "walk: 5 on 5" prints "= 35 references" "${walk[@]}" --guest-levels 5 --nested-levels 5
check "walk: PAE" prints "= 19 references" "${walk[@]}" --guest-levels 3
check "walk: native" prints "4 references" "${walk[@]}" --mmu native
check "walk: shadow" prints "shadow tables" "${walk[@]}" --mmu shadow
check "walk: in the order of the hardware" json '[(e["number"], e["dimension"], e["level"])
	for e in d["entries"]] == [(i + 1, "guest" if i % 5 == 4 else "nested",
	4 - i // 5 if i % 5 == 4 else 4 - i % 5) for i in range(24)]' "${walk[@]}"
check "walk: what decided" json 'd["status"] == "guest-pf" and d["error_code"] == 7 and
	d["entries"][-1]["verdict"] == "write" and d["entries"][-1]["bit"] == 1' \
	"${walk[@]}" --rights ru --write
check "walk: nothing mapped" prints "bit 0 of 0x0 decides" "${walk[@]}" --rights -
check "walk: cold" prints "an access would have it filled in" "${walk[@]}" --cold
check "walk: bad address" fails 2 "does not fit" "${walk[@]}" 0x800000000000
check "walk: no number" fails 2 "expected a number" "${walk[@]}" abc
check "walk: two addresses" fails 2 "one address" "${walk[@]}" 1 2
check "walk: bad rights" fails 2 "expected letters" "${walk[@]}" --rights q
check "walk: --vm without an address" fails 2 "needs an address" walk --vm 1
check "table: no VM" fails 2 "which VM?" table
check "table: no VM but a table" fails 2 "which VM?" table show guest
check "table: bad table" fails 2 "expected guest, nested or shadow" table show --vm 1 page
check "table: VM 0" fails 2 "table: VM" table show 0
check "table: bad VM" fails 2 "table: VM" table show 1x guest
check "table: bad vCPU" fails 2 "table: VCPU" table show 1 1024
check "table: a number too many" fails 2 "unexpected \"3\"" table show 1 2 guest 3
check "table: two vCPUs" fails 2 "unexpected \"2\"" table show --vm 1 --vcpu 0 2

done_testing
