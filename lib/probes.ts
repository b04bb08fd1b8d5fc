/**
 * The probes that this machine has, listed piece by piece. A listing is kept by the session, as numbers; names come in pieces
 * of a few thousand, when they are asked for.
 */
import type { Abortable } from './abort.js'
import { DTraceError } from './errors.js'
import type { NativeProbeDetails, Stability } from './host/commands.js'
import type { Probe } from './record/decoder.js'
import { WireBatch } from './record/wire.js'
import type { Session } from './session.js'

/**
 * Which probes: a glob for each part (`*`, `?`, `[a-z]`, `\` before what is meant literally); one that is missing or empty
 * matches everything.
 */
export interface ProbeFilter {
  provider?: string
  module?: string
  function?: string
  name?: string
}

export interface ProbeOptions<Details extends boolean = boolean> extends Abortable {
  /** With the types of the arguments and the stabilities: some 0.7 ms more for each probe. Default: without. */
  arguments?: Details
}

/** A probe, with what libdtrace knows of its arguments. */
export interface ProbeDescription extends Probe {
  /** Of the probe's name. Undefined where libdtrace can't tell. */
  readonly stability: Stability | undefined
  readonly argumentStability: Stability | undefined
  /** The types of `args[0]`, `args[1]`, …: `'int'`, `'char *'`, `'struct task_struct *'`; `'(unknown)'` where one is not known. */
  readonly arguments: readonly string[]
}

/** `p:m:f:n` with one to four parts, or a glob for each. */
export type ProbeFilterLike = string | ProbeFilter

const PARTS = ['provider', 'module', 'function', 'name'] as const

/**
 * A listing of probes. Await it for all of them in one array, or iterate over it: then no more than a few thousand are in memory
 * at a time, and leaving the loop ends the listing. Nothing is asked for before that. Each loop lists anew.
 *
 * @example
 * const opens = await consumer.probes('syscall::open*:')
 * for await (const probe of consumer.probes()) console.log(probe.name)
 */
export class ProbeListing<Item extends Probe = Probe> implements Promise<Item[]>, AsyncIterable<Item> {
  readonly [Symbol.toStringTag] = 'ProbeListing'
  readonly #list: () => AsyncGenerator<Item, void, undefined>
  #all: Promise<Item[]> | undefined

  /** Use {@link Consumer.probes}. */
  constructor(list: () => AsyncGenerator<Item, void, undefined>) {
    this.#list = list
  }

  /** @throws `ERR_DTRACE_ARGUMENT` for a bad description, `ERR_DTRACE_STATE` when the consumer is closed, or closes meanwhile */
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    return this.#list()
  }

  // biome-ignore lint/suspicious/noThenProperty: it is meant to be awaited.
  then<Fulfilled = Item[], Rejected = never>(
    onFulfilled?: ((probes: Item[]) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#collected().then(onFulfilled, onRejected)
  }

  catch<Rejected = never>(
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Item[] | Rejected> {
    return this.#collected().catch(onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<Item[]> {
    return this.#collected().finally(onFinally)
  }

  #collected(): Promise<Item[]> {
    this.#all ??= (async () => {
      const all: Item[] = []
      for await (const item of this.#list()) all.push(item)
      return all
    })()
    return this.#all
  }
}

/** What a listing asks for: a description as it is written in D, or a glob for each of the four parts. */
export type ListedFilter = readonly [description: string | null, parts: readonly string[]]

/**
 * Checks a filter. libdtrace's own parser takes the string apart, so `$target` is known there.
 *
 * @throws `ERR_DTRACE_ARGUMENT`
 */
export function checkFilter(filter: ProbeFilterLike = {}): ListedFilter {
  if (typeof filter === 'string') return [checkGlob(filter, 'the description'), []]
  if (typeof filter !== 'object' || filter === null) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `probes() takes a description such as 'syscall::open*:entry' or { provider, module, function, name }, not ${String(filter)}`,
    )
  }
  const unknown = Object.keys(filter).filter((key) => !(PARTS as readonly string[]).includes(key))
  if (unknown.length > 0) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `probes(): a filter has ${PARTS.join(', ')}, and no ${unknown.join(', ')}`,
    )
  }
  return [null, PARTS.map((part) => checkGlob(filter[part] ?? '', part))]
}

/** libdtrace takes a glob that is none as one that fits nothing, in silence. */
function checkGlob(glob: unknown, what: string): string {
  if (typeof glob !== 'string' || glob.includes('\0')) {
    throw new DTraceError('ERR_DTRACE_ARGUMENT', `probes(): ${what} is a text without NUL`)
  }
  const rest = glob.replace(/\\./gs, '').replace(/\[[!^]?\]?[^\]:]*\]/g, '')
  if (rest.includes('[') || rest.endsWith('\\')) {
    throw new DTraceError(
      'ERR_DTRACE_ARGUMENT',
      `probes(): ${what} ${JSON.stringify(glob)} is not a whole glob: ${rest.includes('[') ? 'a [ is not closed' : 'it ends in a backslash'}`,
    )
  }
  return glob
}

/** The probes that fit, in the order of their numbers, as `dtrace -l` has them. */
export async function* listProbes(
  session: Session,
  [description, parts]: ListedFilter,
  details: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Probe | ProbeDescription, void, undefined> {
  const explain = ({ reason }: { reason: string }): string =>
    `the probes ${description === null ? '' : `${JSON.stringify(description)} `}can't be listed: ${reason}`
  const { listing } = await session.request('probes', [description, parts, details], explain)
  let done = false
  try {
    while (!done) {
      signal?.throwIfAborted()
      const { value, data } = await session.requestWithData('moreProbes', [listing], explain)
      done = value.done
      if (data !== undefined) yield* decode(new WireBatch(data, 'utf8'), value.details)
    }
  } finally {
    // A session that has ended has no listings.
    if (!done) await session.request('endProbes', [listing], explain).catch(() => {})
  }
}

/** A record of `native/probes.cc`: the probe's number in place of the source, and four strings. */
const RECORD_WORDS = 10
const HEADER_WORDS = 8

function* decode(
  batch: WireBatch,
  details: readonly (NativeProbeDetails | null)[] | undefined,
): Generator<Probe | ProbeDescription> {
  const { u32 } = batch
  for (let i = 0; i < batch.count; i++) {
    const at = HEADER_WORDS + i * RECORD_WORDS
    const text = (part: number): string =>
      batch.text(u32[at + 2 + 2 * part] as number, u32[at + 3 + 2 * part] as number)
    const probe = {
      id: u32[at] as number,
      provider: text(0),
      module: text(1),
      function: text(2),
      name: text(3),
    }
    if (details === undefined) yield probe
    else {
      const known = details[i] ?? { stability: undefined, argumentStability: undefined, arguments: [] }
      yield { ...probe, ...known }
    }
  }
}
