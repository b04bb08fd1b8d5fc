/**
 * Which values fall into which bucket of a distribution, and what dtrace(1) calls it. Facts: D guide, chapter "Aggregations";
 * the layouts are libdtrace 2's (`DTRACE_QUANTIZE_…`, `DTRACE_LQUANTIZE_…`, `DTRACE_LLQUANTIZE_…` of
 * `<dtrace/actions_defines.h>`).
 */

/** The buckets of one distribution, by their place in libdtrace's data. */
export interface BucketScale {
  /** How many there are. */
  readonly length: number
  /** The smallest and the largest value of a bucket; undefined at an open end. */
  bounds(index: number): { min: bigint | undefined; max: bigint | undefined }
  /**
   * The first and the last bucket that dtrace(1) draws, given those that hold something: one more on either side. Undefined
   * where none holds anything.
   */
  drawn(first: number | undefined, last: number | undefined): { first: number; last: number }
  /** What dtrace(1) writes before each drawn bucket; undefined for those that it leaves out. */
  labels(first: number, last: number): (string | undefined)[]
}

export type Distributing = 'quantize' | 'lquantize' | 'llquantize'

/** @param signature the arguments of the action, as libdtrace packs them */
export function bucketScale(action: Distributing, signature: bigint): BucketScale {
  if (action === 'quantize') return QUANTIZE
  return action === 'lquantize' ? linearScale(signature) : logLinearScale(signature)
}

/** `length` bits of a signature from `start` on. */
function bits(signature: bigint, start: number, length: number): number {
  return Number(BigInt.asUintN(length, signature >> BigInt(start)))
}

function range<Item>(first: number, last: number, item: (index: number) => Item): Item[] {
  return Array.from({ length: last - first + 1 }, (_, i) => item(first + i))
}

/** Powers of two: 63 buckets below 0, one for 0, 63 above. */
const ZERO = 63

const QUANTIZE: BucketScale = {
  length: 2 * ZERO + 1,
  bounds(index) {
    if (index === ZERO) return { min: 0n, max: 0n }
    if (index > ZERO) {
      const min = 1n << BigInt(index - ZERO - 1)
      return { min, max: 2n * min - 1n }
    }
    const max = -(1n << BigInt(ZERO - 1 - index))
    return { min: index === 0 ? undefined : 2n * max + 1n, max }
  },
  drawn(first, last) {
    if (first === undefined || last === undefined) return { first: ZERO - 1, last: ZERO + 1 }
    return { first: Math.max(first - 1, 0), last: Math.min(last + 1, 2 * ZERO) }
  },
  labels(first, last) {
    return range(first, last, (index) => {
      const { min, max } = this.bounds(index)
      return String(index < ZERO ? max : min)
    })
  },
}

/** `lquantize(value, base, limit, step)`: what is below, the steps, what is above. */
function linearScale(signature: bigint): BucketScale {
  const base = bits(signature, 0, 32) | 0
  const levels = bits(signature, 32, 16)
  const step = bits(signature, 48, 16)
  const start = (index: number): bigint => BigInt(base + (index - 1) * step)
  const top = levels + 1
  return {
    length: levels + 2,
    bounds: (index) => ({
      min: index === 0 ? undefined : start(index),
      max: index === top ? undefined : start(index + 1) - 1n,
    }),
    drawn(first, last) {
      if (first === undefined || last === undefined) return { first: 0, last: Math.min(2, top) }
      return { first: Math.max(first - 1, 0), last: Math.min(last + 1, top) }
    },
    labels: (first, last) =>
      range(first, last, (index) =>
        index === 0 ? `< ${base}` : index === top ? `>= ${start(top)}` : String(start(index)),
      ),
  }
}

/**
 * `llquantize(value, factor, low, high, steps)`: each power of the factor in linear steps, on both sides of zero. In the middle is
 * what is smaller than `factor` to the power of `low`, without its sign; at the ends what is too large.
 */
function logLinearScale(signature: bigint): BucketScale {
  const factor = bits(signature, 0, 16)
  const low = bits(signature, 16, 16)
  const high = bits(signature, 32, 16)
  const steps = bits(signature, 48, 16)
  const skipped = Math.trunc(steps / factor)
  const middle = 1 + (high - low + 1) * (steps - skipped)
  const length = 2 * middle + 1
  const starts = logLinearStarts({ factor, low, high, steps, skipped })
  const unit = BigInt(factor) ** BigInt(low)
  const limit = BigInt(factor) ** BigInt(high + 1)
  /** Buckets in which nothing can be, since the steps are finer than integers, have no start: the next one that has. */
  const startAfter = (distance: number): bigint => {
    for (let i = distance + 1; i < middle; i++) {
      const start = starts.get(i)
      if (start !== undefined) return start
    }
    return limit
  }
  // The same with the sign changed on either side of the middle.
  const distanceBounds = (distance: number): { min: bigint; max: bigint | undefined } => {
    if (distance === middle) return { min: limit, max: undefined }
    return { min: starts.get(distance) ?? startAfter(distance), max: startAfter(distance) - 1n }
  }
  return {
    length,
    bounds(index) {
      if (index === middle) return { min: 1n - unit, max: unit - 1n }
      const { min, max } = distanceBounds(Math.abs(index - middle))
      if (index > middle) return { min, max }
      return { min: max === undefined ? undefined : -max, max: -min }
    },
    drawn(first, last) {
      const from = first ?? middle + 1
      const to = last ?? middle + 1
      return { first: Math.max(from - 1, 0), last: Math.min(to + 1, length - 1) }
    },
    labels(first, last) {
      const label = (index: number): string | undefined => {
        if (index === middle) return unit === 1n ? '0' : first >= middle ? `< ${unit}` : `abs() < ${unit}`
        if (index === 0) return `<= -${limit}`
        if (index === length - 1) return `>= ${limit}`
        const start = starts.get(Math.abs(index - middle))
        return start === undefined ? undefined : `${index < middle ? '-' : ''}${start}`
      }
      const found = range(first, last, label)
      // Where an end falls onto a bucket without a start, dtrace(1) shows the nearest one that has, farther out.
      const reach = low === 0 && steps > factor ? skipped : 0
      const outward = (index: number, by: number): string | undefined => {
        for (let i = 1; i < reach; i++) {
          const beyond = index + i * by
          const text = beyond < 0 || beyond >= length ? undefined : label(beyond)
          if (text !== undefined) return text
        }
        return undefined
      }
      found[0] ??= outward(first, -1)
      found[found.length - 1] ??= outward(last, 1)
      return found
    },
  }
}

/** The least value of each bucket, by its distance from the middle. */
function logLinearStarts(arguments_: {
  factor: number
  low: number
  high: number
  steps: number
  skipped: number
}): Map<number, bigint> {
  const { factor, low, high, steps, skipped } = arguments_
  const power = (exponent: number): bigint => BigInt(factor) ** BigInt(exponent)
  const starts = new Map<number, bigint>([[1, power(low)]])
  let distance = 1
  let magnitude = low
  if (low === 0 && steps > factor) {
    for (let step = 2; step <= factor; step++) {
      distance += skipped
      starts.set(distance, BigInt(step))
    }
    magnitude++
  }
  let scale = power(magnitude + 1) / BigInt(steps)
  for (; magnitude <= high; magnitude++) {
    for (let step = skipped + 1; step <= steps; step++) starts.set(++distance, BigInt(step) * scale)
    scale *= BigInt(factor)
  }
  return starts
}
