/** Watchers: what to do when something happens on this machine. */
export type { Duration, PredicateOptions, Target } from '../act/index.js'
export type { Runtime } from '../platform/containers.js'
export type { Blind } from './blind.js'
export type { Outcome } from './choice.js'
export type { MountEvent } from './mounts/event.js'
export { optionWords as mountOptionWords } from './mounts/flags.js'
export type { MountOp, MountStep } from './mounts/meaning.js'
export type { MountsOptions } from './mounts/options.js'
export { type MountsEvents, MountsWatcher, watchMounts } from './mounts/watcher.js'
export type { OpenEvent, OpenOp } from './opens/event.js'
export type { OpensOptions } from './opens/options.js'
export { type OpensEvents, type OpensWatcher, watchOpens } from './opens/watcher.js'
export {
  changeToJSON,
  type DirectoryEvent,
  type RescanChange,
  type RescanOp,
} from './rescan/change.js'
export type { RescanEvents, RescanExec, RescanFailure, RescanSignal } from './rescan/events.js'
export type { RescanOptions } from './rescan/options.js'
export { choosePlan, type PlanChoice, RESCAN_PLANS, type RescanPlan } from './rescan/plan.js'
export { RescanWatcher } from './rescan/watcher.js'
export type { FileType, UnlinkEvent, UnlinkOp } from './unlinks/event.js'
export type { UnlinksOptions } from './unlinks/options.js'
export type { MissEvent, MissReason, SnapshotEvent, SnapshotHow, SnapshotStats } from './unlinks/snapshot.js'
export type { SnapshotOptions } from './unlinks/snapshot-options.js'
export { type UnlinksEvents, UnlinksWatcher, watchUnlinks } from './unlinks/watcher.js'
export { Watcher, type WatcherEvents, type WatcherOptions } from './watcher.js'
export type { ZoneEvent, ZoneEventKind, ZoneMonitorEvents } from './zones/event.js'
export { ZoneMonitor } from './zones/monitor.js'
export { ZoneNames, type ZoneOfProcess } from './zones/names.js'
export type { ZoneMonitorOptions } from './zones/options.js'
