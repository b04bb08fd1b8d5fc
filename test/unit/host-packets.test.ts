import { endianness } from 'node:os'
import { expect, test } from 'vitest'
import { frameCommand } from '../../lib/host/packets.js'

test('a command has its length before it, in the byte order of the machine', () => {
  expect([...frameCommand(Uint8Array.of(7, 8))]).toEqual([
    ...(endianness() === 'LE' ? [2, 0, 0, 0] : [0, 0, 0, 2]),
    ...[7, 8],
  ])
})
