/**
 * The guest's disks. Debian's files: packages of testing (the suite that has libdtrace), unpacked into an ext4 image; no
 * script of theirs is run, so neither root nor chroot is needed. node_modules: an image of its own, as it changes with the
 * lock file. Both are read-only in the guest, below an overlay.
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { inRoot, which } from '../lib/paths.mjs'
import { fingerprint } from '../lib/stamp.mjs'
import { runLogged, StepError } from '../lib/steps.mjs'
import { aptOfSuite, unpackAll } from './archive.mjs'
import { freshFolder, inVm, readRecord, writeRecord } from './cache.mjs'
import { PACKAGES, SUITE } from './packages.mjs'

/** Raised when what is done to the files below changes. */
const LAYOUT = 1

export const rootImage = inVm('root.ext4')
export const modulesImage = inVm('node_modules.ext4')
const rootRecord = inVm('root.json')
const modulesRecord = inVm('node_modules.json')
const rootKey = () => fingerprint(['scripts/vm/packages.mjs'], [LAYOUT])
const modulesKey = () => fingerprint(['package-lock.json'], [LAYOUT])

/** The packages in the guest and their versions. */
export const guestPackages = () => readRecord(rootRecord, rootKey())?.packages ?? {}

export const rootStep = {
  title: `The guest's files: packages of Debian ${SUITE}, unpacked into .vm/root.ext4`,
  needed: () =>
    existsSync(rootImage) && readRecord(rootRecord, rootKey()) !== undefined ? undefined : 'not made yet',
  async run(note) {
    rmSync(rootRecord, { force: true })
    const apt = await aptOfSuite(SUITE, note)
    const names = Object.values(PACKAGES).flat()
    note(`downloading ${names.length} packages, with what they depend on`)
    const debs = await apt.downloadMissing(names)
    note(`unpacking ${debs.length} packages`)
    const folder = freshFolder(inVm('root'))
    const unpacked = await unpackAll(debs, folder)
    finishSystem(folder)
    note('making the image')
    await makeImage(folder, rootImage)
    rmSync(folder, { recursive: true, force: true })
    for (const deb of debs) rmSync(deb, { force: true })
    const packages = Object.fromEntries(unpacked.map(({ name, version }) => [name, version]))
    writeRecord(rootRecord, { key: rootKey(), suite: SUITE, packages })
  },
}

/** What the packages' own scripts would have done, as far as anything here needs it. */
function finishSystem(folder) {
  const at = (...parts) => join(folder, ...parts)
  for (const name of ['passwd', 'group']) {
    const master = at('usr', 'share', 'base-passwd', `${name}.master`)
    if (existsSync(master)) copyFileSync(master, at('etc', name))
  }
  for (const [link, target] of [
    ['awk', 'mawk'],
    ['sh', 'dash'],
    ['cc', 'gcc'],
  ]) {
    const path = at('usr', 'bin', link)
    if (!existsSync(path) && existsSync(at('usr', 'bin', target))) symlinkSync(target, path)
  }
  writeFileSync(at('etc', 'hostname'), 'laboratory\n')
  writeFileSync(at('etc', 'hosts'), '127.0.0.1 localhost laboratory\n')
  for (const mountPoint of ['proc', 'sys', 'dev', 'run', 'tmp', 'root', 'checkout', 'job'])
    mkdirSync(at(mountPoint), { recursive: true })
  // Nobody reads them there, and they are a fifth of all.
  for (const unread of ['doc', 'man', 'info', 'locale']) {
    const path = at('usr', 'share', unread)
    if (existsSync(path)) rmSync(path, { recursive: true })
  }
  for (const needed of ['usr/bin/sh', 'usr/bin/node', 'etc/passwd']) {
    if (!existsSync(at(needed)))
      throw new StepError(
        `the packages of ${SUITE} left no /${needed}`,
        'Adapt PACKAGES in scripts/vm/packages.mjs to this suite.',
      )
  }
}

/** Development tools that no test runs, most of the weight of node_modules. */
const UNUSED = ['@biomejs', 'typescript', '@typescript', 'cmake-js', 'node-gyp', 'prebuildify']

export const modulesStep = {
  title: 'node_modules as an image: .vm/node_modules.ext4',
  needed: () =>
    existsSync(modulesImage) && readRecord(modulesRecord, modulesKey()) !== undefined
      ? undefined
      : 'not made yet',
  async run() {
    rmSync(modulesRecord, { force: true })
    const folder = freshFolder(inVm('node_modules'))
    for (const name of readdirSync(inRoot('node_modules'))) {
      if (UNUSED.includes(name)) continue
      cpSync(inRoot('node_modules', name), join(folder, 'checkout', 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
      })
    }
    await makeImage(folder, modulesImage)
    rmSync(folder, { recursive: true, force: true })
    writeRecord(modulesRecord, { key: modulesKey() })
  },
}

/** An ext4 image of a folder. */
async function makeImage(folder, file) {
  const used = Number(/^\d+/.exec(execFileSync('du', ['-sm', folder], { encoding: 'utf8' }))?.[0])
  // Beside the files, an image needs room for its own tables; what isn't used takes none on the disk.
  const size = Math.ceil(used * 1.25) + 32
  rmSync(`${file}.new`, { force: true })
  const args = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-O',
    '^has_journal',
    '-m',
    '0',
    '-d',
    folder,
    `${file}.new`,
    `${size}M`,
  ]
  await runLogged(which('mke2fs') ?? 'mke2fs', args, {
    log: `mke2fs-${basename(file)}`,
    advice: `The image takes up to ${size} MB in .vm/: see that there is room.`,
  })

  renameSync(`${file}.new`, file)
}
