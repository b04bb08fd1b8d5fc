import { writeSync } from 'node:fs'
import { endianness } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadAddon } from '../../lib/native.js'

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

interface Told {
  packets: Packet[]
  end: { lost: number; foreign: boolean }
}

/** What a channel tells of a stream that is written in pieces, each when the one before it has been read. */
async function read(stream: Buffer, sizes: Iterator<number>): Promise<Told> {
  const { NativeChannel, closeSocket, socketPair } = loadAddon()
  const [ours, theirs] = socketPair()
  const packets: Packet[] = []
  const end = new Promise<Told['end']>((resolve) => {
    new NativeChannel(
      ours,
      (json, data, offset, length) =>
        packets.push({
          json: json ?? '',
          data: new Uint8Array(data ?? new ArrayBuffer(0), offset, length).slice(),
        }),
      (lost, foreign) => resolve({ lost, foreign }),
    )
  })
  // It has one of its own.
  closeSocket(ours)
  for (let at = 0; at < stream.length; ) {
    at += writeSync(theirs, stream, at, Math.min(sizes.next().value ?? stream.length, stream.length - at))
    await new Promise(setImmediate)
  }
  closeSocket(theirs)
  return { packets, end: await end }
}

const whole = [][Symbol.iterator]()

describe('what a host says', () => {
  test('comes whole, whatever pieces it is cut into', async () => {
    const packets = fc.array(
      fc.record({
        json: fc.oneof(fc.constant(''), fc.json()),
        data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      }),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(packets, fc.infiniteStream(fc.integer({ min: 1, max: 200 })), async (sent, pieces) => {
        const told = await read(Buffer.concat(sent.map(encode)), pieces)
        expect(told).toEqual({
          packets: sent.map(({ json, data }) => ({ json, data: Uint8Array.from(data) })),
          end: { lost: 0, foreign: false },
        })
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
    expect(packets.map(({ json }) => json)).toEqual(sent.map(({ json }) => json))
    for (const [i, { data }] of sent.entries())
      expect(Buffer.compare(packets[i]?.data as Uint8Array, data)).toBe(0)
    expect(end).toEqual({ lost: 0, foreign: false })
  })

  test('ends with the number of records of a batch of which a part has come', async () => {
    const batch = Buffer.alloc(40)
    if (endianness() === 'LE') batch.writeUInt32LE(17)
    else batch.writeUInt32BE(17)
    const stream = encode({ json: '', data: batch }).subarray(0, 20)
    expect(await read(stream, whole)).toEqual({ packets: [], end: { lost: 17, foreign: false } })
  })

  test('ends where it is no message', async () => {
    expect(await read(Buffer.from('hello, this is no host'), whole)).toEqual({
      packets: [],
      end: { lost: 0, foreign: true },
    })
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
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(told).toEqual([])
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
