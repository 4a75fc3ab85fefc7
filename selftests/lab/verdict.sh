# SPDX-License-Identifier: GPL-2.0
# Sourced by run when the emulator has ended: what happened in there?
# shellcheck shell=bash disable=SC2154

# Only from the line on that init writes when it starts: what the kernel says
# about the emulator's hardware while it boots is not ours.
. "$lab/complaint.sh"

# Prints from the first complaint to the end, at most 80 lines.
splat()
{
	tr -d '\r' < "$dir/console" | awk -v pattern="$splat_pattern" '
		/npt-lab: ready/ { ours = 1 }
		ours && /^\[ *[0-9]+\.[0-9]+\]/ && $0 ~ pattern { found = 1 }
		found && lines++ < 80 { print }'
}

complaint=$(splat)
if [ -n "$complaint" ]; then
	printf '%s\n' "$complaint" >&2
	say "the kernel complained, its log is in $(keep_log)"
	exit 99
fi

status=$(tr -d '\r' < "$dir/status" | tail -n 1)
case $status in
'exit '*)
	[ -z "$log" ] || keep_log > /dev/null
	exit "${status#exit }"
	;;
refused*)
	say "the module was refused: ${status#refused }, the kernel's log is in $(keep_log)"
	exit "$LAB_FAILED"
	;;
esac
if [ -n "$hung" ]; then
	say "the kernel did not boot within $boot_limit seconds, twice, its log is in $(keep_log)"
	exit "$LAB_FAILED"
fi
if [ "$code" = 124 ] || [ "$code" = 137 ]; then
	if [ "$status" = ready ]; then
		say "the command was not done after $timeout seconds, the kernel's log is in $(keep_log)"
		exit 124
	fi
	say "the kernel did not boot within $timeout seconds, its log is in $(keep_log)"
	exit "$LAB_FAILED"
fi
if [ -s "$dir/emulator" ]; then
	say "$emulator failed: $(grep -v '^$' "$dir/emulator" | tail -n 1)"
else
	say "$emulator ended without a result (status $code), the kernel's log is in $(keep_log)"
fi
exit "$LAB_FAILED"
