import { describe, expect, it } from 'vitest'
import { splitArguments, words } from '../../lib/cli/arguments.js'
import { toJson } from '../../lib/cli/output.js'
import { printable, printableLines } from '../../lib/printable.js'

describe('the command line', () => {
  const split = (line: string, exec = true) => splitArguments(line.split(' '), exec)

  it('ends for us at --', () => {
    expect(split('rescan /srv --every 60s -- mpc update --wait')).toEqual({
      own: ['rescan', '/srv', '--every', '60s'],
      rest: ['mpc', 'update', '--wait'],
    })
    expect(split('rescan /srv --pid 5')).toEqual({ own: ['rescan', '/srv', '--pid', '5'], rest: undefined })
    expect(split('run x.d -- -- -a', false).rest).toEqual(['--', '-a'])
  })

  it('leaves to --exec what follows, up to a semicolon', () => {
    expect(split('rescan /srv --json --exec mpc update --wait')).toEqual({
      own: ['rescan', '/srv', '--json'],
      rest: ['mpc', 'update', '--wait'],
    })
    expect(split('rescan /srv --exec mpc update --wait ; --json')).toEqual({
      own: ['rescan', '/srv', '--json'],
      rest: ['mpc', 'update', '--wait'],
    })
    expect(split('rescan /srv --exec').rest).toEqual([])
  })

  it('cuts a command that is one argument into words, without any shell', () => {
    expect(splitArguments(['rescan', '--exec', 'mpc update --wait', '/srv'], true)).toEqual({
      own: ['rescan', '/srv'],
      rest: ['mpc', 'update', '--wait'],
    })
    expect(splitArguments(['rescan', '--exec=touch x', '/srv'], true).rest).toEqual(['touch', 'x'])
    expect(words(`a "b c" 'd "e' f\\ g "h\\"i" $HOME *; |`)).toEqual([
      'a',
      'b c',
      'd "e',
      'f g',
      'h"i',
      '$HOME',
      '*;',
      '|',
    ])
    expect(() => words('a "b')).toThrow(/not closed/)
  })
})

describe('output', () => {
  it('keeps a name on its line', () => {
    expect(printable('a\nb\t\u001b[31m\\')).toBe('a\\nb\\t\\x1b[31m\\\\')
    expect(printable('Größe ♪')).toBe('Größe ♪')
    expect(printable('\u202etxt.exe')).toBe('\\u202etxt.exe')
    // A message keeps its lines, and what is escaped in it already.
    expect(printableLines('evil\u001b[2J:\n\ta\\n')).toBe('evil\\x1b[2J:\n\ta\\n')
  })

  it('is JSON with the type first, for values that JSON does not know too', () => {
    const line = toJson({
      pid: 5,
      small: 5n,
      large: 2n ** 63n,
      bytes: new Uint8Array([0xff, 0]),
      open: Number.POSITIVE_INFINITY,
      type: 'change',
    })
    expect(line).toBe(
      '{"type":"change","pid":5,"small":5,"large":"9223372036854775808","bytes":"/wA=","open":"Infinity"}',
    )
  })
})
