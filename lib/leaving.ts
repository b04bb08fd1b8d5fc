/**
 * The process is about to end: sessions in it take their probes away and leave the rest to the kernel, which frees libdtrace's tables
 * at once.
 */
let leaving = false

/** From now on. */
export function leave(): void {
  leaving = true
}

export function isLeaving(): boolean {
  return leaving
}
