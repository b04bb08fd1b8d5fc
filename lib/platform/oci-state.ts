/**
 * What runc and crun write down about a container while it exists. Neither says in the cgroup whose it is, and a container without a
 * cgroup of its own (`crun --cgroup-manager=disabled`) is named nowhere else.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface OciState {
  runtime: 'runc' | 'crun'
  /** The name that its user gave it. */
  id: string
}

/** Default `--root` of runc(8) and crun(1) for root, the file in a container's folder there, and the member with its pid. */
const PLACES = [
  { runtime: 'runc', folder: 'runc', file: 'state.json', pid: 'init_process_pid' },
  { runtime: 'crun', folder: 'crun', file: 'status', pid: 'pid' },
] as const

/**
 * The container whose first process this is.
 *
 * @param pid as the host sees it
 * @param guess what it is probably called: looked at first, since there may be many
 * @param root where these folders are, for tests
 */
export function ociStateOf(pid: number, guess?: string, root = '/run'): OciState | undefined {
  const is = ({ folder, file, pid: member }: (typeof PLACES)[number], id: string): boolean =>
    numberIn(join(root, folder, id, file), member) === pid
  if (guess !== undefined) {
    const place = PLACES.find((place) => is(place, guess))
    if (place !== undefined) return { runtime: place.runtime, id: guess }
  }
  for (const place of PLACES) {
    const id = entries(join(root, place.folder)).find((id) => is(place, id))
    if (id !== undefined) return { runtime: place.runtime, id }
  }
  return undefined
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // No container was ever run with it.
    return []
  }
}

function numberIn(file: string, member: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)[member]
  } catch {
    // It is being made, or has just gone.
    return undefined
  }
}
