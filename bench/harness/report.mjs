/** How results are shown: one table for each benchmark, with its setting above and its verdicts below. */

/**
 * @typedef {{ goal: string, value: string, met: boolean }} Verdict
 * @typedef {{ name: string, title: string, setting: string, columns: string[], rows: string[][], verdicts: Verdict[],
 *   data: unknown }} Report
 */

/** @param {Report} report @returns {string} */
export function formatReport({ title, setting, columns, rows, verdicts }) {
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i].length)))
  // The first column names the row; the others are figures.
  const line = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return [
    title,
    ...setting.split('\n').map((text) => `  ${text}`),
    '',
    `  ${line(columns)}`,
    `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`,
    ...rows.map((row) => `  ${line(row)}`),
    '',
    ...verdicts.map(({ goal, value, met }) => `  ${met ? 'met   ' : 'MISSED'}  ${goal}: ${value}`),
    '',
  ].join('\n')
}
