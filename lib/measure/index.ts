/** The benchmark harness: what a command or a function does, as probes see it. */
export type { Aggregation } from '../aggregation/aggregation.js'
export type { Bucket } from '../aggregation/values.js'
export type { Command } from './command.js'
export type { Measured } from './function.js'
export {
  type Comparison,
  compare,
  type Difference,
  type Measurement,
  measure,
  type Overhead,
} from './measure.js'
export type { CommandStream, MeasureOptions, SectionOptions } from './options.js'
export { type DeviceUse, SECTIONS, type Section, type Sections, type SyscallUse } from './sections.js'
export type { Missing, Run } from './session.js'
export { type Summary, summarize } from './statistics.js'
