/** Runs a program as a part of this one: same terminal, and its exit code comes back. */
import { spawn } from 'node:child_process'
import { inRoot, toolEnvironment } from './paths.mjs'

export function run(command, args, env = toolEnvironment()) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: inRoot(), env, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`)
      resolve(127)
    })
    child.on('close', (code, signal) => resolve(signal === null ? code : 128))
  })
}

/** Runs a program that is written in JavaScript. */
export const runNode = (script, args, env) => run(process.execPath, [script, ...args], env)

/** The JavaScript behind a development dependency's command. */
export const commands = {
  vitest: inRoot('node_modules', 'vitest', 'vitest.mjs'),
  biome: inRoot('node_modules', '@biomejs', 'biome', 'bin', 'biome'),
  tsc: inRoot('node_modules', 'typescript', 'bin', 'tsc'),
}
