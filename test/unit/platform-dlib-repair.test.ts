import { describe, expect, it } from 'vitest'
import {
  definitions,
  dependencies,
  dropLine,
  dropMentions,
  failedPlace,
} from '../../lib/platform/dlib-repair.js'

const library = `/* b_end_io was here; */
#pragma D depends_on module vmlinux
#pragma D depends_on library net.d
typedef struct bufinfo {
	int b_flags;
	caddr_t b_iodone;
} bufinfo_t;

translator bufinfo_t < struct buffer_head *B > {
	b_flags = (int)arg1 & 0x01 ? 1 : 2;
	b_iodone = (caddr_t)B->b_end_io;
	b_name = B == NULL
		? "b_end_io; }"
		: stringof(names[
			B->b_major % 255
		  ]->name);
	b_error = 0;			/* b_state ?? */
};

inline bufinfo_t bufs[int n] = xlate <bufinfo_t> (n);
`
const lines = library.split('\n')

describe('a D library that does not compile', () => {
  it('loses the assignment that mentions a name, and nothing else', () => {
    const { text, dropped } = dropMentions(library, 'b_end_io')
    expect(dropped).toEqual([{ what: 'bufinfo_t.b_iodone', from: 'struct buffer_head *' }])
    const left = text.split('\n')
    expect(left).toHaveLength(lines.length)
    expect(left.filter((line, index) => line !== lines[index])).toEqual([
      ' '.repeat(lines[10]?.length ?? 0).replace(' ', '\t'),
    ])
  })

  it.each([12, 13, 14, 15, 16])('loses a whole assignment of which line %i is a part', (line) => {
    const { text, dropped } = dropLine(library, line)
    expect(dropped.map(({ what }) => what)).toEqual(['bufinfo_t.b_name'])
    expect(text).not.toContain('stringof')
    expect(text).toContain('b_error = 0;')
    expect(text.split('\n')).toHaveLength(lines.length)
  })

  it('has nothing to lose where the line is no assignment of a translator', () => {
    for (const line of [1, 2, 6, 9, 20, 99])
      expect(dropLine(library, line)).toEqual({ text: library, dropped: [] })
  })

  it('has nothing to lose a second time', () => {
    const { text } = dropLine(library, 11)
    expect(dropLine(text, 11).dropped).toEqual([])
  })

  it('says what it needs and what it defines', () => {
    expect(dependencies(library)).toEqual(['net.d'])
    expect(definitions(library)).toEqual(['bufinfo_t', 'bufs[]'])
  })
})

describe("libdtrace's message", () => {
  it('names the library, the line, and the problem', () => {
    expect(
      failedPlace('"/usr/lib/dtrace/6.10/io.d", line 52: b_end_io is not a member of struct buffer_head'),
    ).toEqual({
      file: '/usr/lib/dtrace/6.10/io.d',
      line: 52,
      problem: 'b_end_io is not a member of struct buffer_head',
    })
  })

  it('about the program itself names no library', () => {
    expect(failedPlace('line 3: syntax error near "}"')).toBeUndefined()
  })
})
