import { describe, expect, it, test } from 'vitest'
import { bareText, countActions, pragmaOptions, writeOutSpecifiers } from '../../lib/d-text.js'

describe('what is known of a D program before it is compiled', () => {
  it('is its text without comments, control lines, strings and characters, each thing in its place', () => {
    const source = '#pragma D option x\nBEGIN /* a\n{ */ { trace("}\\"{"); trace(\'{\'); }'
    const bare = bareText(source)
    expect(bare).toHaveLength(source.length)
    expect(bare.split('\n')).toHaveLength(3)
    expect(bare.replace(/\s+/g, ' ')).toBe(' BEGIN { trace( ); trace( ); }')
    expect(bareText('a /* never closed\nb')).toBe('a                \n ')
  })

  it('has options in its pragmas, but not in comments and strings', () => {
    const source = [
      '#pragma D option quiet',
      '  #  pragma\tD option bufsize=4m',
      '/*',
      '#pragma D option nolibs',
      '*/ BEGIN { trace("\\',
      '"); }',
      '#pragma option cpu=99',
      '#pragma D option strsize=',
    ].join('\n')
    expect(pragmaOptions(source)).toEqual([
      { name: 'quiet', value: undefined },
      { name: 'bufsize', value: '4m' },
      { name: 'strsize', value: '' },
    ])
  })

  it('counts aggregating actions and speculations, not what else is done with them', () => {
    const source = `
      BEGIN { @ = count(); @a[execname, arr[1]] = quantize(pid); @b["]"] = sum(1); }
      END { clear(@a); printa("@c = %@d", @b); trunc(@a, 5); /* @d = count() */ }
      BEGIN { speculate(this->s); trace(1); } BEGIN { this->s = speculation(); commit(this->s); }`
    expect(countActions(source)).toEqual({ aggregations: 3, speculations: 1 })
    expect(countActions('BEGIN {}')).toEqual({ aggregations: 0, speculations: 0 })
  })

  const specified: [string, Parameters<typeof writeOutSpecifiers>[1], string][] = [
    ['syscall', 'provider', 'syscall:::'],
    ['vmlinux{ trace(1); }', 'module', 'vmlinux::{ trace(1); }'],
    [
      'syscall::openat, close /pid == 1/ { x = 1 }',
      'function',
      'syscall::openat:, close: /pid == 1/ { x = 1 }',
    ],
    ['open /a\n/ b / { trace("} /"); } read', 'function', 'open: /a\n/ b / { trace("} /"); } read:'],
    ['open /* or { */, read;\nwrite', 'function', 'open: /* or { */, read:;\nwrite:'],
    [
      'int x;\nstruct s { int a; int b; };\nopen { x = 1; }',
      'function',
      'int x;\nstruct s { int a; int b; };\nopen: { x = 1; }',
    ],
    ['entry { trace(1); }', 'name', 'entry { trace(1); }'],
    ['open { never closed', 'function', 'open: { never closed'],
    ['open /never closed', 'function', 'open: /never closed'],
    ['', 'provider', ''],
  ]
  test.each(specified)('%j has specifiers of the level %s', (source, level, expected) => {
    expect(writeOutSpecifiers(source, level)).toBe(expected)
  })

  it('knows four levels', () => {
    expect(() => writeOutSpecifiers('x', 'nonsense' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' }),
    )
  })
})
