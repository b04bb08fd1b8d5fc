import { writeSync } from 'node:fs'
import { endianness } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadAddon, type NativeChannel } from '../../lib/native.js'

interface Packet {
  json: string
  data: Uint8Array
}

/** As a host writes it: native/host/channel.h. */
function encode({ json, data }: Packet): Buffer {
  const sizes = new Uint32Array([Buffer.byteLength(json), data.length])
  const padded = (bytes: Uint8Array): Buffer =>
    Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
  return Buffer.concat([Buffer.from(sizes.buffer), padded(Buffer.from(json)), padded(data)])
}

/** As JavaScript gets it: what a packet has none of is undefined. */
interface Received {
  json: string | undefined
  data: Uint8Array | undefined
}

const asReceived = ({ json, data }: Packet): Received => ({
  json: json === '' ? undefined : json,
  data: data.length === 0 ? undefined : Uint8Array.from(data),
})

interface Told {
  packets: Received[]
  end: { trouble: string | undefined; lost: number }
}

/** What a channel tells of what is written into the other end. */
async function listen(write: (theirs: number, ours: number) => void | Promise<void>): Promise<Told> {
  const { NativeChannel, closeSocket, socketPair } = loadAddon()
  const [ours, theirs] = socketPair()
  const packets: Received[] = []
  const end = new Promise<Told['end']>((resolve) => {
    const channel: NativeChannel = new NativeChannel(
      ours,
      (json, data, offset, length) =>
        packets.push({
          json,
          data: data === undefined ? undefined : new Uint8Array(data, offset, length).slice(),
        }),
      (trouble) => resolve({ trouble, lost: channel.unfinishedRecords() }),
    )
  })
  await write(theirs, ours)
  closeSocket(theirs)
  // The channel has one of its own.
  closeSocket(ours)
  return { packets, end: await end }
}

/** The same of a stream that is written in pieces, each when the one before it has been read. */
function read(stream: Buffer, sizes: Iterator<number>): Promise<Told> {
  return listen(async (theirs) => {
    for (let at = 0; at < stream.length; ) {
      at += writeSync(theirs, stream, at, Math.min(sizes.next().value ?? stream.length, stream.length - at))
      await new Promise(setImmediate)
    }
  })
}

/** The first message is a short one. */
const hello: Packet = { json: '{"type":"hello"}', data: new Uint8Array() }
const whole = [][Symbol.iterator]()
/** In any of them what has come would be read. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate)
}

const simply = { trouble: undefined, lost: 0 }

describe('what a host says', () => {
  test('comes whole, whatever pieces it is cut into', async () => {
    const packets = fc.array(
      fc
        .record({
          json: fc.oneof(fc.constant(''), fc.json()),
          data: fc.uint8Array({ maxLength: 300 }),
        })
        .filter(({ json, data }) => json !== '' || data.length > 0),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(packets, fc.infiniteStream(fc.integer({ min: 1, max: 200 })), async (sent, pieces) => {
        const told = await read(Buffer.concat(sent.map(encode)), pieces)
        expect(told).toEqual({ packets: sent.map(asReceived), end: simply })
      }),
    )
  })

  test('may be more than a slab has room for, and much of it', async () => {
    const sent = [0, 1_000_000, 8, 96 * 1024, 300_000].map((size, i) => ({
      json: i % 2 === 0 ? '' : `{"i":${i}}`,
      data: new Uint8Array(size + 4).fill(i + 1),
    }))
    const sizes = (function* () {
      for (;;) yield 50_000
    })()
    const { packets, end } = await read(Buffer.concat(sent.map(encode)), sizes)
    // One of a million bytes is long to compare as an array.
    expect(packets.map(({ json }) => json)).toEqual(sent.map(asReceived).map(({ json }) => json))
    for (const [i, { data }] of sent.entries())
      expect(Buffer.compare(packets[i]?.data as Uint8Array, data)).toBe(0)
    expect(end).toEqual(simply)
  })

  test('ends with the number of records of a batch of which a part has come', async () => {
    const batch = Buffer.alloc(40)
    if (endianness() === 'LE') batch.writeUInt32LE(17)
    else batch.writeUInt32BE(17)
    const stream = encode({ json: '', data: batch }).subarray(0, 20)
    expect(await read(stream, whole)).toEqual({ packets: [], end: { trouble: undefined, lost: 17 } })
  })

  test('ends where it is no message', async () => {
    expect(await read(Buffer.from('hello, this is no host'), whole)).toEqual({
      packets: [],
      end: { trouble: 'foreign', lost: 0 },
    })
  })

  test('is heard to its end when the other end has closed with something unread', async () => {
    const sent = [hello, ...Array.from({ length: 40 }, () => ({ json: '{}', data: new Uint8Array(4000) }))]
    // The kernel has an error then for whoever polls, before what is still to be read.
    const { packets, end } = await listen((theirs, ours) => {
      writeSync(ours, 'nobody reads this')
      for (const packet of sent) writeSync(theirs, encode(packet))
    })
    expect(packets.map(({ json }) => json)).toEqual(sent.map(({ json }) => json))
    expect(end).toEqual(simply)
  })

  test('is not heard after close()', async () => {
    const { NativeChannel, closeSocket, socketPair } = loadAddon()
    const [ours, theirs] = socketPair()
    const told: unknown[] = []
    const channel = new NativeChannel(
      ours,
      () => told.push('a message'),
      () => told.push('the end'),
    )
    writeSync(theirs, encode({ json: '{}', data: new Uint8Array() }))
    channel.close()
    channel.close()
    channel.ref()
    channel.unref()
    closeSocket(theirs)
    closeSocket(ours)
    await turns()
    expect(told).toEqual([])
  })

  test('is not heard after a close() in the middle of it', async () => {
    const { NativeChannel, closeSocket, socketPair } = loadAddon()
    const [ours, theirs] = socketPair()
    const told: unknown[] = []
    const packet = encode({ json: '{}', data: new Uint8Array() })
    writeSync(theirs, Buffer.concat([packet, packet]))
    const channel: NativeChannel = new NativeChannel(
      ours,
      (json) => {
        told.push(json)
        // Nothing is delivered in the middle of a delivery.
        channel.drain()
        channel.close()
      },
      () => told.push('the end'),
    )
    channel.drain()
    closeSocket(theirs)
    closeSocket(ours)
    await turns()
    expect(told).toEqual(['{}'])
  })

  test('is delivered at once when it is asked for', () => {
    const { NativeChannel, closeSocket, socketPair } = loadAddon()
    const [ours, theirs] = socketPair()
    const told: unknown[] = []
    const sent = [hello, ...Array.from({ length: 30 }, () => ({ json: '{}', data: new Uint8Array(5000) }))]
    for (const packet of sent) writeSync(theirs, encode(packet))
    const channel = new NativeChannel(
      ours,
      (json) => told.push(json),
      () => told.push('the end'),
    )
    channel.drain()
    expect(told).toEqual(sent.map(({ json }) => json))
    closeSocket(theirs)
    channel.drain()
    expect(told.at(-1)).toBe('the end')
    closeSocket(ours)
  })

  test('keeps nothing alive when it has ended', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { NativeChannel, closeSocket, socketPair } = loadAddon()
    const make = async (): Promise<WeakRef<object>> => {
      const [ours, theirs] = socketPair()
      const listener = { channel: undefined as NativeChannel | undefined }
      const ended = new Promise<void>((resolve) => {
        listener.channel = new NativeChannel(
          ours,
          () => void listener.channel,
          () => resolve(),
        )
      })
      closeSocket(theirs)
      closeSocket(ours)
      await ended
      return new WeakRef(listener)
    }
    const listener = await make()
    await expect
      .poll(
        () => {
          collect()
          return listener.deref() === undefined
        },
        { timeout: 5000 },
      )
      .toBe(true)
  })

  test('a descriptor that is none is refused', () => {
    const { NativeChannel } = loadAddon()
    const open = (descriptor: number) => () =>
      new NativeChannel(
        descriptor,
        () => {},
        () => {},
      )
    expect(open(-1)).toThrow(/bad file descriptor/i)
    expect(open('x' as never)).toThrow(TypeError)
  })
})

test('a connection that can’t be made says why', () => {
  const { connectTo } = loadAddon()
  expect(() => connectTo('/nowhere/socket')).toThrow(/^ENOENT: no such file or directory$/)
  expect(() => connectTo(`/${'x'.repeat(200)}`)).toThrow(/ENAMETOOLONG/)
})
