import { describe, expect, it } from 'vitest'
import { formatPrintf } from '../../lib/cli/printf.js'

// The expected texts are what dtrace(1) 2.0.7 printed for the same formats and values.
describe('printf', () => {
  it.each([
    ['[%d|%5d|%-5d|%05d|%+d]', [-5, 255, 255, 255, 255], '[-5|  255|255  |00255|+255]'],
    ['[%x|%X|%#x|%o|%u]', [255, 255, 255, 255, -5], '[ff|FF|0xff|377|4294967291]'],
    ['[%s|%10s|%-10s|%.2s|%c]', ['abc', 'abc', 'abc', 'abc', 90], '[abc|       abc|abc       |ab|Z]'],
    ['[%p|%i|%*d|%%]', [0x1234n, 7, 6, 42], '[1234|7|    42|%]'],
    ['[%x|%hx|%llx]', [-5, -5, -5n], '[fffffffb|fffb|fffffffffffffffb]'],
    ['[%lld|%llu]', [-(2n ** 63n), 2n ** 63n], '[-9223372036854775808|9223372036854775808]'],
    ['[%S]', ['a\tb"\n'], '[a\\tb\\"\\n]'],
    ['100%% of %s', ['it'], '100% of it'],
    ['no conversion', [], 'no conversion'],
    ['[%k]', [{ toString: () => 'frame' }], '[\nframe\n]'],
  ])('%s', (format, values, text) => {
    expect(formatPrintf(format, values)).toBe(text)
  })

  it('writes a time as dtrace(1) does', () => {
    const time = BigInt(new Date(2026, 10, 1, 20, 5, 2).getTime()) * 1_000_000n
    expect(formatPrintf('%Y', [time])).toBe('2026 Nov  1 20:05:02')
  })
})
