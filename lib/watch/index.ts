/** Watchers: what to do when something happens on this machine. */
export type { Duration, PredicateOptions, Target } from '../act/index.js'
export type { Runtime } from '../platform/containers.js'
export type { MountEvent } from './mount-event.js'
export { optionWords as mountOptionWords } from './mount-flags.js'
export type { MountOp, MountStep } from './mount-meaning.js'
export { type MountsEvents, MountsWatcher, watchMounts } from './mount-monitor.js'
export type { MountsOptions } from './mount-options.js'
export type { OpenEvent, OpenOp } from './open-event.js'
export { type OpensBlind, type OpensEvents, type OpensWatcher, watchOpens } from './opens.js'
export type { OpensOptions } from './opens-options.js'
export { RescanWatcher } from './rescan.js'
export {
  changeToJSON,
  type DirectoryEvent,
  type RescanChange,
  type RescanOp,
} from './rescan-change.js'
export type { RescanBlind, RescanEvents, RescanExec, RescanFailure, RescanSignal } from './rescan-events.js'
export type { RescanOptions } from './rescan-options.js'
export { choosePlan, type PlanChoice, RESCAN_PLANS, type RescanPlan } from './rescan-plan.js'
export type { MissEvent, MissReason, SnapshotEvent, SnapshotHow, SnapshotStats } from './snapshot.js'
export type { SnapshotOptions } from './snapshot-options.js'
export { type UnlinksBlind, type UnlinksEvents, UnlinkWatcher, watchUnlinks } from './unlinks.js'
export type { FileType, UnlinkEvent, UnlinkOp } from './unlinks-event.js'
export type { UnlinksOptions } from './unlinks-options.js'
export { Watcher, type WatcherEvents, type WatcherOptions } from './watcher.js'
export type { ZoneEvent, ZoneEventKind, ZoneMonitorEvents } from './zone-event.js'
export { ZoneNames, type ZoneOfProcess } from './zone-names.js'
export type { ZoneMonitorOptions } from './zone-options.js'
export { ZoneMonitor } from './zones.js'
