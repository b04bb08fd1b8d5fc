/** Steps that say what they do before they do it, how long it took, and what to do when they fail. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { inRoot, toolEnvironment } from './paths.mjs'

const colour = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)

/** A failure that the reader can act on; anything else is a bug of ours and shown with its stack. */
export class StepError extends Error {
  constructor(message, advice) {
    super(message)
    this.advice = advice
  }
}

/**
 * Runs those steps that aren't done, in order.
 *
 * A step: `{ title, needed: () => string | undefined, run: (note) => Promise }`. `needed` gives the reason to run it, and
 * must be quick; `note` shows a line of progress.
 */
export async function runSteps(steps) {
  const started = Date.now()
  let ran = 0
  for (const step of steps) {
    const reason = await step.needed()
    if (reason === undefined) continue
    ran++
    const begin = Date.now()
    console.log(`${paint('1;36', '==>')} ${paint('1', step.title)} ${paint('2', `(${reason})`)}`)
    try {
      await withHeartbeat(begin, () => step.run((line) => console.log(`    ${line}`)))
    } catch (error) {
      const known = error instanceof StepError || error?.code === 'ERR_DTRACE_SETUP'
      console.error(`${paint('1;31', 'set-up failed')} at this step: ${step.title}`)
      console.error(known ? error.message : error)
      if (error?.advice) console.error(`What to do: ${error.advice}`)
      else if (step.advice) console.error(`What to do: ${step.advice}`)
      return false
    }
    console.log(`    ${paint('32', 'done')} in ${seconds(begin)} s`)
  }
  console.log(
    ran === 0
      ? `set-up: everything is in place (${seconds(started)} s)`
      : `set-up: complete in ${seconds(started)} s`,
  )
  return true
}

function seconds(since) {
  return ((Date.now() - since) / 1000).toFixed(1)
}

/** A sign of life every 15 s, so that a slow network doesn't look like a hang. */
async function withHeartbeat(begin, action) {
  const timer = setInterval(
    () => console.log(paint('2', `    … ${Math.round((Date.now() - begin) / 1000)} s`)),
    15_000,
  )
  try {
    return await action()
  } finally {
    clearInterval(timer)
  }
}

/** How much of a failed program's output is shown; all of it is in the log. */
const lastLines = (lines) => lines.slice(-25)

/** Runs a program with its output in a log; on failure its end is shown, or the lines that `shown` picks. */
export function runLogged(
  command,
  args,
  { log, advice, shown = lastLines, timeout = 900_000, env = toolEnvironment() } = {},
) {
  const logFile = inRoot('.tools', 'log', `${log}.log`)
  mkdirSync(dirname(logFile), { recursive: true })
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(command, args, {
      cwd: inRoot(),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    }
    child.on('error', (error) =>
      reject(new StepError(`${command} could not be started: ${error.message}`, advice)),
    )
    child.on('close', (code, signal) => {
      writeFileSync(logFile, output)
      if (code === 0) return resolve(output)
      const how =
        signal === 'SIGKILL'
          ? `was ended (after ${timeout / 1000} s, or for lack of memory)`
          : `failed (${signal ?? `exit code ${code}`})`
      const excerpt = shown(output.trimEnd().split('\n'))
      reject(
        new StepError(
          [`${command} ${args.join(' ')} ${how}; all of its output is in ${logFile}`, ...excerpt].join(
            '\n  ',
          ),
          advice,
        ),
      )
    })
  })
}
