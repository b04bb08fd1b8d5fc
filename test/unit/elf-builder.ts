/** Makes small shared libraries in memory: just the tables that a loader reads before it resolves symbols. */

export interface LibraryDescription {
  soname: string
  needed: string[]
  /** What it needs of other libraries; the versions get the indices 2, 3, … in this order. */
  versions: { file: string; names: string[] }[]
  /** Undefined symbols. */
  symbols: { name: string; version: string }[]
}

const BASE = 0x1000

/** A 64-bit little-endian library whose one segment is loaded at another address than its offset in the file. */
export function buildLibrary({ soname, needed, versions, symbols }: LibraryDescription): Buffer {
  const strings = stringTable()
  const versionIndex = new Map<string, number>()
  for (const { names } of versions) for (const name of names) versionIndex.set(name, versionIndex.size + 2)

  const dynsym = Buffer.alloc(24 * (symbols.length + 1))
  const versym = Buffer.alloc(2 * (symbols.length + 1))
  symbols.forEach(({ name, version }, i) => {
    dynsym.writeUInt32LE(strings.add(name), 24 * (i + 1))
    versym.writeUInt16LE(versionIndex.get(version) ?? 1, 2 * (i + 1))
  })

  const verneed = Buffer.concat(
    versions.map(({ file, names }, i) => {
      const last = i === versions.length - 1
      const entry = Buffer.alloc(16 + 16 * names.length)
      entry.writeUInt16LE(1, 0)
      entry.writeUInt16LE(names.length, 2)
      entry.writeUInt32LE(strings.add(file), 4)
      entry.writeUInt32LE(16, 8)
      entry.writeUInt32LE(last ? 0 : entry.length, 12)
      names.forEach((name, n) => {
        const at = 16 + 16 * n
        entry.writeUInt32LE(elfHash(name), at)
        entry.writeUInt16LE(versionIndex.get(name) ?? 0, at + 6)
        entry.writeUInt32LE(strings.add(name), at + 8)
        entry.writeUInt32LE(n === names.length - 1 ? 0 : 16, at + 12)
      })
      return entry
    }),
  )

  const headers = 64 + 2 * 56
  const dynsymAt = headers
  const versymAt = dynsymAt + dynsym.length
  const verneedAt = align(versymAt + versym.length)
  const dynamicAt = align(verneedAt + verneed.length)
  const dynamicEntries = (stringsAt: number): [number, number][] => [
    ...needed.map((name): [number, number] => [1, strings.add(name)]),
    [14, strings.add(soname)],
    [5, BASE + stringsAt],
    [6, BASE + dynsymAt],
    [0x6ffffff0, BASE + versymAt],
    [0x6ffffffe, BASE + verneedAt],
    [0x6fffffff, versions.length],
    [0, 0],
  ]
  const stringsAt = dynamicAt + 16 * dynamicEntries(0).length
  const dynamic = Buffer.concat(dynamicEntries(stringsAt).map(([tag, value]) => u64s(tag, value)))
  const text = strings.bytes()
  const sectionsAt = align(stringsAt + text.length)

  const file = Buffer.alloc(sectionsAt + 2 * 64)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(3, 0x10) // ET_DYN
  u64s(64).copy(file, 0x20) // e_phoff
  u64s(sectionsAt).copy(file, 0x28) // e_shoff
  file.writeUInt16LE(56, 0x36)
  file.writeUInt16LE(2, 0x38)
  file.writeUInt16LE(64, 0x3a)
  file.writeUInt16LE(2, 0x3c)
  programHeader(1, 0, sectionsAt).copy(file, 64)
  programHeader(2, dynamicAt, dynamic.length).copy(file, 64 + 56)
  dynsym.copy(file, dynsymAt)
  versym.copy(file, versymAt)
  verneed.copy(file, verneedAt)
  dynamic.copy(file, dynamicAt)
  text.copy(file, stringsAt)
  const section = sectionsAt + 64
  file.writeUInt32LE(11, section + 4) // SHT_DYNSYM
  u64s(BASE + dynsymAt, dynsymAt, dynsym.length).copy(file, section + 16)
  return file
}

function stringTable() {
  let table = '\0'
  return {
    add(text: string): number {
      const found = table.indexOf(`\0${text}\0`)
      if (found >= 0) return found + 1
      const at = table.length
      table += `${text}\0`
      return at
    },
    bytes: () => Buffer.from(table, 'latin1'),
  }
}

function programHeader(type: number, offset: number, size: number): Buffer {
  const header = Buffer.alloc(56)
  header.writeUInt32LE(type, 0)
  u64s(offset, BASE + offset, BASE + offset, size, size).copy(header, 8)
  return header
}

function u64s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length)
  values.forEach((value, i) => {
    bytes.writeBigUInt64LE(BigInt(value), 8 * i)
  })
  return bytes
}

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8
}

/** The hash of the System V ABI, in which the loader compares versions. */
function elfHash(name: string): number {
  let hash = 0
  for (const byte of Buffer.from(name)) {
    hash = (hash << 4) + byte
    const high = hash & 0xf0000000
    hash = (hash ^ (high >>> 24)) & ~high
  }
  return hash >>> 0
}
