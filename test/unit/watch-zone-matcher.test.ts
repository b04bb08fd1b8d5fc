import { describe, expect, test } from 'vitest'
import { zoneMatcher } from '../../lib/watch/zones/matcher.js'

const ZONES: readonly [string, number][] = [
  ['web', 40],
  ['web-test', 41],
  ['db', 42],
  ['pod/nginx', 43],
  ['42', 44],
]

describe('a choice of zones', () => {
  test.each([
    ['web', ['web']],
    ['web*', ['web', 'web-test']],
    [
      ['web', 'db'],
      ['web', 'db'],
    ],
    ['p*', ['pod/nginx']],
    [42, ['db', '42']],
    ['42', ['db', '42']],
    [
      [41, 'db'],
      ['web-test', 'db'],
    ],
    ['!web*', ['db', 'pod/nginx', '42']],
    ['!42', ['web', 'web-test', 'pod/nginx']],
    [
      ['!web', '!42'],
      ['web-test', 'pod/nginx'],
    ],
    [['web*', '!web-test'], ['web']],
    [['web*', '!41'], ['web']],
    [['!web-test', 'web*'], ['web']],
    // An extended glob, not a negation: what is named by neither.
    ['!(web*|db)', ['pod/nginx', '42']],
    [['!(web*|db)', '!42'], ['pod/nginx']],
    ['4*', ['42']],
  ])('%j is %j', (zones, names) => {
    const matches = zoneMatcher(zones, 'zones')
    expect(ZONES.filter(([name, id]) => matches?.(name, id)).map(([name]) => name)).toEqual(names)
  })

  test('that is not made is none', () => {
    expect(zoneMatcher(undefined, 'zones')).toBeUndefined()
    expect(zoneMatcher([], 'zones')).toBeUndefined()
  })

  test.each([
    ['', /^zones: the glob "" is empty/],
    [['web', '!'], /^zones: the glob "!" is empty/],
    ['! ', /^zones: the glob "! " is empty/],
    ['x'.repeat(70_000), /^zones: the glob .* can't be used/],
  ])('refuses %.20j', (zones, message) => {
    expect(() => zoneMatcher(zones, 'zones')).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT', message: expect.stringMatching(message) }),
    )
  })
})
