/** Short-lived containers, made with the real runc: a rootfs with busybox in it, and a bundle for each life span. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const tools = fileURLToPath(new URL('../../.tools', import.meta.url))

/** Set-up's private tools come last, as everywhere. */
process.env.PATH = [process.env.PATH, '/usr/sbin', '/sbin', join(tools, 'bin')].join(delimiter)

/** @param {string} folder */
export async function prepareContainers(folder) {
  const rootfs = join(folder, 'rootfs')
  const bin = join(rootfs, 'bin')
  for (const path of [bin, join(rootfs, 'proc')]) await mkdir(path, { recursive: true })
  const busybox = [join(tools, 'root', 'usr', 'bin', 'busybox'), '/bin/busybox'].find((path) =>
    existsSync(path),
  )
  try {
    await run('runc', ['--version'])
    await copyFile(busybox ?? 'busybox', join(bin, 'busybox'))
  } catch (cause) {
    throw new Error(
      'the benchmark of zones needs runc and busybox-static: scripts/setup --test brings them',
      { cause },
    )
  }
  await chmod(join(bin, 'busybox'), 0o755)
  await symlink('busybox', join(bin, 'sleep'))
  return { rootfs, folder }
}

/**
 * Runs containers to their ends, four at a time.
 *
 * @param {{ rootfs: string, folder: string }} place
 * @param {{ name: string, milliseconds: number }[]} containers
 * @param {(done: number) => void} progress
 */
export async function runContainers({ rootfs, folder }, containers, progress) {
  const waiting = [...containers]
  let done = 0
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const bundle = join(folder, next.name)
      await mkdir(bundle)
      await writeFile(join(bundle, 'config.json'), JSON.stringify(config(rootfs, next.milliseconds)))
      await run('runc', ['run', '--bundle', bundle, next.name])
      progress(++done)
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))
}

function config(rootfs, milliseconds) {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['sleep', (milliseconds / 1000).toFixed(3)],
      env: ['PATH=/bin'],
      cwd: '/',
    },
    root: { path: rootfs, readonly: true },
    hostname: 'bench',
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  }
}
