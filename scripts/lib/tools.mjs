/**
 * Tools that builds, tests and checks need and this machine lacks: packages of the machine's own release are fetched with
 * everything that they depend on, unpacked below `.tools/root`, and given a starter script each in `.tools/bin`, which
 * comes last in PATH. Nothing is installed on the host.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { inRoot, toolsBin, toolsFolder, which } from './paths.mjs'
import { StepError } from './steps.mjs'

/** What each purpose needs, and Debian's package of it. A tool is a program, or a file of the development kind. */
const groups = {
  build: [
    { name: 'g++', package: 'g++' },
    { name: 'make', package: 'make' },
    { name: 'python3', package: 'python3' },
  ],
  test: [
    { name: 'cmake', package: 'cmake' },
    { name: 'gtest', package: 'libgtest-dev', file: 'usr/include/gtest/gtest.h' },
    { name: 'rsync', package: 'rsync' },
    { name: 'mpd', package: 'mpd' },
    { name: 'mpc', package: 'mpc' },
    { name: 'dnsmasq', package: 'dnsmasq-base' },
    { name: 'runc', package: 'runc' },
    { name: 'crun', package: 'crun' },
    { name: 'bwrap', package: 'bubblewrap' },
    { name: 'busybox', package: 'busybox-static' },
    { name: 'opensnoop', package: 'libbpf-tools' },
    { name: 'setcap', package: 'libcap2-bin' },
    { name: 'strace', package: 'strace' },
  ],
  check: [
    { name: 'clang-format', package: 'clang-format' },
    { name: 'clang-tidy', package: 'clang-tidy' },
  ],
  // What the benchmarks measure this package against.
  peers: [
    { name: 'bpftrace', package: 'bpftrace' },
    { name: 'fatrace', package: 'fatrace' },
    { name: 'inotifywait', package: 'inotify-tools' },
    { name: 'opensnoop', package: 'libbpf-tools' },
  ],
  vm: [
    { name: 'qemu-system-x86_64', package: 'qemu-system-x86' },
    { name: 'busybox', package: 'busybox-static' },
    { name: 'mke2fs', package: 'e2fsprogs' },
  ],
}

const unpacked = join(toolsFolder, 'root')
/** Written after everything else: without it, an interrupted installation is done again. */
const complete = (tool) => join(toolsFolder, 'complete', tool.name)

function present(tool) {
  if (tool.file !== undefined && existsSync(join('/', tool.file))) return true
  if (tool.file === undefined && which(tool.name, { tools: false }) !== undefined) return true
  const ours = tool.file === undefined ? join(toolsBin, tool.name) : join(unpacked, tool.file)
  return isComplete(tool) && existsSync(ours)
}

/** Its starter names files by their whole path: in a checkout that was copied or moved it is made again. */
function isComplete(tool) {
  return existsSync(complete(tool)) && readFileSync(complete(tool), 'utf8') === unpacked
}

/** Those tools of a group that neither the host nor `.tools` has. */
export function missingTools(group) {
  return groups[group].filter((tool) => !present(tool))
}

export async function installTools(group, note) {
  const missing = missingTools(group)
  const names = missing.map((tool) => tool.package)
  const { PrivateApt, debianHost, hostSources, unpack, packageOf } = await import(
    inRoot('dist', 'setup', 'packages.js')
  )
  let host
  try {
    host = debianHost()
  } catch (error) {
    throw new StepError(
      `${missing.map((tool) => tool.name).join(', ')} missing, and only on Debian and Ubuntu can they be fetched: ${error.message}`,
      `Install ${names.join(', ')} (Debian's names) with your system's package manager, then run this again.`,
    )
  }
  const advice = `Check the network, or install the packages yourself: apt-get install ${names.join(' ')}`
  const apt = new PrivateApt(join(toolsFolder, 'apt'), hostSources(host.codename))
  let debs
  try {
    note(`fetching the package list of ${host.prettyName}`)
    await apt.update()
    note(`downloading ${names.join(', ')}, with what they depend on and this machine lacks`)
    debs = await apt.downloadMissing(names)
  } catch (error) {
    throw new StepError(error.message, advice)
  }
  note(`unpacking ${debs.length} packages: ${debs.map((deb) => packageOf(deb).name).join(' ')}`)
  prepareRoot()
  for (const deb of debs) await unpack(deb, unpacked)

  await repairLinks()
  await writeStarters()
  for (const tool of missing) {
    mkdirSync(dirname(complete(tool)), { recursive: true })
    writeFileSync(complete(tool), unpacked)
  }
  const still = missingTools(group)
  if (still.length > 0)
    throw new StepError(
      `no ${still.map((tool) => tool.name).join(', ')} in the packages ${names.join(', ')}`,
      advice,
    )
  for (const deb of debs) rmSync(deb, { force: true })
}

/** On today's Debian /bin, /lib and /sbin are links into /usr; some packages still have files in them. */
function prepareRoot() {
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(unpacked, 'usr', folder), { recursive: true })
    const link = join(unpacked, folder)
    if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(`usr/${folder}`, link)
  }
}

const triplet = () => `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`
const libraries = () => join(unpacked, 'usr', 'lib', triplet())

/**
 * A development package's `libX.so` points at a library that the host has, and that therefore wasn't fetched; and glibc's
 * linker script names files below /usr that are here.
 */
async function repairLinks() {
  for (const folder of [libraries(), ...gccFolders()]) {
    if (!existsSync(folder)) continue
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      if (!lstatSync(path).isSymbolicLink() || existsSync(path)) continue
      const target = basename(execFileSync('readlink', [path], { encoding: 'utf8' }).trim())
      const host = [`/usr/lib/${triplet()}`, `/lib/${triplet()}`]
        .map((f) => join(f, target))
        .find((f) => existsSync(f))
      if (host === undefined) continue
      rmSync(path)
      symlinkSync(host, path)
    }
  }
  for (const name of ['libc.so', 'libm.so']) {
    const path = join(libraries(), name)
    if (!existsSync(path) || lstatSync(path).isSymbolicLink()) continue
    const script = readFileSync(path, 'latin1')
    if (!script.includes('GNU ld script')) continue
    const here = script.replace(/(?<= )\/(?:usr\/)?lib\/\S+/g, (file) => {
      const ours = join(libraries(), basename(file))
      return existsSync(file) || !existsSync(ours) ? file : ours
    })
    writeFileSync(path, here, 'latin1')
  }
}

function gccFolders() {
  const base = join(unpacked, 'usr', 'lib', 'gcc', triplet())
  return existsSync(base) ? readdirSync(base).map((version) => join(base, version)) : []
}

/** Names by which a compiler is called and which a package's installation script would have made. */
const aliases = { cc: 'gcc', 'c++': 'g++' }

async function writeStarters() {
  const { readElf, isElf } = await import(inRoot('dist', 'setup', 'packages.js'))
  const index = indexLibraries()
  rmSync(toolsBin, { recursive: true, force: true })
  mkdirSync(toolsBin, { recursive: true })
  for (const folder of ['usr/bin', 'usr/sbin', 'usr/games']) {
    const full = join(unpacked, folder)
    if (!existsSync(full)) continue
    for (const name of readdirSync(full)) {
      const program = join(full, name)
      if (!existsSync(program) || !statSync(program).isFile() || (statSync(program).mode & 0o111) === 0)
        continue
      const bytes = readFileSync(program)
      const folders = isElf(bytes) ? libraryFolders(bytes, index, readElf) : [libraries()]
      writeStarter(name, program, folders)
      for (const [alias, target] of Object.entries(aliases))
        if (target === name) writeStarter(alias, program, folders)
    }
  }
}

/** Every shared library below `.tools/root`: name → folder, the usual folder first. */
function indexLibraries() {
  const index = new Map()
  const walk = (folder) => {
    if (!existsSync(folder)) return
    const entries = readdirSync(folder, { withFileTypes: true })
    for (const entry of entries) {
      if (!entry.isDirectory() && /\.so(\.|$)/.test(entry.name) && existsSync(join(folder, entry.name))) {
        if (!index.has(entry.name)) index.set(entry.name, folder)
      }
    }
    for (const entry of entries) if (entry.isDirectory()) walk(join(folder, entry.name))
  }
  walk(libraries())
  walk(join(unpacked, 'usr', 'lib'))
  return index
}

/** The folders in which everything is that a program needs, and what that needs; some packages have folders of their own. */
function libraryFolders(bytes, index, readElf) {
  const folders = new Set([libraries()])
  const seen = new Set()
  const visit = (file) => {
    for (const soname of readElf(file)?.needed ?? []) {
      const folder = index.get(soname)
      if (seen.has(soname) || folder === undefined) continue
      seen.add(soname)
      folders.add(folder)
      visit(readFileSync(realpathSync(join(folder, soname))))
    }
  }
  visit(bytes)
  return [...folders]
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`

function writeStarter(name, program, folders) {
  const extra = isCompiler(name) ? compilerArguments() : []
  const script = [
    '#!/bin/sh',
    `export LD_LIBRARY_PATH=${quote(folders.join(':'))}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}`,
    `exec ${[program, ...extra].map(quote).join(' ')} "$@"`,
    '',
  ].join('\n')
  const path = join(toolsBin, name)
  writeFileSync(path, script)
  chmodSync(path, 0o755)
}

function isCompiler(name) {
  return /^(?:.*-)?(?:gcc|g\+\+|cc|c\+\+|cpp)(?:-\d+)?$/.test(name)
}

/**
 * gcc finds its own files from where it is; the C library's headers, start files and libraries it expects below /usr. Both
 * places are given, as the host may have one half and `.tools` the other. `-idirafter` keeps the order in which the C++
 * headers' `#include_next` finds the C ones.
 */
function compilerArguments() {
  const include = join(unpacked, 'usr', 'include')
  return [
    '-idirafter',
    join(include, triplet()),
    '-idirafter',
    include,
    `-B${libraries()}/`,
    `-L${libraries()}`,
  ]
}
