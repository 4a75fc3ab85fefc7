#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What selftests/check makes of what its groups print.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"

# groups LINE...: run check on groups that print so: "NAME STATUS TAP", words of TAP apart by /
groups()
{
	local line name status tap

	: > "$tap_tmp/list"
	for line in "$@"; do
		read -r name status tap <<< "$line"
		printf '%s' "$tap" | tr / '\n' > "$tap_tmp/$name.tap"
		echo "$name 20 cat $tap_tmp/$name.tap; exit $status" >> "$tap_tmp/list"
	done
	code=0
	"$here/check" --from "$tap_tmp/list" --skips "$tap_tmp/skips" --logs "$tap_tmp/logs" \
		> "$tap_tmp/told" || code=$?
	cat "$tap_tmp/told"
}

# ends STATUS LAST-LINE
ends()
{
	is "exit status" "$code" "$1" && is "the last line" "$(tail -n 1 "$tap_tmp/told")" "$2"
}

adds_up()
{
	groups 'a 0 ok 1/ok 2/1..2' 'b 0 nothing to see' 'c 0 ok 1 # SKIP not here/1..1'
	ends 0 '3 passed, 0 failed, 1 skipped'
}

hears_failures()
{
	groups 'a 1 ok 1/not ok 2 - two/1..2' 'b 3 nothing to see'
	ends 1 '1 passed, 2 failed' && grep 'not ok 2 - two' "$tap_tmp/told" &&
		grep 'not ok - exit status 3' "$tap_tmp/told"
}

# A test program that ended early, or well although nothing failed.
hears_silence()
{
	groups 'a 0 1..3/ok 1' 'b 1 ok 1/1..1' 'c 99 ok 1/1..1'
	ends 1 '3 passed, 3 failed' && grep '3 tests planned, 1 seen' "$tap_tmp/told" &&
		grep '(the kernel complained)' "$tap_tmp/told"
}

skips()
{
	groups 'x.a 0 ok 1 # SKIP known here/ok 2 # SKIP - known there/1..2' \
		'x.b 0 ok 1 # skip known here/ok 2 # SKIP who knows why/ok 3/1..3' \
		'y 0 1..0 # SKIP who knows why'
	ends 1 '1 passed, 2 failed, 3 skipped' &&
		is "unexpected ones" "$(grep -c 'not expected' "$tap_tmp/told")" 2 &&
		grep 'not expected.*ok 2 # SKIP who knows why' "$tap_tmp/told" &&
		grep 'not expected.*ok 2 # SKIP - known there' "$tap_tmp/told"
}

printf '%s\n' '# GROUPS REASON' 'x.* -' 'x.[ab] known h*' 'z known there' > "$tap_tmp/skips"
check "passed, failed and skipped add up" adds_up
check "failures are told, with what led to them" hears_failures
check "so is what was planned and is not there" hears_silence
check "and what is skipped where nobody expects it" skips
done_testing
