import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { containerName } from '../../lib/platform/container-names.js'
import { containerOf, plainContainer, runtimeOf } from '../../lib/platform/containers.js'
import { ociStateOf } from '../../lib/platform/oci-state.js'

const A = '4f1c'.repeat(16)
const B = '0b9e'.repeat(16)
const POD = 'pod0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9'

describe('a cgroup says whose container it is', () => {
  it.each([
    ['docker', A, `/docker/${A}`],
    ['docker', A, `/system.slice/docker-${A}.scope`],
    ['docker', A, `/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${A}.scope`],
    ['docker', A, `docker-${A}.scope`],
    ['docker', B, `/docker/${A}/docker/${B}`],
    ['docker', A, `/docker/${A}/system.slice/nginx.service`],
    ['podman', A, `/machine.slice/libpod-${A}.scope`],
    ['podman', A, `/machine.slice/libpod-${A}.scope/container`],
    ['podman', A, `/libpod_parent/libpod-${A}`],
    [
      'podman',
      A,
      `/user.slice/user-1000.slice/user@1000.service/app.slice/redis.service/libpod-payload-${A}`,
    ],
    ['podman', A, `/machine.slice/machine-libpod_${POD}.slice/libpod-${A}.scope`],
    [
      'kubernetes',
      A,
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-${POD}.slice/cri-containerd-${A}.scope`,
    ],
    ['kubernetes', A, `/kubepods.slice/kubepods-${POD}.slice/crio-${A}.scope`],
    [
      'kubernetes',
      A,
      `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-${POD}.slice/docker-${A}.scope`,
    ],
    ['kubernetes', A, `/kubepods/burstable/${POD}/${A}`],
    ['kubernetes', A, `/kubepods/besteffort/${POD}/crio-${A}`],
    ['kubernetes', A, `/kubepods/besteffort/${POD}/${A}/init.scope`],
    ['kubernetes', A, `cri-containerd-${A}.scope`],
    [
      'kubernetes',
      B,
      `/docker/${A}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-${POD}.slice/cri-containerd-${B}.scope`,
    ],
    ['kubernetes', B, `/docker/${A}/kubelet/kubepods/burstable/${POD}/${B}`],
    ['lxc', 'web', '/lxc.payload.web'],
    ['lxc', 'web', '/lxc.payload.web/system.slice/nginx.service'],
    ['lxc', 'user-1000_web', '/lxc.payload.user-1000_web/init.scope'],
    ['lxc', 'web', '/lxc.payload/web'],
    ['lxc', 'web', '/lxc/web'],
    ['systemd-nspawn', 'web', '/machine.slice/machine-web.scope'],
    ['systemd-nspawn', 'web-1', '/machine.slice/machine-web\\x2d1.scope/payload'],
    ['systemd-nspawn', 'web-1', '/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope'],
    ['runc', 'aap', '/system.slice/runc-aap.scope'],
    ['crun', 'noot-1', '/system.slice/crun-noot-1.scope'],
    ['crun', 'noot', '/system.slice/crun-noot.scope/container'],
  ])('%s %s: %s', (runtime, id, path) => {
    expect(containerOf(path)).toMatchObject({ runtime, id })
  })

  it.each([
    '/',
    '',
    '/user.slice/user-1000.slice/session-3.scope',
    '/system.slice/docker.service',
    '/system.slice/containerd.service',
    '/lxc.monitor.web',
    `/machine.slice/libpod-conmon-${A}.scope`,
    `/kubepods.slice/kubepods-${POD}.slice/crio-conmon-${A}.scope`,
    `/kubepods/burstable/${POD}`,
    '/machine.slice/machine-qemu\\x2d1\\x2dwindows.scope',
    '/init.scope',
    '/aap',
    `/docker/${A.slice(1)}`,
  ])('nobody’s: %s', (path) => {
    expect(containerOf(path)).toBeUndefined()
  })

  it('and where the container’s own part of the path ends', () => {
    const path = `/docker/${A}/init.scope`
    expect(path.slice(0, containerOf(path)?.end)).toBe(`/docker/${A}`)
  })

  it('runc and crun call a cgroup of their own making by the container’s id; systemd’s units are not such', () => {
    expect(plainContainer('/aap')).toBe('aap')
    expect(plainContainer('/default/redis')).toBe('redis')
    expect(plainContainer('/user.slice/session-3.scope')).toBeUndefined()
    expect(plainContainer('/')).toBeUndefined()
  })

  it.each([
    ['runc:[1:CHILD]', 'runc'],
    ['runc:[2:INIT]', 'runc'],
    ['runc', 'runc'],
    ['crun', 'crun'],
    ['lxc-start', 'lxc'],
    ['systemd-nspawn', 'systemd-nspawn'],
    ['unshare', undefined],
    ['bwrap', undefined],
    ['runcible', undefined],
  ])('the process %s belongs to %s', (execname, runtime) => {
    expect(runtimeOf(execname)).toBe(runtime)
  })
})

describe('what runtimes wrote down', () => {
  const root = mkdtempSync(join(tmpdir(), 'dtrace-consumer-containers-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const write = (path: string, value: unknown): void => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  }
  const of = (runtime: 'docker' | 'podman' | 'kubernetes' | 'lxc', id: string): string | undefined =>
    containerName({ runtime, id, end: 0 }, root)

  it('Docker keeps the name with a slash', () => {
    write(`var/lib/docker/containers/${A}/config.v2.json`, { ID: A, Name: '/web' })
    expect(of('docker', A)).toBe('web')
  })

  it('Podman keeps names in a list, those of --rm in another', () => {
    const folder = 'var/lib/containers/storage/overlay-containers'
    write(`${folder}/containers.json`, [{ id: A, names: ['web'] }])
    write(`${folder}/volatile-containers.json`, [{ id: B, names: ['once'] }])
    expect(of('podman', A)).toBe('web')
    expect(of('podman', B)).toBe('once')
  })

  it('containerd and CRI-O keep pod and container in annotations', () => {
    write(`run/containerd/io.containerd.runtime.v2.task/k8s.io/${A}/config.json`, {
      annotations: { 'io.kubernetes.cri.sandbox-name': 'web-0', 'io.kubernetes.cri.container-name': 'nginx' },
    })
    write(`run/containers/storage/overlay-containers/${B}/userdata/config.json`, {
      annotations: { 'io.kubernetes.pod.name': 'web-1', 'io.kubernetes.container.name': 'nginx' },
    })
    expect(of('kubernetes', A)).toBe('web-0/nginx')
    expect(of('kubernetes', B)).toBe('web-1/nginx')
  })

  it('there is no name where there is no file, or nothing useful in it', () => {
    const C = 'c'.repeat(64)
    expect(of('docker', C)).toBeUndefined()
    write(`var/lib/docker/containers/${C}/config.v2.json`, '{"Name":')
    expect(of('docker', C)).toBeUndefined()
    expect(of('podman', C)).toBeUndefined()
    expect(of('lxc', 'web')).toBe('web')
  })

  it('runc and crun know a container by its first process', () => {
    write('runc/aap/state.json', { id: 'aap', init_process_pid: 4711 })
    write('crun/noot/status', { pid: 4712 })
    write('crun/mies/status', '{"pid":')
    expect(ociStateOf(4711, undefined, root)).toEqual({ runtime: 'runc', id: 'aap' })
    expect(ociStateOf(4712, 'noot', root)).toEqual({ runtime: 'crun', id: 'noot' })
    expect(ociStateOf(4713, 'noot', root)).toBeUndefined()
    expect(ociStateOf(4711, 'aap', join(root, 'nowhere'))).toBeUndefined()
  })
})
