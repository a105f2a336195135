import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/server.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import type { LengthProbe, ProbedLength } from '../../payloads/length-probe.ts'
import { Recordings } from './recordings.ts'

const KEY = 'uploads/0198c0de-0000-7000-8000-000000000000.mp3'

/** Answers when it is told to. */
class HeldProbe implements LengthProbe {
  readonly owners: string[] = []
  readonly #answers: ((length: ProbedLength) => void)[] = []

  lengthOf(_object: unknown, owner: string): Promise<ProbedLength> {
    this.owners.push(owner)
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  answer(length: ProbedLength): void {
    for (const resolve of this.#answers.splice(0)) resolve(length)
  }
}

async function fixture(stack: AsyncDisposableStack) {
  const folder = stack.use(await temporaryFolder())
  const payloads = await FolderPayloadStore.open(folder.path)
  const write = (bytes: number) => payloads.write(KEY, Readable.from([Buffer.alloc(bytes)]))
  await write(160_000)
  const probe = new HeldProbe()
  return { probe, write, recordings: new Recordings(payloads, probe) }
}

describe('the length of a recording', () => {
  test('is read once for all who submit it at once, and remembered', async () => {
    await using stack = new AsyncDisposableStack()
    const { probe, recordings } = await fixture(stack)
    const found = Promise.all(Array.from({ length: 20 }, () => recordings.find(KEY, 'owner')))
    await expect.poll(() => probe.owners.length).toBe(1)
    probe.answer({ seconds: 12.5, isFinal: true })
    expect((await found).map((recording) => recording?.audioSeconds)).toEqual(Array(20).fill(12.5))
    expect(await recordings.find(KEY, 'owner')).toMatchObject({ audioSeconds: 12.5 })
    expect(probe.owners).toEqual(['owner'])
  })

  test('that is unknown is guessed from the size, and not read again when there is nothing to find', async () => {
    await using stack = new AsyncDisposableStack()
    const { probe, recordings } = await fixture(stack)
    const first = recordings.find(KEY, 'owner')
    await expect.poll(() => probe.owners.length).toBe(1)
    probe.answer({ seconds: undefined, isFinal: true })
    expect(await first).toMatchObject({ audioSeconds: 10 })
    expect(await recordings.find(KEY, 'owner')).toMatchObject({ audioSeconds: 10 })
    expect(probe.owners).toHaveLength(1)
  })

  test('that could not be read now is read again by the next submit', async () => {
    await using stack = new AsyncDisposableStack()
    const { probe, recordings } = await fixture(stack)
    const first = recordings.find(KEY, 'owner')
    await expect.poll(() => probe.owners.length).toBe(1)
    probe.answer({ seconds: undefined, isFinal: false })
    expect(await first).toMatchObject({ audioSeconds: 10 })
    const second = recordings.find(KEY, 'owner')
    await expect.poll(() => probe.owners.length).toBe(2)
    probe.answer({ seconds: 12.5, isFinal: true })
    expect(await second).toMatchObject({ audioSeconds: 12.5 })
  })

  test('of another upload in its place is another one’s', async () => {
    await using stack = new AsyncDisposableStack()
    const { probe, recordings, write } = await fixture(stack)
    const first = recordings.find(KEY, 'owner')
    await expect.poll(() => probe.owners.length).toBe(1)
    await write(320_000)
    const second = recordings.find(KEY, 'owner')
    await expect.poll(() => probe.owners.length).toBe(2)
    probe.answer({ seconds: undefined, isFinal: true })
    expect([(await first)?.audioSeconds, (await second)?.audioSeconds]).toEqual([10, 20])
  })
})
