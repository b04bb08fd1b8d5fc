/** The DNS server dnsmasq: it answers for the names in the files of its hosts folders, which it reads again on SIGHUP. */

import { Resolver } from 'node:dns/promises'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Target } from '../../../lib/act/index.js'
import { DaemonProcess, type FileDaemon, freePort } from './daemon.js'

const DOMAIN = 'daemons.test'

export class Dnsmasq implements FileDaemon {
  readonly target: Target
  readonly exclude = []
  readonly #process: DaemonProcess
  readonly #resolver: Resolver
  readonly #reading: RegExp
  readonly #before: number
  #address = 0

  private constructor(daemon: DaemonProcess, port: number, pidfile: string, reading: RegExp) {
    this.#process = daemon
    this.target = { pidfile }
    this.#resolver = new Resolver({ timeout: 2000, tries: 3 })
    this.#resolver.setServers([`127.0.0.1:${port}`])
    this.#reading = reading
    this.#before = daemon.count(reading)
  }

  /**
   * @param folder for its own files
   * @param hosts whose files it reads; it doesn't look into folders below, so those that are to come are named too
   */
  static async start(folder: string, hosts: string, below: readonly string[]): Promise<Dnsmasq> {
    const port = await freePort()
    const pidfile = join(folder, 'dnsmasq.pid')
    const configuration = join(folder, 'dnsmasq.conf')
    // One file that is always there and never changes: dnsmasq logs each file that it reads, so this one tells how often.
    await mkdir(join(folder, 'constant'))
    const constant = join(folder, 'constant', 'hosts')
    await writeFile(constant, `10.0.0.1 constant.${DOMAIN}\n`)
    const folders = [hosts, ...below.map((name) => join(hosts, name))]
    await writeFile(
      configuration,
      [
        'keep-in-foreground',
        'log-facility=-',
        `pid-file=${pidfile}`,
        `port=${port}`,
        'listen-address=127.0.0.1',
        'bind-interfaces',
        'no-resolv',
        'no-hosts',
        'user=root',
        // Names that it doesn't know don't exist, instead of being refused.
        `local=/${DOMAIN}/`,
        ...[constant, ...folders].map((path) => `addn-hosts=${path}`),
        '',
      ].join('\n'),
    )
    const daemon = new DaemonProcess('dnsmasq', [`--conf-file=${configuration}`])
    const reading = / read \S*\/constant\/hosts - 1 names/
    try {
      await daemon.logged(reading)
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
    return new Dnsmasq(daemon, port, pidfile, reading)
  }

  get rescans(): number {
    return this.#process.count(this.#reading) - this.#before
  }

  async rescanned(times: number): Promise<void> {
    await this.#process.logged(this.#reading, this.#before + times)
  }

  async write(folder: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const number = ++this.#address
      await writeFile(join(folder, name), `10.1.${number >> 8}.${number & 255} ${name}.${DOMAIN}\n`)
    }
  }

  async known(names: readonly string[]): Promise<string[]> {
    const answers = await Promise.all(names.map((name) => this.#exists(name)))
    return names.filter((_, index) => answers[index])
  }

  async #exists(name: string): Promise<boolean> {
    try {
      return (await this.#resolver.resolve4(`${name}.${DOMAIN}`)).length > 0
    } catch (error) {
      // NXDOMAIN. Anything else, a time-out for instance, is no answer.
      if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return false
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resolver.cancel()
    await this.#process[Symbol.asyncDispose]()
  }
}
