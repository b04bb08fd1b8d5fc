/** What this kernel has, asked in another way than the package does. */
import { readFileSync } from 'node:fs'

/** What io.d reads of a kernel that some kernels lack, and the members of translators that they cost. */
export function expectedLimitations(): string[] {
  const lacks = []
  // Names of the kernel's types and members are strings of its BTF; what no string names, it does not have.
  if (!readFileSync('/sys/kernel/btf/vmlinux').includes('\0b_end_io\0')) lacks.push('bufinfo_t.b_iodone')
  if (!/ major_names$/m.test(readFileSync('/proc/kallsyms', 'latin1'))) lacks.push('devinfo_t.dev_name')
  return lacks
}
