import { parseArgs } from 'node:util'
import { runSteps } from '../lib/steps.mjs'
import { modulesStep, rootStep } from './image.mjs'
import { kernelOf, kernelStep } from './kernel.mjs'
import { runInGuest } from './qemu.mjs'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    kernel: { type: 'string', default: 'stable,testing' },
    run: { type: 'string' },
    timeout: { type: 'string', default: '150' },
    shell: { type: 'boolean' },
  },
})
const kernels = values.kernel.split(',')
if (!(await runSteps([rootStep, modulesStep, ...kernels.map(kernelStep)]))) process.exit(1)
for (const suite of kernels) {
  const kernel = kernelOf(suite)
  const result = await runInGuest(
    kernel,
    { script: values.run, shell: values.shell, timeout: Number(values.timeout), environment: {} },
    { show: (line) => console.log(`${suite}> ${line}`) },
  )
  console.log({ ...result, text: undefined })
}
