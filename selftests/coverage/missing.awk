# SPDX-License-Identifier: GPL-2.0
# Writes the lines that never ran, each with its reason, to the file OUT:
# awk -v out=OUT -f entries.awk -f missing.awk selftests/coverage/reasons INFO
# where INFO is lcov's. Neighbours of one function and reason are joined. Prints how many
# there are, as the fourth test of report's.

# Which entry speaks of a line: one with its text; else the one of the line before it, if
# that went by its text and did not run either; one for the function; one for the file.
function entry_of(line, f, before,   i, best, weight)
{
	for (i = 1; i <= entries; i++) {
		if (in_file[i] != file || (in_function[i] != f && in_function[i] != "*"))
			continue
		if (piece[i] == "")
			weight = in_function[i] == "*" ? 1 : 2
		else
			weight = index(text[file, line], piece[i]) ? 4 : 0
		if (weight > score[best]) {
			score[i] = weight
			best = i
		}
	}
	return score[best] < 4 && before ? before : best + 0
}

function put()
{
	if (!first)
		return
	printf("%s:%d%s (%s): %s\n", file, first, (last > first ? "-" last : ""), where,
	       now ? reason[now] : "no reason is given") > out
	first = 0
}

function missed(line,   f, n)
{
	f = within[file, line]
	n = entry_of(line, f, first && f == where && piece[now] != "" ? now : 0)
	if (!first || f != where || n != now) {
		put()
		first = line
		where = f
		now = n
	}
	last = line
	used[n] = 1
	count[n > 0]++
}

/^SF:/	{
	file = substr($0, 4)
	source(file)
	first = 0
}
/^DA:/	{
	split(substr($0, 4), a, ",")
	if (a[2] > 0)
		put()
	else
		missed(a[1])
}
/^end/	{ put() }

END {
	if (failed)
		exit 1
	for (i = 1; i <= entries; i++)
		if (!(i in used))
			printf("# ran, though there is a reason why not: %s %s %s\n", in_file[i],
			       in_function[i], piece[i])
	printf("%s 4 - %d lines did not run for a reason, %d without one\n",
	       count[0] ? "not ok" : "ok", count[1], count[0])
	exit count[0] > 0
}
