/**
 * Set-up of a test file, and of Node.js that it starts, under a sanitizer, whose runtime is loaded before Node.js (scripts/sanitize.mjs). Other programs that tests
 * start do without it: ThreadSanitizer's ends sh and dtrace(1) at once. Node.js gets it from the command that is given here.
 */
const node = process.env.DTRACE_TEST_NODE
if (node !== undefined) {
  delete process.env.LD_PRELOAD
  process.execPath = node
}
