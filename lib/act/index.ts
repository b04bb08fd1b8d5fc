export { type Clock, type Coalesced, Coalescer, type CoalescerOptions, type Pace } from './coalescer.js'
export type { CommandResult } from './command.js'
export {
  type Action,
  type Author,
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
} from './dispatcher.js'
export { type Duration, parseDuration } from './duration.js'
export { compilePredicate, type Predicate, type PredicateOptions, type Subject } from './predicate.js'
export type { ProcessInfo } from './processes.js'
export { parseSignal, type Signal } from './signal.js'
export { type CommandTarget, describeTarget, type ProcessTarget, type Target } from './target.js'
