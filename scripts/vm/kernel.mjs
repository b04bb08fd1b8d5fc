/** A stock Debian kernel: the image that a suite's `linux-image-cloud-amd64` stands for, and an initrd for it. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fingerprint } from '../lib/stamp.mjs'
import { StepError } from '../lib/steps.mjs'
import { aptOfSuite, unpackAll } from './archive.mjs'
import { freshFolder, inVm, readRecord, writeRecord } from './cache.mjs'
import { makeInitrd } from './initrd.mjs'

/** The kernel for virtual machines: a fifth of the full one's size. */
const META_PACKAGE = 'linux-image-cloud-amd64'

const folderOf = (suite) => inVm('kernels', suite)
const recordOf = (suite) => join(folderOf(suite), 'kernel.json')
/** Whatever goes into the initrd, besides the kernel's own modules. */
const initrdKey = () => fingerprint(['scripts/vm/initrd.mjs', 'scripts/vm/guest/init'])

/** `{ suite, release, version, image, initrd }` of a kernel that is in place. */
export function kernelOf(suite) {
  const record = readRecord(recordOf(suite), initrdKey())
  return record !== undefined && existsSync(record.image) && existsSync(record.initrd) ? record : undefined
}

export const kernelStep = (suite) => ({
  title: `Kernel of Debian ${suite}: ${META_PACKAGE}, unpacked in .vm/, with an initrd`,
  needed() {
    if (kernelOf(suite) !== undefined) return undefined
    return existsSync(recordOf(suite)) ? 'its initrd is out of date' : 'not there yet'
  },
  async run(note) {
    const unpacked = join(folderOf(suite), 'unpacked')
    const known = readKernel(unpacked)
    const release = known ?? (await fetchKernel(suite, unpacked, note))
    note(`making the initrd of ${release}`)
    const image = join(unpacked, 'boot', `vmlinuz-${release}`)
    const initrd = join(folderOf(suite), 'initrd')
    const modules = await makeInitrd(join(unpacked, 'usr', 'lib', 'modules', release), initrd)
    note(`modules in it: ${modules.join(' ')}`)
    writeRecord(recordOf(suite), { key: initrdKey(), suite, release, image, initrd })
  },
})

/** The release of the kernel in this folder, e.g. `6.12.107+deb13-cloud-amd64`. */
function readKernel(folder) {
  const boot = join(folder, 'boot')
  if (!existsSync(boot)) return undefined
  return readdirSync(boot)
    .find((name) => name.startsWith('vmlinuz-'))
    ?.slice('vmlinuz-'.length)
}

async function fetchKernel(suite, folder, note) {
  const apt = await aptOfSuite(suite, note)
  const packages = await apt.dependencies(META_PACKAGE)
  const image = packages.filter((name) => /^linux-(image|modules|binary)-\d/.test(name))
  if (image.length === 0)
    throw new StepError(
      `${META_PACKAGE} of ${suite} depends on no kernel image (${packages.join(', ') || 'on nothing'}).`,
      'Name another suite with --kernel.',
    )
  note(`downloading ${image.join(', ')}`)
  const debs = await apt.downloadMissing(image)
  const wanted = debs.filter((deb) => /^linux-(image|modules|binary)-\d/.test(basename(deb)))
  const fresh = freshFolder(`${folder}.new`)
  await unpackAll(wanted, fresh)
  // Kernels of merged-/usr systems have their modules below /usr; older ones below /lib.
  if (!existsSync(join(fresh, 'usr', 'lib', 'modules'))) {
    freshFolder(join(fresh, 'usr', 'lib'))
    renameSync(join(fresh, 'lib', 'modules'), join(fresh, 'usr', 'lib', 'modules'))
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
  for (const deb of debs) rmSync(deb, { force: true })
  const release = readKernel(folder)
  if (release === undefined)
    throw new StepError(`no kernel in ${wanted.map((deb) => basename(deb)).join(', ')}`)
  return release
}

/** The kernel's build configuration, e.g. to say what it can do. */
export function kernelConfig(suite) {
  const { release } = kernelOf(suite)
  return readFileSync(join(folderOf(suite), 'unpacked', 'boot', `config-${release}`), 'utf8')
}
