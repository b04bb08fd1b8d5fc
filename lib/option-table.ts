/**
 * Every option of libdtrace 2.0.7 (dt_options.c), with what its value is and when it can be set. `docs/options.md` says what each
 * is for.
 */

/**
 * What an option's value is. `flag`: set or not; `size`: bytes; `rate`: nanoseconds; `count`: a number; `text`; else one of the
 * words.
 */
export type OptionType = 'flag' | 'size' | 'rate' | 'count' | 'text' | readonly string[]

/**
 * When an option has its effect. `program`: while a program is being compiled; this package passes it on with each. `libraries`:
 * when the D libraries are loaded, which the first program does. `compile`: while a program is being compiled, or later, kept by
 * the handle. `runtime`: when tracing starts. `dynamic`: at any time.
 */
export type OptionPhase = 'program' | 'libraries' | 'compile' | 'runtime' | 'dynamic'

export interface OptionEntry {
  readonly phase: OptionPhase
  readonly type: OptionType
  /** Of those that libdtrace does not give back. */
  readonly initial?: string | number | boolean
}

const PROGRAM_FLAG = { phase: 'program', type: 'flag', initial: false } as const
const COMPILE_FLAG = { phase: 'compile', type: 'flag', initial: false } as const
const COMPILE_TEXT = { phase: 'compile', type: 'text' } as const
const LIBRARY_TEXT = { phase: 'libraries', type: 'text' } as const
const RUNTIME_FLAG = { phase: 'runtime', type: 'flag' } as const
const RUNTIME_SIZE = { phase: 'runtime', type: 'size' } as const
const RUNTIME_RATE = { phase: 'runtime', type: 'rate' } as const
const RUNTIME_COUNT = { phase: 'runtime', type: 'count' } as const
const DYNAMIC_FLAG = { phase: 'dynamic', type: 'flag' } as const
const DYNAMIC_RATE = { phase: 'dynamic', type: 'rate' } as const
const DYNAMIC_COUNT = { phase: 'dynamic', type: 'count' } as const

export const OPTION_TABLE = {
  aggpercpu: COMPILE_FLAG,
  amin: { phase: 'program', type: 'text' },
  argref: PROGRAM_FLAG,
  btfpath: LIBRARY_TEXT,
  ctfpath: LIBRARY_TEXT,
  ctypes: COMPILE_TEXT,
  debug: COMPILE_FLAG,
  debugassert: { phase: 'compile', type: ['mutexes'] },
  defaultargs: PROGRAM_FLAG,
  disasm: { phase: 'compile', type: 'count' },
  dofstashpath: COMPILE_TEXT,
  droptags: COMPILE_FLAG,
  dtypes: COMPILE_TEXT,
  empty: PROGRAM_FLAG,
  errtags: { phase: 'program', type: 'flag', initial: true },
  evaltime: { phase: 'compile', type: ['exec', 'preinit', 'postinit', 'main'], initial: 'postinit' },
  iregs: { phase: 'compile', type: 'count', initial: 8 },
  kdefs: { phase: 'program', type: 'flag', initial: true },
  knodefs: PROGRAM_FLAG,
  late: { phase: 'libraries', type: ['static'], initial: 'static' },
  lazyload: COMPILE_FLAG,
  ldpath: COMPILE_TEXT,
  libdir: LIBRARY_TEXT,
  linkmode: { phase: 'compile', type: ['kernel', 'dynamic', 'static'], initial: 'kernel' },
  linknommap: COMPILE_FLAG,
  linktype: { phase: 'compile', type: ['elf', 'dof'], initial: 'elf' },
  modpath: LIBRARY_TEXT,
  pgmax: { phase: 'compile', type: 'count', initial: 8 },
  preallocate: { phase: 'compile', type: 'size' },
  procfspath: { phase: 'compile', type: 'text', initial: '/proc' },
  pspec: PROGRAM_FLAG,
  stdc: { phase: 'compile', type: ['a', 'c', 's', 't'], initial: 'a' },
  strip: COMPILE_FLAG,
  syslibdir: LIBRARY_TEXT,
  sysslice: COMPILE_TEXT,
  tree: { phase: 'compile', type: 'count', initial: 0 },
  tregs: { phase: 'compile', type: 'count', initial: 8 },
  udefs: { phase: 'program', type: 'flag', initial: true },
  unodefs: PROGRAM_FLAG,
  useruid: { phase: 'compile', type: 'count' },
  verbose: PROGRAM_FLAG,
  version: { phase: 'compile', type: 'text' },
  zdefs: PROGRAM_FLAG,

  aggsize: RUNTIME_SIZE,
  bpflog: RUNTIME_FLAG,
  bpflogsize: RUNTIME_SIZE,
  bufpolicy: { phase: 'runtime', type: ['ring', 'fill', 'switch'] },
  bufresize: { phase: 'runtime', type: ['auto', 'manual'] },
  bufsize: RUNTIME_SIZE,
  cleanrate: RUNTIME_RATE,
  cpu: RUNTIME_COUNT,
  destructive: RUNTIME_FLAG,
  dynvarsize: RUNTIME_SIZE,
  grabanon: RUNTIME_FLAG,
  jstackframes: RUNTIME_COUNT,
  jstackstrsize: RUNTIME_SIZE,
  lockmem: RUNTIME_SIZE,
  maxframes: RUNTIME_COUNT,
  noresolve: RUNTIME_FLAG,
  nspec: RUNTIME_COUNT,
  nusdtprobes: RUNTIME_COUNT,
  pcapsize: RUNTIME_SIZE,
  scratchsize: RUNTIME_SIZE,
  specsize: RUNTIME_SIZE,
  stackframes: RUNTIME_COUNT,
  statusrate: RUNTIME_RATE,
  strsize: RUNTIME_SIZE,
  ustackframes: RUNTIME_COUNT,

  aggrate: DYNAMIC_RATE,
  aggsortkey: DYNAMIC_FLAG,
  aggsortkeypos: DYNAMIC_COUNT,
  aggsortpos: DYNAMIC_COUNT,
  aggsortrev: DYNAMIC_FLAG,
  flowindent: DYNAMIC_FLAG,
  printsize: { phase: 'dynamic', type: 'size' },
  quiet: DYNAMIC_FLAG,
  quietresize: DYNAMIC_FLAG,
  rawbytes: DYNAMIC_FLAG,
  stackindent: DYNAMIC_COUNT,
  switchrate: DYNAMIC_RATE,
} as const satisfies Record<string, OptionEntry>

/** The name of a DTrace option. */
export type OptionName = keyof typeof OPTION_TABLE

type TypeOf<Name extends OptionName> = (typeof OPTION_TABLE)[Name]['type']

/** What an option is set to: sizes as `'4m'` or bytes, rates as `'10ms'` or nanoseconds, flags as booleans. */
export type OptionInput<Name extends OptionName> =
  TypeOf<Name> extends 'flag'
    ? boolean | FlagWord
    : TypeOf<Name> extends 'size' | 'rate' | 'count'
      ? number | string
      : TypeOf<Name> extends readonly (infer Word)[]
        ? Word
        : string

/** What `getOption` gives: bytes, nanoseconds or a count as numbers, undefined where there is none. */
export type OptionOutput<Name extends OptionName> =
  TypeOf<Name> extends 'flag'
    ? boolean
    : TypeOf<Name> extends 'size' | 'rate' | 'count'
      ? number | undefined
      : TypeOf<Name> extends readonly (infer Word)[]
        ? Word | undefined
        : string | undefined

/** What D has for a flag in a pragma. */
export type FlagWord = 'on' | 'off' | 'yes' | 'no' | 'true' | 'false' | 'set' | 'unset' | 'enable' | 'disable'

/** Compile-time flags, as bits of the compile call: `DTRACE_C_…` of `<dtrace.h>`. A flag with `off` takes the bit away. */
export const PROGRAM_BITS: { readonly [Name in OptionName]?: { bit: number; off?: true } } = {
  argref: { bit: 0x0200 },
  defaultargs: { bit: 0x0800 },
  empty: { bit: 0x0002 },
  errtags: { bit: 0x0100 },
  kdefs: { bit: 0x0020, off: true },
  knodefs: { bit: 0x0020 },
  pspec: { bit: 0x0080 },
  udefs: { bit: 0x0040, off: true },
  unodefs: { bit: 0x0040 },
  verbose: { bit: 0x0001 },
  zdefs: { bit: 0x0004 },
}

/**
 * Options with which libdtrace ends the process, or that do harm in one that does more than trace: seen with 2.0.7 or read in its
 * source; `core` in that of the older ones, too (dt_options.c).
 */
const REFUSED: { readonly [name: string]: string } = {
  core: 'it makes libdtrace end the process with a core dump; leave it out',
  nolibs: 'libdtrace 2 aborts the process with it; leave it out',
}

const CPP =
  "libdtrace runs the preprocessor with SIGCHLD set to default, which can cost this process a child's exit"
const REFUSED_CPP: ReadonlySet<string> = new Set([
  'cpp',
  'cppargs',
  'cpphdrs',
  'cpppath',
  'define',
  'incdir',
  'undef',
])

/** Why an option is refused, whatever its value. */
export function refusal(name: string, platform: NodeJS.Platform): string | undefined {
  if (REFUSED_CPP.has(name))
    return `${CPP}; use compile(…, { cpp: true }), or { cpp: { defines, includes, args } }`
  if (name === 'nolibs' && platform !== 'linux') return undefined
  return Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
}

/** What is known of an option; undefined for one that this table does not have: libdtrace decides then. */
export function optionEntry(name: string): OptionEntry | undefined {
  return Object.hasOwn(OPTION_TABLE, name) ? OPTION_TABLE[name as OptionName] : undefined
}
