/** What a test kills: has a file read, and tells of the probe's process when it is in the middle of it, which the file never gives. */
import process from 'node:process'
import pino from 'pino'
import { HeaderProbe } from '../../src/probe/header-probe.ts'

const probe = new HeaderProbe({ logger: pino({ level: 'silent' }), limitMs: 600_000 })
await probe.start()

const bytes = 2 ** 32
await probe.lengthOf(
  {
    bytes,
    extension: 'wav',
    readRange: async (start, end) => {
      const ends = Buffer.alloc(end - start)
      if (start === 0) ends.write('RIFF\xff\xff\xff\x7fWAVEJUNK\0\0\0\x40', 'latin1')
      if (start === 0 || end === bytes) return ends
      process.stdout.write(`${probe.pids.join(' ')}\n`)
      return await new Promise<never>(() => undefined)
    },
  },
  'owner',
)
