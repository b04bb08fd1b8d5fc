/** D's printf: formats values the way libdtrace's own does (D guide, "Output Formatting"). */

/** A part of a format: text, or a conversion. */
type Part =
  | string
  | {
      flags: string
      width: number | '*' | undefined
      precision: number | '*' | undefined
      /** Bits of the value, where the format says. */
      bits: 16 | 32 | 64
      conversion: string
    }

// Flags, width, precision, size and conversion; libdtrace writes the sizes itself, by the type of each argument.
const CONVERSION = /%([#0\-+ ']*)(\*|\d+)?(?:\.(\*|\d+))?(hh|h|ll|l|L|w|j|z|t)?([a-zA-Z@])|%%/g

const parsed = new Map<string, readonly Part[]>()

/**
 * The text of a printf.
 *
 * @param format libdtrace's text of the format
 * @param values the recorded values: numbers, bigints, strings, stacks and symbols (by their `toString`)
 */
export function formatPrintf(format: string, values: readonly unknown[]): string {
  let text = ''
  let next = 0
  for (const part of parse(format)) {
    if (typeof part === 'string') {
      text += part
      continue
    }
    let { flags } = part
    let width = part.width === '*' ? Number(values[next++]) : (part.width ?? 0)
    const precision = part.precision === '*' ? Number(values[next++]) : part.precision
    if (width < 0) {
      flags += '-'
      width = -width
    }
    const value = values[next++]
    text += pad(convert(value, { ...part, flags, precision }), flags, width, part.conversion)
  }
  return text
}

function parse(format: string): readonly Part[] {
  const known = parsed.get(format)
  if (known !== undefined) return known
  const parts: Part[] = []
  let end = 0
  for (const match of format.matchAll(CONVERSION)) {
    if (match.index > end) parts.push(format.slice(end, match.index))
    end = match.index + match[0].length
    const [whole, flags = '', width, precision, size, conversion = ''] = match
    if (whole === '%%') parts.push('%')
    else {
      parts.push({
        flags,
        width: number(width),
        precision: number(precision),
        bits: size === 'h' || size === 'hh' ? 16 : size === undefined ? 32 : 64,
        conversion,
      })
    }
  }
  if (end < format.length) parts.push(format.slice(end))
  parsed.set(format, parts)
  return parts
}

function number(text: string | undefined): number | '*' | undefined {
  return text === undefined || text === '*' ? text : Number(text)
}

interface Conversion {
  flags: string
  precision: number | undefined
  bits: number
  conversion: string
}

function convert(value: unknown, how: Conversion): string {
  switch (how.conversion) {
    case 'd':
    case 'i':
      return signed(digits(integer(value).toString(), how.precision), how.flags)
    case 'u':
      return digits(unsigned(value, how.bits).toString(), how.precision)
    case 'x':
      return prefixed('0x', digits(unsigned(value, how.bits).toString(16), how.precision), how.flags)
    case 'X':
      return prefixed(
        '0X',
        digits(unsigned(value, how.bits).toString(16).toUpperCase(), how.precision),
        how.flags,
      )
    case 'o':
      return prefixed('0', digits(unsigned(value, how.bits).toString(8), how.precision), how.flags)
    case 'p':
      return unsigned(value, 64).toString(16)
    case 'c':
      return String.fromCharCode(Number(BigInt.asUintN(8, integer(value))))
    case 's':
      return String(value).slice(0, how.precision)
    case 'S':
      return escaped(String(value))
    case 'f':
    case 'e':
    case 'g':
    case 'E':
    case 'G':
      return Number(value).toString()
    case 'Y':
      return calendar(integer(value))
    case 'T':
      return new Date(Number(integer(value) / 1_000_000n)).toUTCString()
    case 'k':
      return `\n${String(value)}\n`
    case 'a':
    case 'A':
      // Only the action of that name has the symbol looked up; in a printf it's the address.
      return `0x${unsigned(value, 64).toString(16)}`
    default:
      return String(value)
  }
}

function integer(value: unknown): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isFinite(value)) return BigInt(Math.trunc(value))
  return 0n
}

function unsigned(value: unknown, bits: number): bigint {
  const whole = integer(value)
  return whole < 0n ? BigInt.asUintN(bits, whole) : whole
}

function digits(text: string, precision: number | undefined): string {
  if (precision === undefined) return text
  return text.startsWith('-') ? `-${text.slice(1).padStart(precision, '0')}` : text.padStart(precision, '0')
}

function signed(text: string, flags: string): string {
  if (text.startsWith('-')) return text
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text
}

function prefixed(prefix: string, text: string, flags: string): string {
  return flags.includes('#') && !/^0*$/.test(text) ? prefix + text : text
}

function pad(text: string, flags: string, width: number, conversion: string): string {
  if (flags.includes('-')) return text.padEnd(width)
  if (!flags.includes('0') || !/[diuxXop]/.test(conversion)) return text.padStart(width)
  const [, before = '', rest = ''] = /^([-+ ]?(?:0[xX])?)(.*)$/.exec(text) ?? []
  return before + rest.padStart(width - before.length, '0')
}

function escaped(text: string): string {
  const names: Record<string, string> = {
    '\u0007': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '\0': '\\0',
    '"': '\\"',
    '\\': '\\\\',
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
  return text.replace(/[\u0000-\u001f\u007f"\\]/g, (character) => {
    const octal = character.charCodeAt(0).toString(8).padStart(3, '0')
    return names[character] ?? `\\${octal}`
  })
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `2026 Nov 21 20:25:02`, in local time, of nanoseconds since 1970. */
function calendar(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n))
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = String(date.getDate()).padStart(2)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return `${date.getFullYear()} ${MONTHS[date.getMonth()]} ${day} ${time}`
}
