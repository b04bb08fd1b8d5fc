import { describe, expect, test } from 'vitest'
import { frameCommand, PacketReader } from '../../lib/host/packets.js'

function packet(json: string, data: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(json)
  const header = Buffer.alloc(8)
  header.writeUInt32LE(text.length, 0)
  header.writeUInt32LE(data.length, 4)
  return Buffer.concat([header, text, data])
}

function read(stream: Buffer, piece: number): [string | undefined, number[] | undefined][] {
  const found: [string | undefined, number[] | undefined][] = []
  const reader = new PacketReader((json, data) =>
    found.push([json, data === undefined ? undefined : [...new Uint8Array(data)]]),
  )
  for (let at = 0; at < stream.length; at += piece) reader.push(stream.subarray(at, at + piece))
  return found
}

describe('packets from a pipe', () => {
  const stream = Buffer.concat([
    packet('{"a":"ä"}'),
    packet('', Uint8Array.of(1, 2, 3)),
    packet('{}', Uint8Array.of(9)),
    packet('[]'),
  ])

  test.each([1, 2, 3, 7, 8, 9, 1000])('are the same in pieces of %i bytes', (piece) => {
    expect(read(stream, piece)).toEqual([
      ['{"a":"ä"}', undefined],
      [undefined, [1, 2, 3]],
      ['{}', [9]],
      ['[]', undefined],
    ])
  })

  test('a batch of which only a part has come says how many records are lost', () => {
    const batch = Buffer.alloc(40)
    batch.writeUInt32LE(17, 0)
    const reader = new PacketReader(() => {})
    expect(reader.unfinishedRecords).toBe(0)
    reader.push(packet('', batch).subarray(0, 10))
    expect(reader.unfinishedRecords).toBe(0)
    reader.push(packet('', batch).subarray(10, 20))
    expect(reader.unfinishedRecords).toBe(17)
    reader.push(packet('', batch).subarray(20))
    expect(reader.unfinishedRecords).toBe(0)
  })

  test('what is no message is not waited for', () => {
    const reader = new PacketReader(() => {})
    expect(reader.push(Buffer.from('hello, this is no host'))).toBe(false)
    const other = new PacketReader(() => {})
    expect(other.push(packet('{}'))).toBe(true)
    expect(other.push(Buffer.alloc(8, 0xff))).toBe(false)
  })

  test('a command has its length before it', () => {
    expect([...frameCommand(Uint8Array.of(7, 8))]).toEqual([2, 0, 0, 0, 7, 8])
  })
})
