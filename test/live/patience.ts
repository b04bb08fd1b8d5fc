/**
 * How much slower than usual this machine is: 1, unless `DTRACE_TEST_SLOWNESS` says otherwise, as it does in an emulated one
 * (docs/laboratory.md). Every time-out of a live test grows by it.
 */
export const slowness = Math.max(1, Number(process.env.DTRACE_TEST_SLOWNESS ?? 1) || 1)

/** A time-out in milliseconds, on this machine. */
export const patience = (milliseconds: number): number => milliseconds * slowness
