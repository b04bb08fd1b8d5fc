/** Names of signals by number. */
import { constants } from 'node:os'

const names = new Map<number, string>()
// The first name of a number is the usual one: SIGABRT, not SIGIOT.
for (const [name, number] of Object.entries(constants.signals))
  if (!names.has(number)) names.set(number, name)

/** `SIGUSR1` for 10; `SIGRT6` and so on for those without a name. */
export function signalName(number: number): string {
  return names.get(number) ?? (number >= 32 ? `SIGRT${number - 32}` : `signal ${number}`)
}
