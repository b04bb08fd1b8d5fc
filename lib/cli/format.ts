import type { DTraceRecord, FlowKind } from '../record/decoder.js'

/** How dtrace(1) prints a record: without columns (`-q`), indented by flow (`-F`), or with the columns of CPU, ID and probe. */
export type Layout = 'quiet' | 'flow' | 'columns'

/** Above the first record. */
export const HEADERS: Readonly<Record<Layout, string>> = {
  quiet: '',
  flow: `CPU ${'FUNCTION'.padEnd(41)}\n`,
  columns: 'CPU     ID                    FUNCTION:NAME\n',
}

/** What dtrace(1) prints for a record: its text, with the columns before it and on a line of its own unless it is quiet. */
export function formatRecord(record: DTraceRecord, layout: Layout): string {
  const { cpu, text = '' } = record
  if (layout === 'quiet') return text
  return `${String(cpu).padStart(3)} ${layout === 'flow' ? indented(record) : columns(record)} ${text}\n`
}

function columns({ probe }: DTraceRecord): string {
  return `${String(probe.id).padStart(6)} ${`${probe.function}:${probe.name}`.padStart(32)}`
}

/** System calls have arrows of their own. */
const ARROWS: Readonly<Record<FlowKind, [string, string]>> = {
  entry: [' -> ', ' => '],
  return: [' <- ', ' <= '],
}

function indented({ probe, flow, depth = 0 }: DTraceRecord): string {
  const name =
    flow === undefined
      ? `| ${probe.function}:${probe.name}`
      : ARROWS[flow][probe.provider === 'syscall' ? 1 : 0] + probe.function
  return ('  '.repeat(depth) + name).padEnd(41)
}

/** Local time of day, to the millisecond. */
export function clock(milliseconds: number = Date.now()): string {
  const date = new Date(milliseconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
