/** The rescan watcher's program as the watcher itself runs it, for the bare consumer. */
import { DEFAULT_OPTIONS } from '../../dist/options.js'
import { choosePlan, planScript } from '../../dist/watch/rescan/plan.js'
import { WatchedRoots } from '../../dist/watch/rescan/roots.js'
import { scriptFile } from '../../dist/watch/watcher.js'

/** @param {string} directory @returns {Promise<{ file: string, options: Record<string, string>, args: string[] }>} */
export async function rescanProgram(directory) {
  const roots = new WatchedRoots([directory])
  await roots.scan()
  const { plan } = await choosePlan()
  return {
    file: scriptFile(planScript(plan)),
    options: DEFAULT_OPTIONS,
    args: [...roots.roots].flatMap(({ dev, ino }) => [String(dev), String(ino)]),
  }
}
