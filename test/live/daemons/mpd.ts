/**
 * The Music Player Daemon, without sound. With `auto_update "no"` it looks for files only when a client says so; it keeps its
 * database below the music directory here, as many people do, so that each update changes a file below that directory.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { Target } from '../../../lib/act/index.js'
import { DaemonProcess, type FileDaemon, freePort } from './daemon.js'

const run = promisify(execFile)

const STARTED = /update: spawned thread for update job/
const FINISHED = /update: finished/

export class Mpd implements FileDaemon {
  readonly target: Target
  readonly exclude = ['.mpd/**']
  readonly #process: DaemonProcess
  readonly #client: readonly string[]
  readonly #before: number

  private constructor(daemon: DaemonProcess, port: number) {
    this.#process = daemon
    this.#client = ['--host=127.0.0.1', `--port=${port}`]
    this.target = { exec: ['mpc', ...this.#client, 'update', '--wait'] }
    this.#before = daemon.count(STARTED)
  }

  /** @param folder for its own files; `music` is its music directory */
  static async start(folder: string, music: string): Promise<Mpd> {
    await mkdir(join(music, '.mpd'))
    const port = await freePort()
    const configuration = join(folder, 'mpd.conf')
    await writeFile(
      configuration,
      `music_directory "${music}"
      db_file "${join(music, '.mpd', 'database')}"
      pid_file "${join(folder, 'mpd.pid')}"
      bind_to_address "127.0.0.1"
      port "${port}"
      auto_update "no"
      zeroconf_enabled "no"
      log_level "verbose"
      audio_output {
        type "null"
        name "null"
      }`,
    )
    const daemon = new DaemonProcess('mpd', ['--no-daemon', '--stderr', configuration])
    try {
      // Once, because there is no database yet. It listens by then.
      await daemon.logged(FINISHED)
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
    return new Mpd(daemon, port)
  }

  get rescans(): number {
    return this.#process.count(STARTED) - this.#before
  }

  async rescanned(times: number): Promise<void> {
    await this.#process.logged(FINISHED, this.#before + times)
  }

  async write(folder: string, names: readonly string[]): Promise<void> {
    const file = silence()
    for (const name of names) await writeFile(join(folder, `${name}.wav`), file)
  }

  async known(names: readonly string[]): Promise<string[]> {
    const { stdout } = await run('mpc', [...this.#client, 'listall'])
    const listed = new Set(stdout.split('\n').map((path) => basename(path, '.wav')))
    return names.filter((name) => listed.has(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }
}

/** A valid WAV file, 50 ms of silence: MPD opens each file to read its length, and lists none that it can't play. */
function silence(): Buffer {
  const rate = 8000
  const data = (rate / 20) * 2
  const file = Buffer.alloc(44 + data)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(36 + data, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16) // length of this chunk
  file.writeUInt16LE(1, 20) // PCM
  file.writeUInt16LE(1, 22) // channels
  file.writeUInt32LE(rate, 24)
  file.writeUInt32LE(rate * 2, 28) // bytes a second
  file.writeUInt16LE(2, 32) // bytes a frame
  file.writeUInt16LE(16, 34) // bits a sample
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(data, 40)
  return file
}
