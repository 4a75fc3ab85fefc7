# SPDX-License-Identifier: GPL-2.0
# Sourced by run: QEMU's software processor with AMD's SVM.
# shellcheck shell=bash disable=SC2154

emulator_check()
{
	need qemu-system-x86_64 qemu-system-x86
	[ -n "$cpu" ] || cpu=max
}

qemu_arguments()
{
	local accel=tcg,thread=multi image=$kernel/vmlinuz

	# The unpacked kernel saves the processor half of a boot; but 5-level
	# paging is switched on by the code that unpacks, so it must be off.
	case ,$cpu, in
	*,-la57,*)	image=$kernel/vmlinux ;;
	esac
	arguments=(-nodefaults -no-user-config -display none -no-reboot
		   -kernel "$image" -initrd "$dir/initrd"
		   -cpu "$cpu" -smp "$smp" -m "$mem")
	if [ -n "$icount" ]; then
		# One thread turns all processors, on a clock made of instructions.
		accel=tcg,thread=single
		arguments+=(-icount shift=0,sleep=off -rtc base=2024-01-01,clock=vm)
		words="$words nokaslr tsc=reliable"
	fi
	arguments+=(-accel "$accel" -append "$words")
}

emulator_start()
{
	local port name names="stdout stderr status"

	qemu_arguments
	# ioeventfd=off: a write is taken before the guest goes on, so that the
	# host's speed never shows in the guest's instruction count.
	arguments+=(-serial file:"$dir/console"
		    -device virtio-serial-pci,max_ports=5,ioeventfd=off)
	port=1
	[ -z "$coverage" ] || names="$names counts"
	for name in $names; do
		arguments+=(-chardev file,id=$name,path="$dir/$name"
			    -device virtserialport,nr=$port,chardev=$name)
		port=$((port + 1))
	done
	setpriv --pdeathsig TERM timeout --foreground -k 5 "$timeout" \
		qemu-system-x86_64 "${arguments[@]}" </dev/null >"$dir/emulator" 2>&1 &
}

emulator_interactive()
{
	qemu_arguments
	qemu-system-x86_64 "${arguments[@]}" -serial mon:stdio
}
