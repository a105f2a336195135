import { createHash } from 'node:crypto'
import process from 'node:process'
import type { MutantTestPlan } from '@stryker-mutator/api/core'
import type { MutationTestingPlanReadyEvent } from '@stryker-mutator/api/report'

/**
 * Leaves one mutant of so many in Stryker's plan, the same ones each time: all of a room's take an hour or more. Stryker knows no samples; it
 * goes on with the list that it shows to reporters.
 */
class Sample {
  onMutationTestingPlanReady({ mutantPlans }: MutationTestingPlanReadyEvent): void {
    const oneOf = Number(process.env['SOTTO_MUTATION_ONE_OF'] ?? 1)
    const plans = mutantPlans as MutantTestPlan[]
    plans.splice(0, plans.length, ...plans.filter(({ mutant }) => drawn(mutant) % oneOf === 0))
  }
}

function drawn({ fileName, location, mutatorName, replacement }: MutantTestPlan['mutant']): number {
  const file = fileName.slice(fileName.lastIndexOf('/src/'))
  const { start, end } = location
  const name = [file, start.line, start.column, end.line, end.column, mutatorName, replacement].join(':')
  return createHash('sha256').update(name).digest().readUInt32BE()
}

export const strykerPlugins = [{ kind: 'Reporter', name: 'sample', injectableClass: Sample }]
