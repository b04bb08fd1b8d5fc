import { printable } from '../printable.js'
import type { RescanChange, RescanWatcher } from '../watch/index.js'
import { clock } from './format.js'
import { type Colors, counted, type Output } from './output.js'

/** Prints what a watcher tells, as it comes. */
export function report(watcher: RescanWatcher, output: Output): void {
  watcher.on('change', (change) => {
    output.emit('change', { ...change }, (colors) => changeLine(change, colors))
  })
  watcher.on('signal', (signal) => {
    const line = `${signal.signal} to process ${signal.pid}`
    output.emit('signal', { ...signal }, (colors) => actionLine(line, signal.changes, colors))
  })
  watcher.on('exec', (exec) => {
    const line = `${exec.command[0]} ran for ${(exec.duration / 1000).toFixed(1)} s`
    output.emit('exec', { ...exec }, (colors) => actionLine(line, exec.changes, colors))
  })
  watcher.on('failure', ({ error, changes, retryIn }) => {
    const again = retryIn === undefined ? '' : `; next attempt in ${(retryIn / 1000).toFixed(1)} s`
    output.warn('error', `${error.message}${again}`, { code: error.code, changes })
  })
  watcher.on('missing', ({ path }) => {
    const message = `the watched directory ${printable(path)} has gone; it is watched again when it is back`
    output.warn('missing', message, { path })
  })
  watcher.on('returned', ({ path }) => {
    output.emit('returned', { path }, ({ green }) => `${clock()}  ${green('back')}      ${printable(path)}`)
  })
  watcher.on('blind', (blind) => output.warn('blind', blind.message, { ...blind }))
}

function changeLine({ op, path, from, to, execname, pid, timestamp }: RescanChange, colors: Colors): string {
  const { cyan, dim, yellow } = colors
  const what =
    from !== undefined && to !== undefined ? `${printable(from)} → ${printable(to)}` : printable(path)
  const who = `${yellow(printable(execname))} ${dim(String(pid))}`
  return `${clock(timestamp)}  ${cyan(op.padEnd(8))}  ${what}  ${dim('by')} ${who}`
}

function actionLine(what: string, changes: number, { magenta }: Colors): string {
  return `${clock()}  ${magenta(what)}, for ${counted(changes, 'change')}`
}
