import { expect, test } from 'vitest'
import { versionFor } from '../../lib/platform/dlibs.js'

const folders = ['5.11', '6.1', 'include', '5.2', '6.10', '5.14', 'drti', 'bpf_dlib.o']

test.each([
  ['6.18.44', '6.10'],
  ['6.10.0-rc1', '6.10'],
  ['6.9.12', '6.1'],
  ['5.15.0-1-amd64', '5.14'],
  ['7.2', '6.10'],
  ['5.1.9', undefined],
  ['unknown', undefined],
])('a kernel %s takes the folder %s', (kernel, folder) => {
  expect(versionFor(kernel, folders)).toBe(folder)
})

test('a third number counts', () => {
  expect(versionFor('6.10.2', ['6.10', '6.10.3', '6.10.1'])).toBe('6.10.1')
})
