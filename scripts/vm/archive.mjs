/** Debian's archive, suite by suite, with apt's signature checks; nothing counts as installed, nothing on the host changes. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from '../lib/paths.mjs'
import { StepError } from '../lib/steps.mjs'
import { inVm } from './cache.mjs'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** An apt that knows this suite alone, with its lists up to date. */
export async function aptOfSuite(suite, note) {
  const { PrivateApt, debianHost, hostSources } = await import(inRoot('dist', 'setup', 'packages.js'))
  const host = debianHost()
  const mirror =
    process.env.DTRACE_CONSUMER_MIRROR ||
    (host.id === 'debian' ? hostSources(host.codename).mirror : undefined)
  if (mirror === undefined)
    throw new StepError(
      'It is not known where Debian’s archive is.',
      'Name a mirror of Debian in DTRACE_CONSUMER_MIRROR, then run this again.',
    )
  if (!existsSync(KEYRING))
    throw new StepError(
      `${KEYRING} is missing, so Debian’s signatures can't be checked.`,
      'Install the package debian-archive-keyring, then run this again.',
    )
  const stanza = [
    'Types: deb',
    `URIs: ${mirror}`,
    `Suites: ${suite}`,
    'Components: main',
    `Signed-By: ${KEYRING}`,
  ]
  const apt = new PrivateApt(inVm('apt', suite), { deb822: stanza.join('\n') }, { installed: 'nothing' })
  note(`fetching the package list of ${suite} from ${mirror}`)
  try {
    await apt.update()
  } catch (error) {
    throw new StepError(
      error.message,
      `Check the network and apt’s proxy settings; see that ${suite} is a suite of Debian, or name another mirror in DTRACE_CONSUMER_MIRROR.`,
    )
  }
  return apt
}

/** Unpacks packages into a folder. No script of theirs is run. */
export async function unpackAll(debs, folder) {
  const { unpack, packageOf } = await import(inRoot('dist', 'setup', 'packages.js'))
  // base-files has the links of /bin, /lib and /sbin into /usr, which must be there before anything goes through them.
  const ordered = [...debs].sort(
    (a, b) => Number(packageOf(b).name === 'base-files') - Number(packageOf(a).name === 'base-files'),
  )
  for (const deb of ordered) await unpack(deb, folder)
  return ordered.map((deb) => packageOf(deb))
}

export const debsFolder = (suite) => join(inVm('apt', suite), 'cache', 'archives')
