/**
 * The little of ELF that set-up needs: what a shared library asks of others (`DT_NEEDED`, version needs), and making a
 * private copy of one loadable under an older glibc.
 *
 * Debian's newest libdtrace is compiled against glibc 2.38, whose headers quietly turn `strtol` and `sscanf` into
 * `__isoc23_strtol` and `__isoc23_sscanf`: the same functions, except that they also accept C23's `0b` numbers. Those
 * names are all that ties the library to a glibc that Debian 12 or Ubuntu 22.04 don't have. The plain name is the
 * tail of the string in the string table, so pointing nine bytes further is the whole change: nothing in the file moves.
 *
 * Layouts are those of elf(5) and of the Linux Standard Base's chapter on symbol versioning. Only 64-bit little-endian
 * files are read: Debian has libdtrace for amd64 and arm64 alone.
 */
import { DTraceError } from '../errors.js'

const PT_LOAD = 1
const PT_DYNAMIC = 2
const SHT_DYNSYM = 11
const DT_NULL = 0
const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_SYMTAB = 6
const DT_SONAME = 14
const DT_VERSYM = 0x6ffffff0
const DT_VERNEED = 0x6ffffffe
const DT_VERNEEDNUM = 0x6fffffff
const SYMBOL_SIZE = 24
const SHN_UNDEF = 0
/** The top bit of a version index marks a hidden definition; the rest is the index. */
const VERSION_INDEX = 0x7fff
const RENAMED_PREFIX = '__isoc23_'
/** The first glibc that can relocate a library with packed relative relocations. */
const RELR_GLIBC = '2.36'

/** One version that a library needs of another: an Elf64_Vernaux and where it is in the file. */
interface VersionNeed {
  file: string
  version: string
  index: number
  offset: number
}

interface UndefinedSymbol {
  name: string
  version: number
  /** Where its Elf64_Sym is in the file, and where its entry in .gnu.version is. */
  symbolOffset: number
  versionOffset: number
}

export interface ElfFile {
  soname: string | undefined
  /** The libraries that it asks the loader for, in its order. */
  needed: string[]
  versionNeeds: readonly VersionNeed[]
  undefinedSymbols: readonly UndefinedSymbol[]
}

/** Whether these bytes are an ELF file that {@link readElf} can read. */
export function isElf(bytes: Buffer): boolean {
  const elf64 = 2
  const littleEndian = 1
  return (
    bytes.length > 64 &&
    bytes.readUInt32BE(0) === 0x7f454c46 &&
    bytes[4] === elf64 &&
    bytes[5] === littleEndian
  )
}

function broken(what: string): DTraceError {
  return new DTraceError(
    'ERR_DTRACE_SETUP',
    `cannot read the ELF file: ${what}. The download may be damaged: run the set-up again.`,
  )
}

/** Reads the dynamic section of a shared library or program; `undefined` for a statically linked one. */
export function readElf(bytes: Buffer): ElfFile | undefined {
  if (!isElf(bytes)) throw broken('not a 64-bit little-endian ELF file')
  try {
    return readDynamic(bytes)
  } catch (error) {
    if (error instanceof RangeError) throw broken('it ends too early')
    throw error
  }
}

function readDynamic(bytes: Buffer): ElfFile | undefined {
  const u64 = (at: number) => Number(bytes.readBigUInt64LE(at))
  const loads: { address: number; offset: number; size: number }[] = []
  let dynamic: { offset: number; size: number } | undefined
  const programHeaders = u64(0x20)
  for (let i = 0; i < bytes.readUInt16LE(0x38); i++) {
    const at = programHeaders + i * bytes.readUInt16LE(0x36)
    const segment = { offset: u64(at + 8), address: u64(at + 16), size: u64(at + 32) }
    const type = bytes.readUInt32LE(at)
    if (type === PT_LOAD) loads.push(segment)
    if (type === PT_DYNAMIC) dynamic = segment
  }
  if (dynamic === undefined) return undefined

  // Addresses in the dynamic section are those of memory; the file has its bytes elsewhere.
  const offsetOf = (address: number): number => {
    const load = loads.find((l) => address >= l.address && address < l.address + l.size)
    if (load === undefined) throw broken(`no segment holds address 0x${address.toString(16)}`)
    return address - load.address + load.offset
  }

  const tags = new Map<number, number>()
  const neededNames: number[] = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = u64(at)
    if (tag === DT_NULL) break
    if (tag === DT_NEEDED) neededNames.push(u64(at + 8))
    else tags.set(tag, u64(at + 8))
  }
  const address = (tag: number, name: string): number => {
    const value = tags.get(tag)
    if (value === undefined) throw broken(`no ${name} in its dynamic section`)
    return value
  }
  const strings = offsetOf(address(DT_STRTAB, 'string table'))
  const text = (offset: number): string => {
    const end = bytes.indexOf(0, strings + offset)
    if (end < 0) throw broken('a name without an end')
    return bytes.toString('latin1', strings + offset, end)
  }

  const soname = tags.get(DT_SONAME)
  return {
    soname: soname === undefined ? undefined : text(soname),
    needed: neededNames.map(text),
    versionNeeds: tags.has(DT_VERNEED)
      ? readVersionNeeds(
          bytes,
          offsetOf(address(DT_VERNEED, 'version needs')),
          tags.get(DT_VERNEEDNUM) ?? 0,
          text,
        )
      : [],
    undefinedSymbols: tags.has(DT_VERSYM)
      ? readUndefinedSymbols(
          bytes,
          offsetOf(address(DT_SYMTAB, 'symbol table')),
          offsetOf(address(DT_VERSYM, 'symbol versions')),
          symbolCount(bytes, address(DT_SYMTAB, 'symbol table')),
          text,
        )
      : [],
  }
}

function readVersionNeeds(
  bytes: Buffer,
  start: number,
  files: number,
  text: (offset: number) => string,
): VersionNeed[] {
  const needs: VersionNeed[] = []
  let verneed = start
  for (let i = 0; i < files; i++) {
    const file = text(bytes.readUInt32LE(verneed + 4))
    let vernaux = verneed + bytes.readUInt32LE(verneed + 8)
    for (let n = bytes.readUInt16LE(verneed + 2); n > 0; n--) {
      needs.push({
        file,
        version: text(bytes.readUInt32LE(vernaux + 8)),
        index: bytes.readUInt16LE(vernaux + 6) & VERSION_INDEX,
        offset: vernaux,
      })
      vernaux += bytes.readUInt32LE(vernaux + 12)
    }
    verneed += bytes.readUInt32LE(verneed + 12)
  }
  return needs
}

/**
 * The dynamic section doesn't say how many symbols there are; the section header of the same table does. It must be the
 * same table, or the loader would see another one than we do.
 */
function symbolCount(bytes: Buffer, tableAddress: number): number {
  const headers = Number(bytes.readBigUInt64LE(0x28))
  for (let i = 0; headers !== 0 && i < bytes.readUInt16LE(0x3c); i++) {
    const at = headers + i * bytes.readUInt16LE(0x3a)
    if (bytes.readUInt32LE(at + 4) !== SHT_DYNSYM) continue
    if (Number(bytes.readBigUInt64LE(at + 16)) !== tableAddress) throw broken('two different symbol tables')
    return Number(bytes.readBigUInt64LE(at + 32)) / SYMBOL_SIZE
  }
  throw broken('its section headers were stripped')
}

function readUndefinedSymbols(
  bytes: Buffer,
  symbols: number,
  versions: number,
  count: number,
  text: (offset: number) => string,
): UndefinedSymbol[] {
  const found: UndefinedSymbol[] = []
  for (let i = 1; i < count; i++) {
    const symbolOffset = symbols + i * SYMBOL_SIZE
    if (bytes.readUInt16LE(symbolOffset + 6) !== SHN_UNDEF) continue
    const versionOffset = versions + i * 2
    found.push({
      name: text(bytes.readUInt32LE(symbolOffset)),
      version: bytes.readUInt16LE(versionOffset) & VERSION_INDEX,
      symbolOffset,
      versionOffset,
    })
  }
  return found
}

/** Compares dotted versions number by number: `2.4` is older than `2.36`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number)
  const right = b.split('.').map(Number)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function glibcOf(version: string): string | undefined {
  return version === 'GLIBC_ABI_DT_RELR' ? RELR_GLIBC : /^GLIBC_(\d+(?:\.\d+)*)$/.exec(version)?.[1]
}

/**
 * Makes `bytes`, a private copy of a library or program, loadable under glibc `hostGlibc`, in place.
 *
 * Every `__isoc23_X` that it needs becomes `X` of glibc's oldest version on this architecture, and the version entry
 * that nothing refers to any more becomes a second copy of that oldest one. (Marking it weak would do as well, but then
 * the loader prints a warning each time.) One difference remains: `0b101` isn't read as a number in the private copy.
 *
 * @param name what to call the file in an error message
 * @returns the names that it had, none when nothing had to change
 * @throws `ERR_DTRACE_SETUP` when the file needs something newer that can't be given under an older name
 */
export function adaptToGlibc(bytes: Buffer, hostGlibc: string, name: string): string[] {
  const elf = readElf(bytes)
  if (elf === undefined) return []
  const tooNew = elf.versionNeeds.filter((need) => {
    const glibc = glibcOf(need.version)
    return glibc !== undefined && compareVersions(glibc, hostGlibc) > 0
  })
  if (tooNew.length === 0) return []

  const oldest = elf.versionNeeds
    .filter((need) => need.file === 'libc.so.6' && /^GLIBC_\d/.test(need.version))
    .sort((a, b) => compareVersions(a.version.slice(6), b.version.slice(6)))[0]
  const affected = elf.undefinedSymbols.filter((symbol) =>
    tooNew.some((need) => need.index === symbol.version),
  )
  const renamable = (symbol: UndefinedSymbol) => symbol.name.startsWith(RENAMED_PREFIX)
  // A version that no symbol refers to (GLIBC_ABI_DT_RELR) is about the file's very format.
  const formats = tooNew.filter((need) => !affected.some((symbol) => symbol.version === need.index))
  const others = affected.filter((symbol) => !renamable(symbol)).map((symbol) => symbol.name)
  if (oldest === undefined || tooNew.includes(oldest) || formats.length > 0 || others.length > 0) {
    const wanted = [...new Set(tooNew.map((need) => need.version))].join(', ')
    const cause = others.length > 0 ? ` (for ${others.join(', ')})` : ''
    throw new DTraceError(
      'ERR_DTRACE_SETUP',
      `${name} needs ${wanted}${cause}, and this system has glibc ${hostGlibc}. ` +
        'Use a newer release of this system, or build libdtrace from source here and name it in DTRACE_CONSUMER_LIBDTRACE.',
    )
  }

  for (const symbol of affected) {
    bytes.writeUInt32LE(bytes.readUInt32LE(symbol.symbolOffset) + RENAMED_PREFIX.length, symbol.symbolOffset)
    bytes.writeUInt16LE(oldest.index, symbol.versionOffset)
  }
  for (const need of tooNew) {
    bytes.writeUInt32LE(bytes.readUInt32LE(oldest.offset), need.offset) // vna_hash
    bytes.writeUInt32LE(bytes.readUInt32LE(oldest.offset + 8), need.offset + 8) // vna_name
  }
  return affected.map((symbol) => symbol.name)
}
