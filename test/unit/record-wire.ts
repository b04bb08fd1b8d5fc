/** Makes batches as native/record_batch.cc does, for tests of the reading side. */
import type { NativeLayout } from '../../lib/host/messages.js'
import { BATCH_HEADER_SIZE, FieldKind } from '../../lib/record/wire.js'

export interface WireRecord {
  source: number
  cpu: number
  /** An integer, a text, bytes, or frames; the first frame's address is the process. */
  values: (bigint | string | Uint8Array | WireFrame[])[]

  /** Where the layout has a place for them. */
  text?: string
  flow?: number
}

export type WireFrame = [address: bigint, name?: string, module?: number, offset?: number]

const align8 = (size: number): number => (size + 7) & ~7

export function encodeBatch(
  layouts: NativeLayout[],
  records: WireRecord[],
  encoding: BufferEncoding = 'utf8',
): ArrayBuffer {
  const body: Buffer[] = []
  let text = Buffer.alloc(0)
  let bytes = Buffer.alloc(0)
  const intern = (value: string): [number, number] => {
    const encoded = Buffer.from(value, encoding)
    const offset = text.length
    text = Buffer.concat([text, encoded])
    return [encoded.length === 0 ? 0 : offset, encoded.length]
  }
  for (const { source, cpu, values, text: printed = '', flow = 0 } of records) {
    const layout = layouts[source] as NativeLayout
    const record = Buffer.alloc(layout.size)
    record.writeUInt32LE(source, 0)
    record.writeUInt32LE(cpu, 4)
    layout.fields
      .filter(({ kind }) => kind !== FieldKind.none)
      .forEach(({ size, offset }, i) => {
        const value = values[i]
        if (typeof value === 'bigint') {
          const wide = Buffer.alloc(8)
          wide.writeBigUInt64LE(BigInt.asUintN(64, value))
          wide.copy(record, offset, 0, size)
          return
        }
        let place: [number, number]
        if (typeof value === 'string') {
          place = intern(value)
        } else {
          bytes = Buffer.concat([bytes, Buffer.alloc(align8(bytes.length) - bytes.length)])
          const start = bytes.length
          if (value instanceof Uint8Array) {
            bytes = Buffer.concat([bytes, value])
            place = [start, value.length]
          } else {
            for (const [address, name = '', module = 0, distance = 0] of value ?? []) {
              const frame = Buffer.alloc(24)
              frame.writeBigUInt64LE(address)
              ;[...intern(name), module, distance].forEach((number, k) => {
                frame.writeUInt32LE(number, 8 + 4 * k)
              })
              bytes = Buffer.concat([bytes, frame])
            }
            place = [start, value?.length ?? 0]
          }
        }
        record.writeUInt32LE(place[0], offset)
        record.writeUInt32LE(place[1], offset + 4)
      })
    if (layout.text !== undefined) {
      const [offset, length] = intern(printed)
      record.writeUInt32LE(offset, layout.text)
      record.writeUInt32LE(length, layout.text + 4)
    }
    if (layout.flow !== undefined) record.writeUInt32LE(flow, layout.flow)
    body.push(record)
  }
  const header = Buffer.alloc(BATCH_HEADER_SIZE)
  const textStart = BATCH_HEADER_SIZE + body.reduce((sum, record) => sum + record.length, 0)
  const bytesStart = textStart + align8(text.length)
  const ascii = text.every((byte) => byte < 128)
  const numbers = [
    records.length,
    textStart,
    bytesStart,
    bytesStart + bytes.length,
    ascii ? 1 : 0,
    text.length,
  ]
  numbers.forEach((number, i) => {
    header.writeUInt32LE(number, 4 * i)
  })
  const padding = Buffer.alloc(bytesStart - textStart - text.length)
  const whole = Buffer.concat([header, ...body, text, padding, bytes])
  return whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length) as ArrayBuffer
}
