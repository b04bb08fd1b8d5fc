/**
 * The process is about to end: sessions in it take their probes away and leave the rest to the kernel. Freeing libdtrace's tables, one
 * by one, takes it 2 to 4 s.
 */
let leaving = false

/** From now on. */
export function leave(): void {
  leaving = true
}

export function isLeaving(): boolean {
  return leaving
}
