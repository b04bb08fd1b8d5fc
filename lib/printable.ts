/** Names of other people's making, such as a file's or a process's, where they are shown. */

const ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/**
 * A name on one line, whatever is in it: control characters are escaped, those that turn the direction of writing too, since
 * a file's name must not move the cursor or begin a line of its own.
 */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\\]/gu, escaped)
}

/** A message with such names in it: as {@link printable}, but its lines, tabs and backslashes stay. */
export function printableLines(message: string): string {
  return message.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, escaped)
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  const hex = code.toString(16)
  return ESCAPES[character] ?? (code > 0xff ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`)
}
