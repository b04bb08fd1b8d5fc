/** A stock Debian kernel: the image that a suite's `linux-image-cloud-amd64` stands for, and an initrd for it. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
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
    const { release, image, modules } = readKernel(unpacked) ?? (await fetchKernel(suite, unpacked, note))
    note(`making the initrd of ${release}`)
    const initrd = join(folderOf(suite), 'initrd')
    const names = await makeInitrd(modules, initrd)
    note(`modules in it: ${names.join(' ')}`)
    writeRecord(recordOf(suite), { key: initrdKey(), suite, release, image, initrd })
  },
})

/** The kernel in this folder: its release, e.g. `6.12.107+deb13-cloud-amd64`, its image and its modules. */
function readKernel(folder) {
  const all = join(folder, 'usr', 'lib', 'modules')
  const release = existsSync(all) ? readdirSync(all)[0] : undefined
  if (release === undefined) return undefined
  const modules = join(all, release)
  // Beside its modules since Debian 14.
  const image = [join(folder, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find(existsSync)
  return image === undefined ? undefined : { release, image, modules }
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
  if (existsSync(join(fresh, 'lib', 'modules'))) {
    mkdirSync(join(fresh, 'usr', 'lib'), { recursive: true })
    renameSync(join(fresh, 'lib', 'modules'), join(fresh, 'usr', 'lib', 'modules'))
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
  for (const deb of debs) rmSync(deb, { force: true })
  const kernel = readKernel(folder)
  if (kernel === undefined)
    throw new StepError(`no kernel in ${wanted.map((deb) => basename(deb)).join(', ')}`)
  return kernel
}
