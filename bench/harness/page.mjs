/** docs/benchmarks.md, made of the results. */

const escapeCell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (cells) => `| ${cells.map(escapeCell).join(' | ')} |`

/** @param {import('./results.mjs').Result[]} results in the order of the page @returns {string} */
export function formatPage(results) {
  const goals = results.flatMap(({ name, title, verdicts }) =>
    verdicts.map(({ goal, value, met }) =>
      row([`[${title}](#${name})`, goal, value, met ? 'met' : '**missed**']),
    ),
  )
  return [
    '# Benchmarks',
    '',
    'Made by `npm run bench -- --docs` out of [results.json](benchmarks/results.json), which has every run. Ratios travel to other',
    'machines, absolute figures don’t. What the figures mean, and what was tried: [performance](performance.md).',
    '',
    '## Goals',
    '',
    row(['benchmark', 'goal', 'measured', '']),
    row(['---', '---', '---', '---']),
    ...goals,
    '',
    ...results.flatMap(formatSection),
  ].join('\n')
}

/** @param {import('./results.mjs').Result} result */
function formatSection({ name, title, setting, columns, rows, verdicts, notes, chart, measured }) {
  return [
    `<a id="${name}"></a>`,
    '',
    `## ${title}`,
    '',
    // Line by line, as on the terminal.
    ...setting.split('\n').map((line, i, lines) => (i < lines.length - 1 ? `${line}  ` : line)),
    '',
    row(columns),
    row(columns.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(row),
    '',
    ...verdicts.map(({ goal, value, met }) => `- ${met ? 'met' : '**missed**'}: ${goal}: ${value}`),
    ...(verdicts.length > 0 ? [''] : []),
    ...(chart === undefined ? [] : [`![${chart.title}](benchmarks/${name}.svg)`, '']),
    ...(notes === undefined ? [] : [notes, '']),
    `*${formatCircumstances(measured)}*`,
    '',
  ]
}

function formatCircumstances({ machine, commit, modified, date, quick }) {
  const { processor, processors, kernel, architecture, node, libdtrace } = machine
  return [
    `${date.slice(0, 10)}, commit ${commit ?? 'unknown'}${modified ? ' with changes' : ''}`,
    `${processor}, ${processors} processors, ${architecture}, Linux ${kernel}, Node.js ${node}, libdtrace ${libdtrace}`,
    ...(quick ? ['a quick run, for a first look'] : []),
  ].join('; ')
}
