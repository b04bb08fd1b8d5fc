/** Draws a report's chart (report.mjs says what there is) as SVG, on white, so that it is readable on a dark page too. */

const WIDTH = 760
const COLOURS = [
  '#4a4a4a',
  '#1f6fb2',
  '#d9730d',
  '#2e8b57',
  '#8e44ad',
  '#c0392b',
  '#7f8c8d',
  '#b8860b',
  '#16a3a3',
]
const FONT = 'font-family="system-ui, sans-serif"'

/** @param {import('./report.mjs').Chart} chart @returns {string} */
export function drawChart(chart) {
  return chart.kind === 'bars' ? drawBars(chart) : drawLines(chart)
}

const escapeText = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const at = (value) => value.toFixed(1)
const text = (x, y, content, attributes = '') =>
  `<text x="${at(x)}" y="${at(y)}" ${attributes}>${escapeText(content)}</text>`
const line = (x1, y1, x2, y2, colour, attributes = '') =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${colour}" ${attributes}/>`

function document(height, title, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${at(height)}" width="${WIDTH}" height="${at(height)}" ${FONT} font-size="12" fill="#222">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${WIDTH}" height="${at(height)}" fill="#fff"/>`,
    text(WIDTH / 2, 22, title, 'text-anchor="middle" font-size="15" font-weight="600"'),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** Three digits that count, with no exponent. */
export function figure(value) {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  const rounded = Number(value.toFixed(Math.min(digits, 6)))
  return rounded >= 10_000 ? rounded.toLocaleString('en') : String(rounded)
}

/**
 * Where a value is from 0 to 1, and the ticks of the axis.
 *
 * @param {number[]} values @param {{ log: boolean, zero?: boolean, tight?: boolean }} kind `zero`: a linear axis begins there;
 * `tight`: it ends at the values, not at round ones
 */
function makeScale(values, { log, zero = true, tight = false }) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0))
  const low = Math.min(...usable)
  const high = Math.max(...usable)
  if (log) {
    const [from, to] = tight
      ? [Math.log10(low), Math.log10(high)]
      : [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))]
    const span = to - from || 1
    const ticks = []
    for (let power = Math.ceil(from - 1e-9); power <= to + 1e-9; power++) ticks.push(10 ** power)
    return { ticks, place: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / span }
  }
  const from = zero ? 0 : low
  const rough = (high - from || 1) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10)
  const to = tight ? high : Math.ceil(high / step) * step
  const ticks = []
  for (let i = Math.ceil(from / step); i * step <= to + step / 1e6; i++) ticks.push(i * step)
  return { ticks, place: (value) => (value - from) / (to - from || 1) }
}

/** @param {import('./report.mjs').BarChart} chart */
function drawBars({ title, unit, groups, log = false }) {
  const left = 250
  const right = WIDTH - 70
  const top = 40
  const rowHeight = 22
  const all = groups.flatMap(({ bars }) => bars)
  const scale = makeScale(
    all.flatMap(({ value, spread }) => [value, ...(spread ?? [])]),
    { log },
  )
  const x = (value) => left + scale.place(value) * (right - left)
  const parts = []
  // A consumer has the same colour in every group.
  const labels = [...new Set(all.map(({ label }) => label))]
  let y = top
  for (const group of groups) {
    if (group.label !== '') {
      parts.push(text(12, y + 16, group.label, 'font-weight="600"'))
      y += rowHeight
    }
    for (const { label, value, spread } of group.bars) {
      const colour = COLOURS[labels.indexOf(label) % COLOURS.length]
      const middle = y + rowHeight / 2
      parts.push(
        text(left - 8, middle + 4, label, 'text-anchor="end"'),
        `<rect x="${left}" y="${at(y + 3)}" width="${at(Math.max(x(value) - left, 0.5))}" height="${rowHeight - 6}" fill="${colour}"/>`,
        ...(spread === undefined ? [] : whisker(x(spread[0]), x(spread[1]), middle)),
        text(Math.max(x(value), x(spread?.[1] ?? value)) + 6, middle + 4, figure(value)),
      )
      y += rowHeight
    }
    y += 6
  }
  const grid = scale.ticks.map((tick) => line(x(tick), top, x(tick), y, '#ddd'))
  const ticks = scale.ticks.map((tick) => text(x(tick), y + 14, figure(tick), 'text-anchor="middle"'))
  const axis = text((left + right) / 2, y + 32, unit + (log ? ' (logarithmic)' : ''), 'text-anchor="middle"')
  return document(y + 44, title, [...grid, ...parts, ...ticks, axis])
}

/** From lowest to highest, with ends. */
function whisker(from, to, y) {
  const colour = '#000'
  return [
    line(from, y, to, y, colour),
    line(from, y - 4, from, y + 4, colour),
    line(to, y - 4, to, y + 4, colour),
  ]
}

/** @param {import('./report.mjs').LineChart} chart */
function drawLines({ title, x, y, lines }) {
  const left = 70
  const right = WIDTH - 24
  const top = 40
  const bottom = 340
  const points = lines.flatMap((one) => one.points)
  const across = makeScale(
    points.map((point) => point.x),
    { log: x.log ?? true, zero: false, tight: true },
  )
  const up = makeScale(
    points.flatMap((point) => [point.y, ...(point.spread ?? [])]),
    { log: y.log ?? true },
  )
  const px = (value) => left + 10 + across.place(value) * (right - left - 20)
  const py = (value) => bottom - up.place(value) * (bottom - top)
  const xTicks = x.ticks ?? across.ticks.map((tick) => ({ x: tick, label: figure(tick) }))
  const parts = [
    ...up.ticks.flatMap((tick) => [
      line(left, py(tick), right, py(tick), '#ddd'),
      text(left - 6, py(tick) + 4, figure(tick), 'text-anchor="end"'),
    ]),
    ...xTicks.flatMap((tick) => [
      line(px(tick.x), top, px(tick.x), bottom, '#eee'),
      text(px(tick.x), bottom + 16, tick.label, 'text-anchor="middle"'),
    ]),
    line(left, bottom, right, bottom, '#888'),
    line(left, top, left, bottom, '#888'),
    text((left + right) / 2, bottom + 34, x.label, 'text-anchor="middle"'),
    text(
      16,
      (top + bottom) / 2,
      y.label,
      `text-anchor="middle" transform="rotate(-90 16 ${(top + bottom) / 2})"`,
    ),
  ]
  for (const [i, { points }] of lines.entries()) {
    const colour = COLOURS[i % COLOURS.length]
    const path = points.map((point) => `${at(px(point.x))},${at(py(point.y))}`).join(' ')
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    for (const point of points) {
      if (point.spread !== undefined)
        parts.push(line(px(point.x), py(point.spread[0]), px(point.x), py(point.spread[1]), colour))
      parts.push(`<circle cx="${at(px(point.x))}" cy="${at(py(point.y))}" r="3.5" fill="${colour}"/>`)
    }
  }
  // Two columns below.
  for (const [i, { label }] of lines.entries()) {
    const lx = left + (i % 2) * 330
    const ly = bottom + 56 + Math.floor(i / 2) * 18
    parts.push(
      line(lx, ly - 4, lx + 22, ly - 4, COLOURS[i % COLOURS.length], 'stroke-width="3"'),
      text(lx + 28, ly, label),
    )
  }
  return document(bottom + 62 + Math.ceil(lines.length / 2) * 18, title, parts)
}
