/**
 * The names that people gave their containers, where the runtime's id is a random number. They are read from the runtimes' own files,
 * at the places that they have by default; where they aren't, or the container has gone already, it goes by its id.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Container } from './containers.js'

/** Docker's: `docker inspect` shows its `Name`, with this slash. */
const docker = z.object({ Name: z.string() }).transform(({ Name }) => Name.replace(/^\//, ''))

/** Podman's, of containers/storage: the first of a container's names is the one that `podman ps` shows. */
const podman = z.array(z.object({ id: z.string(), names: z.array(z.string()).optional() }))

/** The annotations that containerd and CRI-O give a container's OCI configuration. */
const kubernetes = z
  .object({ annotations: z.record(z.string(), z.string()) })
  .transform(({ annotations }) => {
    const of = (...keys: string[]): string | undefined =>
      keys.map((key) => annotations[key]).find((value) => value !== undefined)
    const pod = of('io.kubernetes.cri.sandbox-name', 'io.kubernetes.pod.name')
    const container = of('io.kubernetes.cri.container-name', 'io.kubernetes.container.name')
    return pod === undefined ? undefined : container === undefined ? pod : `${pod}/${container}`
  })

/**
 * @param root the host's root folder, for tests
 * @returns undefined where there is no name
 */
export function containerName({ runtime, id }: Container, root = '/'): string | undefined {
  switch (runtime) {
    case 'docker':
      return read(join(root, 'var/lib/docker/containers', id, 'config.v2.json'), docker)
    case 'podman':
      return podmanName(join(root, 'var/lib/containers/storage/overlay-containers'), id)
    case 'kubernetes':
      return (
        read(
          join(root, 'run/containerd/io.containerd.runtime.v2.task/k8s.io', id, 'config.json'),
          kubernetes,
        ) ??
        read(join(root, 'run/containers/storage/overlay-containers', id, 'userdata/config.json'), kubernetes)
      )
    default:
      // Its id is its name.
      return id
  }
}

/** Those that were started with `--rm` are in a list of their own. */
function podmanName(folder: string, id: string): string | undefined {
  for (const file of ['containers.json', 'volatile-containers.json']) {
    const found = read(join(folder, file), podman)?.find((container) => container.id === id)
    if (found !== undefined) return found.names?.[0]
  }
  return undefined
}

function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data
  } catch {
    // Not there, not ours to read, or half written: the id will do.
    return undefined
  }
}
