/**
 * What a benchmark returns, and how it is shown on the terminal. The page in docs/ is made of the same (page.mjs), its
 * pictures too (chart.mjs).
 *
 * A case is a file in `cases/`. It exports a function with the file's name in camel case (`probe-cost.mjs`: `probeCost`),
 * which takes the {@link import('./context.mjs').Context} and returns one {@link Report} or several; and, where it has
 * peers, `needs`: their names for peers.mjs, so that a missing one is told before anything is measured.
 */

/**
 * @typedef {object} Report
 * @property {string} name unique among all reports; also the name of the chart's file: `docs/benchmarks/NAME.svg`
 * @property {string} title
 * @property {string} setting what was done, with what; may have several lines
 * @property {string[]} columns
 * @property {string[][]} rows the first cell names the row, the others are figures
 * @property {Verdict[]} verdicts
 * @property {unknown} data everything that was measured, for the JSON file; no paths of this machine in it
 * @property {Chart} [chart]
 * @property {string} [notes] what the figures mean (where a curve bends, and why); Markdown, on the page only
 *
 * @typedef {{ goal: string, value: string, met: boolean }} Verdict
 *
 * @typedef {BarChart | LineChart} Chart
 *
 * Horizontal bars, for peers beside each other; `spread` (lowest, highest) is drawn as a whisker. With `log` bars begin at a
 * power of ten below the smallest value, for peers that are a hundred times apart.
 * @typedef {object} BarChart
 * @property {'bars'} kind
 * @property {string} title
 * @property {string} unit of the values, as a label of the axis: `µs of CPU per record`
 * @property {boolean} [log]
 * @property {{ label: string, bars: Bar[] }[]} groups; a single group may have the label ''
 * @typedef {{ label: string, value: number, spread?: readonly [number, number] }} Bar
 *
 * Lines, for how something grows. Both axes are logarithmic unless they say `log: false`. A logarithmic x-axis has room for
 * values above 0 only: give a 0 (as of `switchrate 0`) a `label` of its own and a place as `x`, as in
 * `ticks: [{ x: 0.3, label: '0' }]`.
 * @typedef {object} LineChart
 * @property {'lines'} kind
 * @property {string} title
 * @property {{ label: string, log?: boolean, ticks?: { x: number, label: string }[] }} x
 * @property {{ label: string, log?: boolean }} y
 * @property {{ label: string, points: Point[] }[]} lines
 * @typedef {{ x: number, y: number, spread?: readonly [number, number] }} Point
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
