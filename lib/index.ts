/** DTrace embedded in Node.js. */

export type { Abortable } from './abort.js'
export type {
  Aggregation,
  DistributionAggregation,
  IntegerAggregation,
} from './aggregation/aggregation.js'
export { aggregationDeltas } from './aggregation/deltas.js'
export { formatAggregations, formatQuantize } from './aggregation/format.js'
export type { JoinedAggregation } from './aggregation/reader.js'
export type {
  AggregationOptions,
  AggregationSort,
  JoinedAggregationOptions,
} from './aggregation/request.js'
export type { SnapshotsOptions } from './aggregation/snapshots.js'
export type { AggregatingAction, Bucket, Integer } from './aggregation/values.js'
export type { Program, ProgramInfo, ProgramSource } from './compilation.js'
export { Consumer, type ConsumerState } from './consumer.js'
export type { ConsumerEvents, ConsumerStats, Drop, Fault, OptionChange, Restart } from './consumer-events.js'
export type { CompileOptions, OpenOptions, RecordOptions } from './consumer-options.js'
export type { Specifier } from './d-text.js'
export type { EventMessages, Operation, OperationMessage } from './diagnostics.js'
export { DTraceError, type DTraceErrorCode, type DTraceErrorDetail } from './errors.js'
export type { HostChoice } from './host/choice.js'
export type { Enabled, Stability } from './host/commands.js'
export type { Helper } from './host/peer.js'
export type { OptionInput, OptionName, OptionOutput } from './option-table.js'
export type { Options, OptionValue } from './options.js'
export type { Limitation } from './platform/dlibs.js'
export { type LibraryLocation, locateLibrary } from './platform/locate.js'
export type { PreprocessorOptions } from './preprocessor.js'
export {
  type ProbeDescription,
  type ProbeFilter,
  type ProbeFilterLike,
  ProbeListing,
  type ProbeOptions,
} from './probes.js'
export type { CreateOptions, GrabOptions, OutputTarget, ProcessEnd, TracedProcess } from './processes.js'
export {
  bytes,
  type Clause,
  type Emit,
  type EmitFields,
  int8,
  int16,
  int32,
  int64,
  program,
  string,
  type TypedProgram,
  uint8,
  uint16,
  uint32,
  uint64,
} from './program.js'
export type { RecordBatch } from './record/batch.js'
export type { DTraceRecord, FlowKind, Int64, Probe } from './record/decoder.js'
export { CodeSymbol as Symbol, Frame, Printed, Stack, type Value } from './record/values.js'
export type { StreamOptions } from './stream.js'
export { type Trace, type TraceEvents, type TraceOptions, trace } from './trace.js'
