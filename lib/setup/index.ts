/** Set-up: a private libdtrace for machines without one, and the one mount that tracing may need. */
export { type HelperOptions, type HelperResult, setupHelper } from './helper.js'
export { librarySetupNeeded, type SetupOptions, type SetupResult, setupLibrary } from './library.js'
export { ensureTracefs, type TracefsState, tracefsReachable } from './tracefs.js'
