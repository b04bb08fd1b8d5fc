/** Watchers: what to do when something happens on this machine. */
export type { Duration, PredicateOptions, Target } from '../act/index.js'
export { RescanWatcher } from './rescan.js'
export {
  changeToJSON,
  type DirectoryEvent,
  type RescanChange,
  type RescanOp,
} from './rescan-change.js'
export type { RescanBlind, RescanEvents, RescanExec, RescanFailure, RescanSignal } from './rescan-events.js'
export type { RescanOptions } from './rescan-options.js'
export { Watcher, type WatcherEvents, type WatcherOptions } from './watcher.js'
