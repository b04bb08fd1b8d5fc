import { describe, expect, test } from 'vitest'
import { checkActions } from '../../lib/actions.js'
import { checkOpenOptions } from '../../lib/consumer-options.js'
import { checkPragmas, explainGo } from '../../lib/options.js'
import { bytes, int32, program } from '../../lib/program.js'

describe('actions that redirect output', () => {
  test.each([
    ['BEGIN { freopen("/tmp/x"); }', /^line 1: freopen\(\) can't be used: .*JavaScript$/],
    ['BEGIN\n{\n\ttrace(1); ftruncate ( );\n}', /^line 3: ftruncate\(\)/],
    ['# 1 "x.d"\n# 1 "<built-in>" 1\n# 2 "x.d" 2\nBEGIN { freopen("/tmp/x"); }', /^line 2: freopen/],
    ['/* one\ntwo */ BEGIN { printf("\\"\n"); freopen("%s", execname); }', /^line 3: freopen/],
  ])('%j is refused', (source, message) => {
    expect(() => checkActions(source)).toThrow(
      expect.objectContaining({
        code: 'ERR_DTRACE_UNSUPPORTED',
        message: expect.stringMatching(message),
        line: expect.any(Number),
      }),
    )
  })

  test.each([
    'BEGIN { /* freopen("x"); */ printf("freopen(%d)", 1); }',
    'pid$target::freopen:entry { trace(1); }',
    'BEGIN { myfreopen = 1; this->freopen_ = 2; }',
    `BEGIN { x = '"'; printf("ftruncate()"); }`,
    'BEGIN { printf("\\\\"); } /* " freopen( */',
  ])('%j is not', (source) => {
    expect(() => checkActions(source)).not.toThrow()
  })
})

describe('setopt() in a program', () => {
  test.each(['BEGIN { setopt("core"); }', 'BEGIN { setopt ( "nolibs", "1" ); }'])(
    '%j would end the process',
    (source) => {
      expect(() => checkPragmas(source)).toThrow(expect.objectContaining({ code: 'ERR_DTRACE_OPTION' }))
    },
  )

  test('sets other options', () => {
    expect(() => checkPragmas('BEGIN { setopt("quiet"); setopt("switchrate", "5ms"); }')).not.toThrow()
  })
})

test('what lacks for a destructive action is said', () => {
  expect(explainGo('Destructive actions not allowed')).toMatch(/option destructive/)
  expect(explainGo('No such process')).toBe("tracing can't be started: No such process")
})

test('sizes that may be too large are named, with the last value of each', () => {
  const settings = [
    ['bufsize', '4m'],
    ['quiet', null],
    ['switchrate', '10ms'],
    ['bufsize', '100g'],
  ] as const
  expect(explainGo('Memory allocation failure', settings)).toBe(
    "tracing can't be started: Memory allocation failure; one of these sizes may not be possible here: bufsize=100g, or one that the program sets",
  )
})

test.each([
  [{ text: 'yes' }, /^text is true or false, not "yes"/],
  [{ flow: 1 }, /^flow is true or false/],
  [{ order: 'cpu' }, /^order is 'time' or undefined, not "cpu"/],
  [
    { host: 'in-process', restart: true },
    /^restart starts another child process: leave host: 'in-process' out/,
  ],
  [{ host: 'auto', restart: true }, /^restart starts another child process/],
  [{ bufsize: '4m' }, /^Consumer\.open\(\) has no option 'bufsize': there are options, host, /],
  [null, /^Consumer\.open\(\) takes an object of options, not null/],
])('%j is refused', (options, message) => {
  expect(() => checkOpenOptions(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT', message: expect.stringMatching(message) }),
  )
})

describe('a typed program for records in the order of their time', () => {
  test('has a timestamp before all else', () => {
    const { timed, source } = program({ probe: 'a:::b', emit: { pid: int32('pid'), raw: bytes('arg0', 8) } })
    expect(timed).toContain('printf("timestamp=%u pid=%d raw=", (uint64_t)(timestamp), (int32_t)(pid))')
    expect(source).not.toContain('timestamp')
  })

  test('or its own', () => {
    const own = program({ probe: 'a:::b', emit: { timestamp: int32('5'), pid: int32('pid') } })
    expect(own.timed).toBe(own.source)
  })
})
