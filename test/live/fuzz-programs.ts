/** Random D programs and options: some are good, most are nearly good, and some are nothing of the kind. */
import fc from 'fast-check'

const NAMES = [
  'a',
  'b',
  'count_of',
  'self->x',
  'self->y',
  'this->z',
  'seen[pid]',
  'table[execname, tid]',
  'nothing',
]
const VARIABLES = [
  ...[
    'pid',
    'tid',
    'ppid',
    'uid',
    'gid',
    'cpu',
    'timestamp',
    'vtimestamp',
    'walltimestamp',
    'execname',
    'probefunc',
    'probename',
  ],
  ...[
    'arg0',
    'arg1',
    'arg2',
    'arg9',
    'args[0]',
    'args[17]',
    'errno',
    'id',
    'ipl',
    'stackdepth',
    'ustackdepth',
    'caller',
    'ucaller',
  ],
  ...[
    'curthread',
    'curthread->comm',
    'curthread->pid',
    'curthread->nothing',
    'curpsinfo->pr_psargs',
    'curcpu->cpu_id',
  ],
  ...[
    '$pid',
    '$1',
    '$$1',
    '$target',
    '`jiffies',
    '`no_such_symbol',
    'zonename',
    'NULL',
    '0x7fffffffffffffff',
    '-1',
    "'c'",
  ],
]
const FUNCTIONS = [
  ...[
    'strlen',
    'strjoin',
    'substr',
    'strstr',
    'strchr',
    'index',
    'rindex',
    'copyinstr',
    'copyin',
    'stringof',
    'lltostr',
    'basename',
  ],
  ...[
    'dirname',
    'cleanpath',
    'inet_ntoa',
    'htons',
    'rand',
    'progenyof',
    'speculation',
    'alloca',
    'bcopy',
    'mutex_owned',
    'getmajor',
  ],
  ...['d_path', 'strtok', 'link_ntop', 'sizeof', 'no_such_function'],
]
const PROBES = [
  ...[
    'BEGIN',
    'END',
    'ERROR',
    'dtrace:::BEGIN',
    'tick-100hz',
    'tick-1',
    'profile-97',
    'tick-0',
    'syscall::openat:entry',
    'syscall:::return',
  ],
  ...[
    'syscall::read*:entry',
    'proc:::exec-success',
    'sched:::on-cpu',
    'io:::start',
    'sdt:::',
    'pid$target:::entry',
    'no:such:probe:here',
  ],
  ...[
    'syscall::openat:entry, BEGIN',
    '*:::BEGIN',
    ':::',
    'syscall',
    '1',
    '',
    'rawtp:::sched_switch',
    'lockstat:::adaptive-acquire',
  ],
]
const AGGREGATING = [
  'count',
  'sum',
  'min',
  'max',
  'avg',
  'stddev',
  'quantize',
  'lquantize',
  'llquantize',
  'nothing',
]
const CONVERSIONS = [
  '%d',
  '%s',
  '%x',
  '%5d',
  '%-10s',
  '%*d',
  '%c',
  '%p',
  '%k',
  '%a',
  '%u',
  '%llu',
  '%Y',
  '%%',
  '%',
  '%S',
  '%i',
  'x=%d',
  '\\n',
]

const word = (words: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...words)
const number = fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n })).map(String)
const text = fc.string({ maxLength: 12 }).map((value) => JSON.stringify(value))

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(word(VARIABLES), word(NAMES), number, text),
    fc
      .tuple(
        tie('expression'),
        word([
          '+',
          '-',
          '*',
          '/',
          '%',
          '<<',
          '>>',
          '&',
          '|',
          '&&',
          '^^',
          '==',
          '<',
          '!=',
          ',',
          '=',
          '->',
          '.',
        ]),
        tie('expression'),
      )
      .map((parts) => parts.join(' ')),
    fc
      .tuple(
        word(['!', '~', '-', '&', '*', '(int)', '(string)', '(struct task_struct *)', '++']),
        tie('expression'),
      )
      .map((parts) => parts.join('')),
    fc
      .tuple(tie('expression'), tie('expression'), tie('expression'))
      .map(([a, b, c]) => `(${a}) ? (${b}) : (${c})`),
    fc
      .tuple(word(FUNCTIONS), fc.array(tie('expression'), { maxLength: 3 }))
      .map(([name, args]) => `${name}(${args.join(', ')})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a})[${b}]`),
  ),
}))

/** What nearly always compiles, so that something gets as far as the kernel. */
const good = fc.oneof(
  word([
    'pid',
    'tid',
    'cpu',
    'timestamp',
    'uid',
    'arg0',
    'arg1',
    'curthread->pid',
    '(uint8_t)arg0',
    '(int64_t)-1',
    '1 << 3',
  ]),
  fc.integer().map(String),
  fc
    .tuple(word(['pid', 'tid', 'arg0', '7']), word(['+', '*', '&', '%', '<', '==']))
    .map(([a, op]) => `(${a} ${op} 3)`),
)
const goodText = word([
  'execname',
  'probefunc',
  '"constant"',
  'strjoin(execname, probefunc)',
  'substr(execname, 1)',
  'lltostr(pid)',
])
const goodStatement = fc.oneof(
  good.map((value) => `trace(${value});`),
  goodText.map((value) => `trace(${value});`),
  fc.tuple(good, goodText).map(([a, b]) => `printf("a=%d b=%s", ${a}, ${b});`),
  fc.tuple(goodText, good).map(([key, value]) => `@x[${key}] = sum(${value});`),
  fc.tuple(good, good).map(([key, value]) => `@y[${key}, cpu] = quantize(${value});`),
  good.map((value) => `self->x = ${value}; trace(self->x);`),
  word([
    'stack(3);',
    'ustack(2);',
    'tracemem(curthread, 16);',
    'clear(@z); @z = count();',
    'trunc(@z); @z = count();',
    'printa(@z); @z = count();',
  ]),
  word([
    'self->s = speculation(); speculate(self->s); trace(1);',
    'commit(self->s);',
    'discard(self->s);',
    'exit(3);',
    'trace(copyinstr(arg1));',
    'trace(*(int *)arg0);',
  ]),
)

const list = fc.array(expression, { maxLength: 3 }).map((all) => all.join(', '))
const statement = fc.oneof(
  fc.tuple(word(NAMES), expression).map(([name, value]) => `${name} = ${value};`),
  expression.map((value) => `trace(${value});`),
  fc
    .tuple(fc.array(word(CONVERSIONS), { maxLength: 4 }), list)
    .map(([format, args]) => `printf("${format.join(' ')}"${args === '' ? '' : `, ${args}`});`),
  fc
    .tuple(word(['', 'x', 'y']), list, word(AGGREGATING), list)
    .map(([name, key, action, args]) => `@${name}${key === '' ? '' : `[${key}]`} = ${action}(${args});`),
  fc
    .tuple(
      word([
        ...[
          'stack',
          'ustack',
          'jstack',
          'sym',
          'mod',
          'usym',
          'tracemem',
          'print',
          'exit',
          'speculate',
          'commit',
          'discard',
        ],
        ...[
          'clear',
          'trunc',
          'normalize',
          'denormalize',
          'printa',
          'setopt',
          'freopen',
          'ftruncate',
          'system',
          'raise',
          'chill',
          'panic',
        ],
      ]),
      fc.oneof(
        list,
        word([
          '@x',
          '@y',
          '@',
          '@x, 5',
          '"%@d", @x',
          '"switchrate", "1ms"',
          '"quiet"',
          '&`jiffies, 8',
          'curthread, 64',
        ]),
      ),
    )
    .map(([action, args]) => `${action}(${args});`),
  fc.tuple(expression, expression).map(([a, b]) => `if (${a}) { trace(${b}); } else { trace(1); }`),
)
const goodClause = fc
  .tuple(
    word([
      'BEGIN',
      'END',
      'tick-100hz',
      'profile-97',
      'syscall::openat:entry',
      'syscall::read*:return',
      'sched:::on-cpu',
      'rawtp:::sched_switch',
    ]),
    fc.option(good),
    fc.array(fc.oneof({ weight: 15, arbitrary: goodStatement }, { weight: 1, arbitrary: statement }), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(
    ([probe, predicate, body]) =>
      `${probe}${predicate === null ? '' : `\n/${predicate}/`}\n{\n  ${body.join('\n  ')}\n}`,
  )
const clause = fc
  .tuple(word(PROBES), fc.option(expression), fc.array(statement, { maxLength: 4 }))
  .map(
    ([probe, predicate, body]) =>
      `${probe}${predicate === null ? '' : `\n/${predicate}/`}\n{\n  ${body.join('\n  ')}\n}`,
  )
const pragma = fc
  .tuple(
    word([
      'quiet',
      'bufsize=64k',
      'strsize=7',
      'nspec=3',
      'aggsize=1',
      'bufsize=0',
      'nonsense',
      'switchrate=9hz',
      'ustackframes=1000',
    ]),
  )
  .map(([option]) => `#pragma D option ${option}`)
const declaration = word([
  'int a;',
  'string b;',
  'self int x;',
  'struct t { int m; };',
  'inline int five = 5;',
  'typedef int own_t;',
  'int seen[int];',
  '/* open',
])

/** A program; one in twenty is no program at all, or a good one with something cut off. */
export const program: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.array(goodClause, { minLength: 1, maxLength: 4 }).map((clauses) => clauses.join('\n')),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.array(fc.oneof(pragma, declaration), { maxLength: 2 }),
        fc.array(clause, { minLength: 1, maxLength: 3 }),
      )
      .map(([head, clauses]) => [...head, ...clauses].join('\n')),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 60 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(clause, fc.nat({ max: 100 }))
      .map(([whole, cut]) => whole.slice(0, Math.max(0, whole.length - cut))),
  },
)

const OPTIONS = [
  ...[
    'bufsize',
    'aggsize',
    'strsize',
    'switchrate',
    'aggrate',
    'statusrate',
    'cleanrate',
    'dynvarsize',
    'nspec',
    'specsize',
    'cpu',
  ],
  ...[
    'quiet',
    'zdefs',
    'defaultargs',
    'flowindent',
    'stackframes',
    'ustackframes',
    'jstackframes',
    'bufpolicy',
    'bufresize',
    'maxframes',
  ],
  ...[
    'aggsortkey',
    'aggsortrev',
    'aggsortpos',
    'scratchsize',
    'rawbytes',
    'evaltime',
    'linkmode',
    'stdc',
    'pspec',
    'version',
    'nonsense',
  ],
]
const VALUES = [
  '0',
  '1',
  '4k',
  '64k',
  '1m',
  '10ms',
  '1hz',
  '-1',
  '99999999999',
  'abc',
  '',
  '1.5',
  'exec',
  'auto',
  'ring',
  'K&R',
  '1.0',
]

/** Options for `Consumer.open`. `destructive` is none of them: what runs here must not change the machine. */
export const options: fc.Arbitrary<Record<string, string | number | boolean>> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.record(
      {
        bufsize: word(['16k', '64k', '1m']),
        strsize: word(['8', '64', '1024']),
        nspec: fc.integer({ min: 1, max: 8 }),
        switchrate: word(['1ms', '50ms', '100hz']),
        dynvarsize: word(['1k', '1m']),
        ustackframes: fc.integer({ min: 1, max: 127 }),
      },
      { requiredKeys: [] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.dictionary(word(OPTIONS), fc.oneof(word(VALUES), fc.boolean(), fc.integer()), {
      minKeys: 1,
      maxKeys: 2,
    }),
  },
)
