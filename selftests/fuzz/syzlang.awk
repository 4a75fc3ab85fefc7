# SPDX-License-Identifier: GPL-2.0
# Turns the structs of a syzlang description into C assertions: each field lies
# where the header has it, and the sum is the header's size. Understands what
# npt.txt uses, and complains about the rest.

function fail(what)
{
	printf "#error \"%s\"\n", what
}

# The @n-th argument of NAME[...], brackets within it respected.
function argument(type, n,	i, c, depth, from, count)
{
	from = index(type, "[") + 1
	count = 1
	for (i = from; i <= length(type); i++) {
		c = substr(type, i, 1)
		if (c == "[")
			depth++
		if ((c == "," && !depth) || (c == "]" && !depth)) {
			if (count == n)
				return substr(type, from, i - from)
			count++
			from = i + 2
		}
		if (c == "]")
			depth--
	}
	return ""
}

# Bytes of a type; alignment goes to align[type].
function size(type,	head, n)
{
	head = type
	sub(/\[.*/, "", head)
	if (head ~ /^(int|bool)(8|16|32|64)$/) {
		n = substr(head, match(head, /[0-9]/)) / 8
		align[type] = n
		return n
	}
	if (head == "const" || head == "flags" || head == "len" || head == "bytesize") {
		n = size(argument(type, 2))
		align[type] = n
		return n
	}
	if (head == "ptr64" || head == "vma64") {
		align[type] = 8
		return 8
	}
	if (head == "array") {
		n = size(argument(type, 1))
		align[type] = align[argument(type, 1)]
		return n * argument(type, 2)	# without a number: not counted
	}
	if (head in resource)
		return size_as(type, resource[head])
	if (head in sizes)
		return sizes[head]
	fail("unknown type " type)
	return 0
}

function size_as(type, other)
{
	size(other)
	align[type] = align[other]
	return size(other)
}

function assert_field(name, field, at, n)
{
	printf "_Static_assert(offsetof(struct %s, %s) == %d, \"%s.%s\");\n", name, field, at,
		name, field
	# Those without an end have no size.
	if (n)
		printf "_Static_assert(sizeof(((struct %s *)0)->%s) == %d, \"%s.%s\");\n", name,
			field, n, name, field
}

/^resource [a-z_]+\[int(16|32|64)\]/ {
	name = $2
	sub(/\[.*/, "", name)
	type = $2
	sub(/^[a-z_]+\[/, "", type)
	sub(/\].*/, "", type)
	resource[name] = type
}

/^[a-z_0-9]+ \{$/ {
	inside = $1
	c = inside
	if (!sub(/^npt_kvm_/, "kvm_", c))
		c = inside
	offset = 0
	most = 1
	next
}

inside && /^\}/ {
	offset = int((offset + most - 1) / most) * most
	sizes[inside] = offset
	align[inside] = most
	printf "_Static_assert(sizeof(struct %s) == %d, \"%s\");\n", c, offset, inside
	inside = ""
	next
}

inside {
	field = $1
	type = $0
	sub(/^[ \t]*[a-zA-Z0-9_]+[ \t]+/, "", type)
	sub(/[ \t]*\((in|out|inout)\)$/, "", type)
	n = size(type)
	a = align[type]
	if (!a)
		fail(inside "." field ": no alignment")
	offset = int((offset + a - 1) / a) * a
	# Names that are ours: opaque state, and unions.
	if (field != "bytes")
		assert_field(c, field, offset, n)
	offset += n
	if (a > most)
		most = a
}
