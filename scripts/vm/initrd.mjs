/**
 * The initrd: busybox, the modules that a virtual machine boots with, and `guest/init`, which puts the disks together.
 * Which modules a module needs is read from the modules themselves.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { inRoot, searchPath, toolsFolder, which } from '../lib/paths.mjs'
import { StepError } from '../lib/steps.mjs'
import { freshFolder } from './cache.mjs'

/** Needed to boot at all. */
const REQUIRED = ['virtio_pci', 'virtio_blk', 'ext4', 'overlay']
/** What suites use where a kernel has it: dtprobed (cuse), loop devices, network in namespaces, other file systems. */
const WELCOME = ['cuse', 'loop', 'veth', 'xfs', 'btrfs']
/**
 * Loaded when a test asks for it (`guest/load`). With nfs loaded, libdtrace 2.0.7 can't enable io:::start on Linux 7.2 ("Module
 * does not contain any CTF data").
 */
const ON_DEMAND = ['nfsd', 'nfsv4']

/** @returns the names of the modules that are loaded at boot, in their order */
export async function makeInitrd(modulesFolder, file) {
  const folder = freshFolder(`${file}.d`)
  mkdirSync(join(folder, 'bin'))
  mkdirSync(join(folder, 'modules'))
  const busybox = await busyboxProgram()
  copyFileSync(busybox, join(folder, 'bin', 'busybox'))
  chmodSync(join(folder, 'bin', 'busybox'), 0o755)
  copyFileSync(inRoot('scripts', 'vm', 'guest', 'init'), join(folder, 'init'))
  chmodSync(join(folder, 'init'), 0o755)

  const modules = new ModuleFolder(modulesFolder)
  const order = new Map()
  for (const name of REQUIRED) modules.collect(name, order, true)
  for (const name of WELCOME) modules.collect(name, order, false)
  const atBoot = [...order.keys()]
  for (const name of ON_DEMAND) modules.collect(name, order, false)
  const later = [...order.keys()].slice(atBoot.length)
  for (const [name, bytes] of order) writeFileSync(join(folder, 'modules', `${name}.ko`), bytes)
  for (const [name, list] of Object.entries({ order: atBoot, later }))
    writeFileSync(join(folder, 'modules', name), list.map((module) => `${module}\n`).join(''))

  const script = 'find . | "$1" cpio -o -H newc 2>/dev/null'
  const archive = execFileSync('sh', ['-c', script, 'sh', busybox], {
    cwd: folder,
    maxBuffer: 1 << 28,
  })
  writeFileSync(file, gzipSync(archive, { level: 1 }))
  rmSync(folder, { recursive: true, force: true })
  return atBoot
}

/** The static busybox, not the script that starts the private copy. */
async function busyboxProgram() {
  const { isElf, readElf } = await import(inRoot('dist', 'setup', 'packages.js'))
  const ours = ['usr/bin', 'bin'].map((folder) => join(toolsFolder, 'root', folder, 'busybox'))
  for (const path of [...ours, which('busybox', { tools: false })]) {
    if (path === undefined || !existsSync(path)) continue
    const bytes = readFileSync(path)
    if (isElf(bytes) && (readElf(bytes)?.needed.length ?? 0) === 0) return path
  }
  throw new StepError(
    'the busybox here is not statically linked',
    'Install the package busybox-static, then run this again.',
  )
}

/** A kernel's modules: where each is, and what it needs. */
class ModuleFolder {
  #files = new Map()
  #builtin
  #folder

  constructor(folder) {
    this.#folder = folder
    for (const path of readdirSync(folder, { recursive: true })) {
      const name = /([^/]+)\.ko(?:\.(?:xz|zst|gz))?$/.exec(path)?.[1]
      if (name !== undefined) this.#files.set(name.replaceAll('-', '_'), join(folder, path))
    }
    // Debian 14's packages leave the list to be made at installation: there, what is no module is taken to be built in.
    const list = join(folder, 'modules.builtin')
    if (!existsSync(list)) return
    const builtin = readFileSync(list, 'utf8').trim().split('\n')
    this.#builtin = new Set(builtin.map((path) => basename(path, '.ko').replaceAll('-', '_')))
  }

  /** Adds a module after those that it needs. */
  collect(name, order, required) {
    if (this.#builtin?.has(name) || order.has(name)) return
    const file = this.#files.get(name)
    if (file === undefined) {
      if (required && this.#builtin !== undefined)
        throw new StepError(`the kernel has no module ${name} (looked in ${this.#folder})`)
      return
    }
    const bytes = decompress(file)
    // The section .modinfo is a row of strings, each ended by a zero.
    const depends = /\0depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1] ?? ''
    for (const other of depends.split(',').filter(Boolean))
      this.collect(other.replaceAll('-', '_'), order, required)
    order.set(name, bytes)
  }
}

function decompress(file) {
  const bytes = readFileSync(file)
  const tool = { xz: 'xz', zst: 'zstd', gz: 'gzip' }[file.split('.').pop()]
  if (tool === undefined) return bytes
  const command = tool === 'zstd' ? ['zstd', '-dc'] : [tool, '-dc']
  const env = { ...process.env, PATH: searchPath() }
  return execFileSync(command[0], command.slice(1), { input: bytes, env, maxBuffer: 1 << 28 })
}
