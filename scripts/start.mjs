/** `npm start`: the demonstration; with arguments, `dtrace-watch` with those. In this process, so that Ctrl-C goes straight to it. */
import { inRoot, toolEnvironment } from './lib/paths.mjs'

process.env.PATH = toolEnvironment().PATH
const program = process.argv.length > 2 ? inRoot('dist', 'cli', 'main.js') : inRoot('scripts', 'demo.mjs')
// As if it had been started itself.
process.argv[1] = program
await import(program)
