/** What must be done before the process ends, by process.exit() or an uncaught exception as well: one listener for all. */

const tasks = new Set<() => void>()

function runAll(): void {
  for (const task of tasks) task()
}

/** @returns takes it back */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) process.on('exit', runAll)
  tasks.add(task)
  return () => {
    tasks.delete(task)
    if (tasks.size === 0) process.off('exit', runAll)
  }
}
