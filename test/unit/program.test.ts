import { describe, expect, expectTypeOf, test } from 'vitest'
import type { EmitFields } from '../../lib/program.js'
import { bytes, int8, int32, program, string, uint64 } from '../../lib/program.js'

describe('a typed program', () => {
  test('becomes a clause whose printf names and types its values', () => {
    const { source } = program({
      probe: ['syscall::open:return', 'syscall::openat:return'],
      when: 'arg1 >= 0',
      prepare: 'this->fd = arg1;',
      emit: {
        execname: string('execname'),
        pid: int32('pid'),
        tiny: int8('this->fd'),
        raw: bytes('curthread->comm', 16),
        id: uint64('id'),
      },
    })
    expect(source).toBe(
      `syscall::open:return,
syscall::openat:return
/arg1 >= 0/
{
\tthis->fd = arg1;
\tprintf("execname=%s pid=%d tiny=%d raw=", execname, (int32_t)(pid), (int8_t)(this->fd));
\ttracemem(curthread->comm, 16);
\tprintf("id=%u", (uint64_t)(id));
}
`,
    )
  })

  test('the compiler knows the fields', () => {
    const typed = program({
      probe: 'BEGIN',
      emit: { name: string('execname'), pid: int32('pid'), id: uint64('id'), raw: bytes('0', 1) },
    })
    type Big = EmitFields<(typeof typed)['emit'], 'bigint'>
    type Small = EmitFields<(typeof typed)['emit'], 'number'>
    expectTypeOf<Big>().toEqualTypeOf<{
      readonly name: string
      readonly pid: number
      readonly id: bigint
      readonly raw: Uint8Array
    }>()
    expectTypeOf<Small['id']>().toEqualTypeOf<number>()
  })

  test.each([
    ['no probe', () => program({ probe: '', emit: { a: int32('1') } }), /probe/],
    ['no probes', () => program({ probe: [], emit: { a: int32('1') } }), /probe/],
    ['nothing to record', () => program({ probe: 'BEGIN', emit: {} }), /emit/],
    ['a name that is none', () => program({ probe: 'BEGIN', emit: { 'a b': int32('1') } }), /"a b"/],
    ['an empty expression', () => int32(' '), /expression/],
    ['a size that is none', () => bytes('curthread', 0), /size/],
  ])('%s is refused', (_, make, pattern) => {
    expect(make).toThrow(
      expect.objectContaining({
        name: 'DTraceError',
        code: 'ERR_DTRACE_ARGUMENT',
        message: expect.stringMatching(pattern),
      }),
    )
  })
})
