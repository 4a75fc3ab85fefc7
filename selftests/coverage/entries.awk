# SPDX-License-Identifier: GPL-2.0
# Reads selftests/coverage/reasons, the first file of the command line, into arrays: for
# entry n in_file[n], in_function[n] (or *), piece[n] (of a line's text, or ""), reason[n].
# What reads one of them says how with the rules that follow. Runs in the top folder.

function entry(line,   end)
{
	entries++
	in_file[entries] = file
	end = match(line, /[: ]/)
	in_function[entries] = substr(line, 1, end - 1)
	line = substr(line, end)
	if (line ~ /^ "/) {
		end = index(line, "\": ")
		piece[entries] = substr(line, 3, end - 3)
		line = substr(line, end + 1)
	}
	if (line !~ /^: ./) {
		printf("not ok - %s:%d: expected FUNCTION [\"TEXT\"]: REASON\n", FILENAME, FNR)
		exit failed = 1
	}
	reason[entries] = substr(line, 3)
}

# Fills text[file, line], within[file, line] (the function; - before the first one) and
# lines[file]. The compiler's lists lack functions that are always inlined.
function source(file,   line, n, name)
{
	if (file in lines)
		return
	name = "-"
	while ((getline line < file) > 0) {
		if (line ~ /^[A-Za-z_][^;=]*\(/ && match(line, /[A-Za-z0-9_]+\(/))
			name = substr(line, RSTART, RLENGTH - 1)
		text[file, ++n] = line
		within[file, n] = name
	}
	close(file)
	lines[file] = n + 0
}

FNR == 1		{ part++ }
part == 1 && /^(#|$)/	{ next }
part == 1 && /^\t/	{ entry(substr($0, 2)); next }
part == 1		{ file = $1; next }
