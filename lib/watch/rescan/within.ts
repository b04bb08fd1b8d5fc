/** Waits for something, but no longer than this. @returns whether it came to its end */
export async function within(milliseconds: number, something: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  try {
    return await Promise.race([something.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
