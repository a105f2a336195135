import process from 'node:process'
import { beforeEach } from 'vitest'
import { partOf } from './parts.ts'

const { notNamed } = partOf(process.env['SOTTO_MUTATION'])

beforeEach(({ task, skip }) => {
  if (notNamed.some((name) => task.name.includes(name))) skip()
})
