/** What DTrace needs of a system, each looked at by itself and without starting a session. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { findLeftovers } from './leftovers.js'
import { DTRACE_OF_THE_SYSTEM, describeCandidates, libraryCandidates } from './locate.js'

export interface Check {
  name: string
  /** `warn`: works, but not in everything. */
  status: 'ok' | 'warn' | 'fail'
  /** What was found. */
  detail: string
  /** What to do about it. */
  advice?: string
}

const TRACEFS = '/sys/kernel/debug/tracing'

/** capabilities(7) that do without root. */
const CAPABILITIES: readonly [name: string, bit: bigint, what: string][] = [
  ['CAP_BPF', 39n, 'load BPF programs'],
  ['CAP_PERFMON', 38n, 'attach them to probes'],
  ['CAP_DAC_OVERRIDE', 1n, 'use tracefs'],
  ['CAP_SYSLOG', 34n, 'see kernel symbols'],
]
/** Of old it allowed what CAP_BPF, CAP_PERFMON and CAP_SYSLOG allow now, and still does. */
const CAP_SYS_ADMIN = 21n

/**
 * All of them, in the order in which a failure of one explains those after it. Elsewhere than on Linux the library is all that can be
 * looked at without it: the rest is the system's own, and libdtrace says what it lacks.
 */
export function checkPlatform(platform: NodeJS.Platform = process.platform): Check[] {
  if (platform !== 'linux') return [checkLibrary(platform)]
  return [
    checkLibrary(platform),
    checkPrivileges(),
    checkLockdown(),
    checkTracefs(),
    checkBtf(),
    checkSymbols(),
    checkLeftovers(),
  ].filter((check) => check !== undefined)
}

function checkLibrary(platform: NodeJS.Platform): Check {
  const candidates = libraryCandidates({ platform })
  const found = candidates.find((candidate) => candidate.location !== undefined)?.location
  if (found !== undefined) {
    const version = found.version === undefined ? '' : ` ${found.version}`
    return { name: 'libdtrace', status: 'ok', detail: `${found.source}${version}: ${found.path}` }
  }
  return {
    name: 'libdtrace',
    status: 'fail',
    detail: ['not found; looked at', ...describeCandidates(candidates)].join('\n'),
    advice:
      platform === 'linux'
        ? 'on Debian and Ubuntu: dtrace-watch setup; elsewhere install the package of libdtrace 2, or name the library in DTRACE_CONSUMER_LIBDTRACE'
        : DTRACE_OF_THE_SYSTEM,
  }
}

export function checkPrivileges(): Check {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1]
  const set = BigInt(`0x${effective ?? '0'}`)
  const has = (bit: bigint): boolean => ((set >> bit) & 1n) === 1n
  const missing = CAPABILITIES.filter(
    ([name, bit]) => !has(bit) && (name === 'CAP_DAC_OVERRIDE' || !has(CAP_SYS_ADMIN)),
  )
  const user = process.getuid?.() === 0 ? 'root' : `uid ${process.getuid?.()}`
  if (missing.length === 0) return { name: 'privileges', status: 'ok', detail: `${user}, with all it takes` }
  return {
    name: 'privileges',
    status: 'fail',
    detail: `${user} lacks ${missing.map(([name, , what]) => `${name} (to ${what})`).join(', ')}`,
    advice:
      process.getuid?.() === 0
        ? 'this root is restricted, as in a container: start it with --privileged, or add these capabilities'
        : 'run it as root (sudo), or as a service with AmbientCapabilities= for these',
  }
}

/** kernel_lockdown(7): confidentiality forbids reading kernel memory by BPF, to root as well. */
function checkLockdown(): Check | undefined {
  const mode = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '')?.[1]
  if (mode !== 'confidentiality') return undefined
  return {
    name: 'lockdown',
    status: 'fail',
    detail: 'the kernel is locked down for confidentiality, which forbids tracing',
    advice: 'boot with lockdown=integrity or without lockdown',
  }
}

export function checkTracefs(): Check {
  const mount = 'mount -t debugfs debugfs /sys/kernel/debug'
  try {
    accessSync(`${TRACEFS}/available_events`, constants.R_OK)
  } catch (error) {
    const denied = (error as NodeJS.ErrnoException).code === 'EACCES'
    return {
      name: 'tracefs',
      status: 'fail',
      detail: denied ? `${TRACEFS} may not be read by this user` : `nothing is mounted at ${TRACEFS}`,
      advice: denied ? 'run it as root' : `as root: ${mount} (without it there are next to no probes)`,
    }
  }
  const events = (read(`${TRACEFS}/available_events`) ?? '').trim().split('\n')
  const systemCalls = events.filter((event) => event.startsWith('syscalls:')).length
  if (systemCalls === 0) {
    return {
      name: 'tracefs',
      status: 'warn',
      detail: `${events.length} tracepoints, but none of system calls`,
      advice: 'watchers need a kernel with CONFIG_FTRACE_SYSCALLS',
    }
  }
  return {
    name: 'tracefs',
    status: 'ok',
    detail: `${events.length} tracepoints, ${systemCalls} of them of system calls`,
  }
}

function checkBtf(): Check {
  if (existsSync('/sys/kernel/btf/vmlinux'))
    return { name: 'kernel types', status: 'ok', detail: 'BTF of the kernel is there' }
  return {
    name: 'kernel types',
    status: 'fail',
    detail: '/sys/kernel/btf/vmlinux is missing, and D programs take their kernel types from it',
    advice: "use a kernel with CONFIG_DEBUG_INFO_BTF; distributions' kernels have it",
  }
}

function checkSymbols(): Check {
  const name = 'kernel symbols'
  const symbols = read('/proc/kallsyms')
  if (symbols === undefined || symbols === '') {
    return { name, status: 'fail', detail: '/proc/kallsyms is empty or unreadable', advice: 'mount /proc' }
  }
  if (/^0+ /.test(symbols)) {
    return {
      name,
      status: 'fail',
      detail: '/proc/kallsyms shows no addresses',
      advice: 'run as root or with CAP_SYSLOG, and see that sysctl kernel.kptr_restrict is not 2',
    }
  }
  // A data symbol of the block layer. What its absence costs is said by the session's limitations.
  const data = / major_names$/m.test(symbols)
  const kind = data ? 'with data symbols' : 'without data symbols (CONFIG_KALLSYMS_ALL)'
  return { name, status: 'ok', detail: `${symbols.split('\n').length - 1}, ${kind}` }
}

function checkLeftovers(): Check {
  const name = 'leftovers'
  try {
    const leftovers = findLeftovers()
    if (leftovers.length === 0) return { name, status: 'ok', detail: 'no probes of dead consumers' }
    const events = leftovers.reduce((sum, leftover) => sum + leftover.events.length, 0)
    return {
      name,
      status: 'warn',
      detail: `${events} probes in uprobe_events of consumers that were killed (pid ${leftovers.map(({ pid }) => pid).join(', ')})`,
      advice: 'the next consumer takes them away; to do it now: dtrace-watch doctor --clean',
    }
  } catch {
    return { name, status: 'warn', detail: 'uprobe_events may not be read by this user' }
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
