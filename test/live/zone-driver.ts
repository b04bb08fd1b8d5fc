/** Real containers: made with runc and crun from Debian's packages, unshare and bubblewrap; and what a monitor says of them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import type { ZoneEvent, ZoneMonitor } from '../../lib/watch/index.js'
import { patience, slowness } from './patience.js'

const run = promisify(execFile)
/** How long an event may take before a test says that it did not come, in milliseconds. */
const PATIENCE = patience(30_000)
const TOOLS = join(import.meta.dirname, '..', '..', '.tools', 'root')

export type OciRuntime = 'runc' | 'crun'

export interface ContainerOptions {
  hostname?: string
  /** Bytes that it may use. */
  memory?: number
}

/** What a container did. */
export interface Ended {
  code: number | null
  stderr: string
}

/** A folder of bundles, and the containers made of them. */
export class Containers {
  readonly folder: string
  readonly #rootfs: string
  readonly #children = new Set<ChildProcess>()
  #bundles = 0

  private constructor(folder: string) {
    this.folder = folder
    this.#rootfs = join(folder, 'rootfs')
  }

  static async make(): Promise<Containers> {
    const containers = new Containers(realpathSync(await mkdtemp(join(tmpdir(), 'dtrace-consumer-zones-'))))
    await containers.#makeRootfs()
    return containers
  }

  /** Runs a container to its end. */
  async run(
    runtime: OciRuntime,
    name: string,
    args: string[],
    options: ContainerOptions = {},
  ): Promise<Ended> {
    return await this.#end(runtime, ['run', '--bundle', await this.#bundle(args, options), name])
  }

  /** Starts a container that goes on when this resolves. */
  async detach(name: string, args: string[], options: ContainerOptions = {}): Promise<void> {
    const bundle = await this.#bundle(args, options)
    await this.#ok('runc', ['run', '--detach', '--bundle', bundle, name])
  }

  /** @param options runc's own */
  async create(name: string, args: string[], options: string[] = []): Promise<void> {
    await this.#ok('runc', [...options, 'create', '--bundle', await this.#bundle(args, {}), name])
  }

  async start(name: string): Promise<void> {
    await this.#ok('runc', ['start', name])
  }

  async remove(name: string, options: string[] = []): Promise<void> {
    await this.#ok('runc', [...options, 'delete', '--force', name])
  }

  /** crun without cgroups, and one whose cgroups are its own. */
  async crunWithoutCgroup(name: string, args: string[], options: ContainerOptions = {}): Promise<Ended> {
    const bundle = await this.#bundle(args, options)
    return await this.#end('crun', ['--cgroup-manager=disabled', 'run', '--bundle', bundle, name])
  }

  /** Any program, to its end. */
  async program(command: string, ...args: string[]): Promise<Ended> {
    return await new Promise((resolve, reject) => {
      // Standard output is nobody's: a container that outlives its runtime would hold it open.
      const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
      this.#children.add(child)
      let stderr = ''
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += String(chunk)
      })
      child.once('error', reject)
      child.once('exit', (code) => {
        this.#children.delete(child)
        child.stderr.destroy()
        resolve({ code, stderr })
      })
    })
  }

  /** Ends what still runs, and leaves nothing behind. */
  async dispose(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const name of await listed()) await this.remove(name)
    await removeCgroups()
    await rm(this.folder, { recursive: true, force: true })
  }

  async #end(runtime: OciRuntime, args: string[]): Promise<Ended> {
    const command = [runtime, ...args]
    if (runtime === 'runc' || !hybrid()) return await this.program(command[0] as string, ...command.slice(1))
    // crun refuses to work where v1 and v2 are mounted together, so it is shown v2 alone.
    const mount = 'umount --recursive /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
    return await this.program(
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      mount,
      'sh',
      ...command,
    )
  }

  async #ok(command: string, args: string[]): Promise<void> {
    const { code, stderr } = await this.program(command, ...args)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed with ${code}: ${stderr}`)
  }

  async #makeRootfs(): Promise<void> {
    const busybox = findBusybox()
    const bin = join(this.#rootfs, 'bin')
    for (const name of ['bin', 'dev', 'proc', 'tmp'])
      await mkdir(join(this.#rootfs, name), { recursive: true })
    await copyFile(busybox, join(bin, 'busybox'))
    await chmod(join(bin, 'busybox'), 0o755)
    for (const name of ['sh', 'sleep', 'true', 'tail', 'kill']) await symlink('busybox', join(bin, name))
    await run('chroot', [this.#rootfs, '/bin/true']).catch((cause: Error) => {
      throw new Error(`${busybox} can't run without libraries: scripts/setup --test brings a static one`, {
        cause,
      })
    })
  }

  /** A folder with a container's configuration: https://github.com/opencontainers/runtime-spec. */
  async #bundle(args: string[], { hostname = 'zonetest', memory }: ContainerOptions): Promise<string> {
    const folder = join(this.folder, `bundle-${this.#bundles++}`)
    await mkdir(folder)
    const config = {
      ociVersion: '1.0.2',
      process: { terminal: false, user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin'], cwd: '/' },
      root: { path: this.#rootfs, readonly: true },
      hostname,
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        // runc 1.3 can't make its links in a /dev that has none mounted.
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      ],
      linux: {
        namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
        ...(memory === undefined ? {} : { resources: { memory: { limit: memory, swap: memory } } }),
      },
    }
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    return folder
  }
}

/** That of busybox-static: the host's may need libraries that a container doesn't have. */
function findBusybox(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('.tools'))
  const places = [join(TOOLS, 'usr', 'bin'), ...folders].map((folder) => join(folder, 'busybox'))
  const found = places.find((place) => existsSync(place))
  if (found === undefined) throw new Error('there is no busybox: scripts/setup --test brings one')
  return found
}

function hybrid(): boolean {
  return / \/sys\/fs\/cgroup\/unified cgroup2 /.test(readFileSync('/proc/mounts', 'utf8'))
}

/** The tests' containers of which runc has a state. */
async function listed(): Promise<string[]> {
  // Where runc has made none yet, it finds that a mistake.
  if (!existsSync('/run/runc')) return []
  const { stdout } = await run('runc', ['list', '--quiet'])
  return stdout.split('\n').filter((line) => line.startsWith('zonetest-'))
}

/** crun in a mount namespace of its own may leave its cgroups behind. */
async function removeCgroups(): Promise<void> {
  for (const hierarchy of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    const names = await readdir(hierarchy).catch(() => [])
    for (const name of names.filter((one) => one.startsWith('zonetest-'))) {
      await rmdir(join(hierarchy, name)).catch(() => {})
    }
  }
}

/** What a monitor says, from the time that this was made. */
export class ZoneEvents {
  readonly all: ZoneEvent[] = []
  readonly #waiting = new Set<() => void>()

  constructor(monitor: ZoneMonitor) {
    monitor.on('zone', (event) => {
      this.all.push(event)
      for (const wake of this.#waiting) wake()
    })
  }

  /** Those of one zone, in the order in which they came. */
  of(which: string | ((event: ZoneEvent) => boolean)): ZoneEvent[] {
    return this.all.filter(typeof which === 'string' ? ({ zone_name }) => zone_name === which : which)
  }

  /** Waits until so many events have come. */
  async until(which: string | ((event: ZoneEvent) => boolean), count: number): Promise<ZoneEvent[]> {
    const deadline = performance.now() + PATIENCE
    for (;;) {
      const found = this.of(which)
      if (found.length >= count) return found
      const left = deadline - performance.now()
      if (left <= 0) {
        const kinds = found.map(({ event }) => event).join(', ') || 'none'
        throw new Error(`after ${PATIENCE} ms there are not ${count} events of ${which} but: ${kinds}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, left)
        const waiting = this.#waiting
        function wake(): void {
          clearTimeout(timer)
          waiting.delete(wake)
          resolve()
        }
        waiting.add(wake)
      })
    }
  }
}

/** The events about one zone in a few words. */
export function story(events: readonly ZoneEvent[]): string[] {
  return events.map(({ event, exit_status, signal }) =>
    [event, signal ?? exit_status].filter((x) => x !== undefined).join(' '),
  )
}

/**
 * Each booted, and ended by itself. In the laboratory, where probes' programs run for milliseconds, a kernel that preempts them passes over one
 * now and then, in silence (docs/libdtrace.md): of a twentieth the boot or the end may have been found out afterwards.
 */
export function expectWhole(lives: readonly { tag: string; told: string[] }[]): void {
  const others = lives.filter(({ told }) => told.join() !== 'boot,shutdown 0')
  for (const { tag, told } of others)
    expect([tag, ...told].join(' ')).toMatch(/^\S+ (?:boot|present) shutdown(?: 0)?$/)
  const most = slowness > 1 ? Math.ceil(lives.length / 20) : 0
  expect(others.slice(most)).toEqual([])
}

/** With the tag among its arguments. */
export function tagged(tag: string): (event: ZoneEvent) => boolean {
  return ({ command, creator }) => `${command} ${creator}`.split(' ').includes(tag)
}
