import { describe, expect, it } from 'vitest'
import { compilePredicate, type PredicateOptions } from '../../lib/act/predicate.js'

const passes = (options: PredicateOptions, path: string, directory = false): boolean =>
  compilePredicate(options)({ path, directory, execname: 'cp', uid: 1000 })

describe('a predicate on paths', () => {
  it('lets everything through without globs', () => {
    expect(passes({}, 'a/b.txt')).toBe(true)
    expect(passes({}, '')).toBe(true)
  })

  it('takes a glob without a slash as one on the name, in whichever folder', () => {
    expect(passes({ include: '*.mp3' }, 'a/b/c.mp3')).toBe(true)
    expect(passes({ include: '*.mp3' }, 'c.mp3')).toBe(true)
    expect(passes({ include: '*.mp3' }, 'a/b/c.txt')).toBe(false)
  })

  it('takes a glob with a slash as one from the watched directory', () => {
    expect(passes({ include: '/*.mp3' }, 'c.mp3')).toBe(true)
    expect(passes({ include: '/*.mp3' }, 'a/c.mp3')).toBe(false)
    expect(passes({ include: 'a/*.mp3' }, 'a/c.mp3')).toBe(true)
    expect(passes({ include: './a/*.mp3' }, 'a/c.mp3')).toBe(true)
    expect(passes({ include: '**/*.{mp3,flac,mkv}' }, 'x/y/z.flac')).toBe(true)
    expect(passes({ include: '**/*.{mp3,flac,mkv}' }, 'z.flac')).toBe(true)
  })

  it('matches names that begin with a dot, and odd names, like any others', () => {
    expect(passes({ include: '**/*.mp3' }, '.new/.x.mp3')).toBe(true)
    expect(passes({ include: '**/*.mp3' }, 'a\nb/new\nline.mp3')).toBe(true)
    expect(passes({ include: '*.mp3' }, 'with space/back\\slash.mp3')).toBe(true)
    expect(passes({ exclude: '**/.~tmp~/**' }, 'a/.~tmp~/x.mp3')).toBe(false)
    expect(passes({ exclude: '.*' }, 'a/.x.mp3.Zk3d')).toBe(false)
  })

  it('excludes all that is in an excluded folder', () => {
    for (const exclude of ['incoming', 'incoming/', '/incoming', 'incoming/**', '!incoming']) {
      const options = exclude.startsWith('!') ? { include: ['**', exclude] } : { exclude }
      expect(passes(options, 'incoming/a/b.mp3'), exclude).toBe(false)
      expect(passes(options, 'incoming', true), exclude).toBe(false)
      expect(passes(options, 'outgoing/a.mp3'), exclude).toBe(true)
    }
  })

  it('asks only exclude about directories', () => {
    expect(passes({ include: '*.mp3' }, 'album', true)).toBe(true)
    expect(passes({ include: '*.mp3', exclude: 'album' }, 'album', true)).toBe(false)
  })

  it('refuses what can never be meant', () => {
    const refused = expect.objectContaining({ code: 'ERR_DTRACE_ARGUMENT' })
    for (const options of [
      { include: '' },
      { exclude: '!a' },
      { include: '/' },
      { include: 'x'.repeat(70000) },
    ]) {
      expect(() => compilePredicate(options), JSON.stringify(options).slice(0, 40)).toThrow(refused)
    }
  })
})

describe('a predicate on who made the change', () => {
  const by = (options: PredicateOptions, execname: string, uid = 0): boolean =>
    compilePredicate(options)({ path: 'f', execname, uid })

  it('compares programs by the 15 bytes that the kernel keeps', () => {
    expect(by({ processes: ['rsync', 'cp'] }, 'cp')).toBe(true)
    expect(by({ processes: ['rsync', 'cp'] }, 'mv')).toBe(false)
    expect(by({ processes: '!mpd' }, 'mpd')).toBe(false)
    expect(by({ processes: '!mpd' }, 'cp')).toBe(true)
    expect(by({ processes: 'a-very-long-program-name' }, 'a-very-long-pro')).toBe(true)
    expect(by({ processes: 'python3*' }, 'python3.11')).toBe(true)
  })

  it('compares users by number and by name', () => {
    expect(by({ users: 'root' }, 'cp', 0)).toBe(true)
    expect(by({ users: ['!root'] }, 'cp', 0)).toBe(false)
    expect(by({ users: [1000, 'root'] }, 'cp', 1000)).toBe(true)
    expect(by({ users: [1000] }, 'cp', 1001)).toBe(false)
    expect(() => by({ users: 'no such user' }, 'cp')).toThrow(/no user "no such user"/)
  })
})
