/** The kernel's NFS server, serving a folder to this machine itself. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const NFSD = '/proc/fs/nfsd'

export class NfsServer {
  readonly mountPoint: string
  readonly #folder: string

  private constructor(folder: string, mountPoint: string) {
    this.#folder = folder
    this.mountPoint = mountPoint
  }

  /** NFS 4 alone: that needs neither a port mapper nor a lock daemon. */
  static async start(folder: string, mountPoint: string): Promise<NfsServer> {
    const server = new NfsServer(folder, mountPoint)
    await run('sh', [join(import.meta.dirname, '..', '..', 'scripts', 'vm', 'guest', 'load')])
    for (const needed of [mountPoint, '/var/lib/nfs/v4recovery', '/var/lib/nfs/rpc_pipefs', '/run/nfs'])
      await mkdir(needed, { recursive: true })
    for (const file of ['etab', 'rmtab']) await writeFile(`/var/lib/nfs/${file}`, '', { flag: 'a' })
    await run('sh', ['-c', `[ -e ${NFSD}/threads ] || mount -t nfsd nfsd ${NFSD}`])
    // It waits for clients that it may have had before: 90 s, if it isn't told otherwise; 10 is the least.
    for (const time of ['nfsv4leasetime', 'nfsv4gracetime']) await writeFile(`${NFSD}/${time}`, '10')
    await run('rpc.nfsd', ['--no-nfs-version', '3', '2'])
    await run('rpc.mountd', ['--no-nfs-version', '3'])
    await run('exportfs', [
      '-i',
      '-o',
      'rw,no_root_squash,no_subtree_check,insecure,fsid=0',
      `127.0.0.1:${folder}`,
    ])
    await run('mount', ['-t', 'nfs4', '-o', 'vers=4.2,soft', '127.0.0.1:/', mountPoint])
    return server
  }

  async stop(): Promise<void> {
    await run('umount', ['-l', this.mountPoint])
    await run('exportfs', ['-u', `127.0.0.1:${this.#folder}`])
    await run('rpc.nfsd', ['0'])
    await run('sh', ['-c', 'kill $(pidof rpc.mountd) || true'])
  }
}
