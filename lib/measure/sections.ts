/**
 * What can be measured: for each section its D, and what its aggregations mean. Only the sections that are asked for are compiled.
 *
 * In all of them `measured` is true for the command and what descends from it, see {@link file://./d-program.ts}.
 */
import type { Aggregation } from '../aggregation/aggregation.js'
import type { Bucket } from '../aggregation/values.js'
import { errnoName } from '../watch/errno-name.js'
import { signalName } from './signal-name.js'
import { COMPAT, syscallName } from './syscall-names.js'

export const SECTIONS = ['syscalls', 'io', 'sched', 'pageFaults', 'signals', 'opens', 'processes'] as const

/** A part of what is measured. */
export type Section = (typeof SECTIONS)[number]

/** A piece of D that is compiled by itself: where a kernel can't have it, the rest is measured all the same. */
export interface Piece {
  section: Section
  /** What is not measured without it; undefined: then the section can't be measured at all. */
  optional?: string
  source: string
}

const milliseconds = (nanoseconds: number): number => nanoseconds / 1e6

/** Sums of a counter of `struct task_struct`: of each thread when it exits, less what the first one had when it began. */
function counters(variable: string, members: Readonly<Record<string, string>>): string {
  const statements = (sign: '' | '-'): string =>
    Object.entries(members)
      .map(([name, member]) => `\t${variable}["${name}"] = sum(${sign}(int64_t)curthread->${member});\n`)
      .join('')
  return `
rawtp:sched::sched_process_exec
/measured && measure_beginning/
{
${statements('-')}}

rawtp:sched::sched_process_exit
/measured/
{
${statements('')}}
`
}

export const PIECES: readonly Piece[] = [
  {
    section: 'syscalls',
    // The number of a call of a 32-bit program is another table's: TS_COMPAT of arch/x86/include/asm/thread_info.h.
    source: `
rawtp:raw_syscalls::sys_enter
/measured/
{
	self->measure_call = 1 + (uint64_t)arg1${process.arch === 'x64' ? ` + (curthread->thread_info.status & 2 ? ${COMPAT} : 0)` : ''};
	self->measure_entered = timestamp;
	@measure_calls[self->measure_call - 1] = count();
}

rawtp:raw_syscalls::sys_exit
/self->measure_call != 0 && measured/
{
	@measure_call_time[self->measure_call - 1] = sum(timestamp - self->measure_entered);
	@measure_call_times[self->measure_call - 1] = quantize(timestamp - self->measure_entered);
}

rawtp:raw_syscalls::sys_exit
/self->measure_call != 0 && measured && (int64_t)arg1 < 0 && (int64_t)arg1 >= -4095/
{
	@measure_call_errors[self->measure_call - 1, (uint64_t)-(int64_t)arg1] = count();
}

rawtp:raw_syscalls::sys_exit
/self->measure_call != 0/
{
	self->measure_call = 0;
	self->measure_entered = 0;
}
`,
  },
  {
    section: 'io',
    optional: 'what is read and written, as each process counts it (CONFIG_TASK_IO_ACCOUNTING)',
    source: counters('@measure_io', {
      rchar: 'ioac.rchar',
      wchar: 'ioac.wchar',
      syscr: 'ioac.syscr',
      syscw: 'ioac.syscw',
      read_bytes: 'ioac.read_bytes',
      write_bytes: 'ioac.write_bytes',
    }),
  },
  {
    section: 'io',
    optional: 'operations of block devices',
    source: `
uint64_t measure_bio[uint64_t];

io:::start
/measured/
{
	@measure_device[args[0]->b_flags & B_WRITE ? "write" : "read"] = count();
	@measure_device_bytes[args[0]->b_flags & B_WRITE ? "write" : "read"] = sum(args[0]->b_bcount);
	measure_bio[(uint64_t)arg0] = timestamp;
}

io:::done
/measure_run != 0 && measure_bio[(uint64_t)arg0] != 0/
{
	@measure_device_times[args[0]->b_flags & B_WRITE ? "write" : "read"] = quantize(timestamp - measure_bio[(uint64_t)arg0]);
	measure_bio[(uint64_t)arg0] = 0;
}
`,
  },
  {
    section: 'sched',
    // sched_switch(preempt, prev, next): the current thread is still the one that leaves.
    source: `
uint64_t measure_on[uint64_t];
uint64_t measure_off[uint64_t];

rawtp:sched::sched_process_exec
/measured && measure_beginning/
{
	measure_on[(uint64_t)tid] = timestamp;
}

rawtp:sched::sched_process_fork
/measured/
{
	measure_on[(uint64_t)((struct task_struct *)arg1)->pid] = 0;
	measure_off[(uint64_t)((struct task_struct *)arg1)->pid] = timestamp;
}

rawtp:sched::sched_switch,
rawtp:sched::sched_process_exit
/measured && measure_on[(uint64_t)tid] != 0/
{
	@measure_on_time = sum(timestamp - measure_on[(uint64_t)tid]);
	@measure_on_times = quantize(timestamp - measure_on[(uint64_t)tid]);
	measure_on[(uint64_t)tid] = 0;
}

rawtp:sched::sched_switch
/measured/
{
	measure_off[(uint64_t)tid] = timestamp;
}

rawtp:sched::sched_switch
{
	this->measure_next = (uint64_t)((struct task_struct *)arg2)->pid;
	this->measure_entering = measure_run != 0 &&
	    measure_tree[(uint64_t)((struct task_struct *)arg2)->tgid] == measure_run;
}

rawtp:sched::sched_switch
/this->measure_entering && measure_off[this->measure_next] != 0/
{
	@measure_off_time = sum(timestamp - measure_off[this->measure_next]);
	@measure_off_times = quantize(timestamp - measure_off[this->measure_next]);
}

rawtp:sched::sched_switch
/this->measure_entering/
{
	measure_on[this->measure_next] = timestamp;
}
${counters('@measure_sched', { voluntary: 'nvcsw', involuntary: 'nivcsw', migrations: 'se.nr_migrations' })}`,
  },
  {
    section: 'sched',
    optional: 'how long threads waited for a CPU (CONFIG_SCHED_INFO)',
    source: counters('@measure_sched', { waiting: 'sched_info.run_delay' }),
  },
  {
    section: 'pageFaults',
    source: counters('@measure_faults', { minor: 'min_flt', major: 'maj_flt' }),
  },
  {
    section: 'signals',
    // signal_generate(sig, info, task, group, result): 0 is TRACE_SIGNAL_DELIVERED of include/trace/events/signal.h. Where a signal
    // ends a process, signal_deliver would call it SIGKILL.
    source: `
rawtp:signal::signal_generate
/measure_run != 0 && arg4 == 0 && measure_tree[(uint64_t)((struct task_struct *)arg2)->tgid] == measure_run/
{
	@measure_signals[(uint64_t)arg0] = count();
}
`,
  },
  {
    section: 'opens',
    source: `
syscall::open:entry,
syscall::creat:entry
/measured/
{
	self->measure_path = (uint64_t)arg0;
}

syscall::openat:entry,
syscall::openat2:entry
/measured/
{
	self->measure_path = (uint64_t)arg1;
}

syscall::open:return,
syscall::creat:return,
syscall::openat:return,
syscall::openat2:return
/self->measure_path != 0 && errno != EFAULT/
{
	@measure_opens[copyinstr(self->measure_path), (uint64_t)errno] = count();
}

syscall::open:return,
syscall::creat:return,
syscall::openat:return,
syscall::openat2:return
/self->measure_path != 0/
{
	self->measure_path = 0;
}
`,
  },
  {
    section: 'processes',
    source: `
rawtp:sched::sched_process_exec
/measured/
{
	@measure_execs[execname] = count();
}
`,
  },
]

/** Uses of one system call. */
export interface SyscallUse {
  name: string
  calls: number
  /** Milliseconds in all that returned. */
  time: number
  /** Nanoseconds of each. */
  distribution: Bucket<'number'>[]
  errors: { error: string; errno: number; count: number }[]
}

/** Operations of block devices in one direction. */
export interface DeviceUse {
  operations: number
  bytes: number
  /** Nanoseconds of each, from being submitted to being done. */
  distribution: Bucket<'number'>[]
}

/** What is measured, by section. A section is undefined where it wasn't asked for. */
export interface Sections {
  /** The one that took longest first. */
  syscalls?: SyscallUse[]
  io?: {
    /** Calls that read or write, and the bytes that they transferred, from wherever; /proc/PID/io calls them syscr, rchar, … */
    reads?: number
    readBytes?: number
    writes?: number
    writtenBytes?: number
    /** Bytes that had to be fetched from storage, and that are to be written there. */
    storageReadBytes?: number
    storageWrittenBytes?: number
    /** What the processes themselves submitted; what the kernel writes back later isn't in it. */
    device?: { read: DeviceUse; write: DeviceUse }
  }
  sched?: {
    /** Milliseconds on a CPU, and not on one, of all threads. */
    onCpu: number
    offCpu: number
    /** Milliseconds of `offCpu` in which a thread could have run, but had no CPU. */
    waiting?: number
    /** Context switches: threads that wait for something, and threads that are taken off the CPU. */
    voluntary: number
    involuntary: number
    migrations: number
    /** Nanoseconds of each stretch. */
    onCpuDistribution: Bucket<'number'>[]
    offCpuDistribution: Bucket<'number'>[]
  }
  pageFaults?: { minor: number; major: number }
  /** Sent to the processes, and not ignored. */
  signals?: { signal: string; count: number }[]
  /** Paths as passed, the one that was opened most often first; `error` where it couldn't be. */
  opens?: { path: string; error?: string; count: number }[]
  processes?: {
    /** Processes and threads that were started. */
    forks: number
    threads: number
    /** Programs that were executed. */
    execs: { execname: string; count: number }[]
  }
}

/** What a run's aggregations say. */
export class Rows {
  readonly #rows: readonly Aggregation<'number'>[]

  constructor(rows: readonly Aggregation<'number'>[]) {
    this.#rows = rows
  }

  of(name: string): Aggregation<'number'>[] {
    return this.#rows.filter((row) => row.name === name)
  }

  /** The integer of a key, 0 where there is none. */
  value(name: string, ...key: (string | number)[]): number {
    const value = this.#rows.find((row) => row.name === name && sameKey(row.key, key))?.value
    return typeof value === 'number' ? value : 0
  }

  distribution(name: string, ...key: (string | number)[]): Bucket<'number'>[] {
    const value = this.#rows.find((row) => row.name === name && sameKey(row.key, key))?.value
    return Array.isArray(value) ? value : []
  }
}

function sameKey(key: readonly unknown[], wanted: readonly (string | number)[]): boolean {
  return key.length === wanted.length && wanted.every((part, i) => String(key[i]) === String(part))
}

/** @param missing sections, or parts of them, that this kernel can't have: the `optional` of their pieces */
export function readSections(
  asked: ReadonlySet<Section>,
  rows: Rows,
  missing: ReadonlySet<string>,
): Sections {
  const found: Sections = {}
  if (asked.has('syscalls')) found.syscalls = syscalls(rows)
  if (asked.has('io')) found.io = io(rows, missing)
  if (asked.has('sched')) found.sched = sched(rows, missing)
  if (asked.has('pageFaults')) {
    found.pageFaults = {
      minor: rows.value('@measure_faults', 'minor'),
      major: rows.value('@measure_faults', 'major'),
    }
  }
  if (asked.has('signals')) {
    found.signals = byCount(
      rows.of('@measure_signals').map(({ key, value }) => ({
        signal: signalName(Number(key[0])),
        count: Number(value),
      })),
    )
  }
  if (asked.has('opens')) found.opens = opens(rows)
  if (asked.has('processes')) {
    found.processes = {
      forks: rows.value('@measure_base', 'forks'),
      threads: rows.value('@measure_base', 'threads'),
      execs: byCount(
        rows
          .of('@measure_execs')
          .map(({ key, value }) => ({ execname: String(key[0]), count: Number(value) })),
      ),
    }
  }
  return found
}

function syscalls(rows: Rows): SyscallUse[] {
  const errors = rows.of('@measure_call_errors')
  const uses = rows.of('@measure_calls').map(({ key, value }) => {
    const number = Number(key[0])
    return {
      name: syscallName(number),
      calls: Number(value),
      time: milliseconds(rows.value('@measure_call_time', number)),
      distribution: rows.distribution('@measure_call_times', number),
      errors: byCount(
        errors
          .filter(({ key: [call] }) => Number(call) === number)
          .map(({ key: [, errno], value: count }) => ({
            error: errnoName(Number(errno)),
            errno: Number(errno),
            count: Number(count),
          })),
      ),
    }
  })
  return uses.sort((a, b) => b.time - a.time || b.calls - a.calls)
}

function io(rows: Rows, missing: ReadonlySet<string>): NonNullable<Sections['io']> {
  const [counted, devices] = PIECES.filter(({ section }) => section === 'io')
  const device = (way: 'read' | 'write'): DeviceUse => ({
    operations: rows.value('@measure_device', way),
    bytes: rows.value('@measure_device_bytes', way),
    distribution: rows.distribution('@measure_device_times', way),
  })
  const of = (name: string): number => rows.value('@measure_io', name)
  return {
    ...(missing.has(counted?.optional ?? '')
      ? {}
      : {
          reads: of('syscr'),
          readBytes: of('rchar'),
          writes: of('syscw'),
          writtenBytes: of('wchar'),
          storageReadBytes: of('read_bytes'),
          storageWrittenBytes: of('write_bytes'),
        }),
    ...(missing.has(devices?.optional ?? '')
      ? {}
      : { device: { read: device('read'), write: device('write') } }),
  }
}

function sched(rows: Rows, missing: ReadonlySet<string>): NonNullable<Sections['sched']> {
  const of = (name: string): number => rows.value('@measure_sched', name)
  const waits = PIECES.find(({ section, optional }) => section === 'sched' && optional !== undefined)
  return {
    onCpu: milliseconds(rows.value('@measure_on_time')),
    offCpu: milliseconds(rows.value('@measure_off_time')),
    ...(missing.has(waits?.optional ?? '') ? {} : { waiting: milliseconds(of('waiting')) }),
    voluntary: of('voluntary'),
    involuntary: of('involuntary'),
    migrations: of('migrations'),
    onCpuDistribution: rows.distribution('@measure_on_times'),
    offCpuDistribution: rows.distribution('@measure_off_times'),
  }
}

function opens(rows: Rows): NonNullable<Sections['opens']> {
  return byCount(
    rows.of('@measure_opens').map(({ key: [path, errno], value }) => ({
      path: String(path),
      ...(Number(errno) === 0 ? {} : { error: errnoName(Number(errno)) }),
      count: Number(value),
    })),
  )
}

function byCount<Counted extends { count: number }>(items: Counted[]): Counted[] {
  return items.sort((a, b) => b.count - a.count)
}
