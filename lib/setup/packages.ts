/** The parts of set-up that a checkout's own scripts use for fetching tools: not part of the package's interface. */
export { PrivateApt, packageOf, unpack } from './apt.js'
export { isElf, readElf } from './elf.js'
export { debianHost, hostSources } from './host.js'
