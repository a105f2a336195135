import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const A = 1
const AAAA = 28
const NAME_ERROR = 3

/** What there is of a name, at its n-th question from 1 on; undefined: there is no such name; `silent`: no answer at all. */
export type Zone = (name: string, question: number) => readonly string[] | 'silent' | undefined

export interface DnsServer extends AsyncDisposable {
  /** As `Resolver.setServers` takes it. */
  readonly address: string
  /** Names that were asked for, for addresses of version 4. */
  readonly asked: readonly string[]
}

/** A name server on a port of its own, which answers questions for addresses over UDP with a TTL of 0. */
export async function dnsServer(zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  const answers = new Map<string, ReturnType<Zone>>()
  socket.on('message', (question, { port, address }) => {
    const { name, type, end } = questionIn(question)
    if (type === A) {
      asked.push(name)
      answers.set(name, zone(name, asked.filter((other) => other === name).length))
    }
    // Those of version 6 belong to the answer that the question for version 4, which comes just before, is given.
    const addresses = answers.has(name) ? answers.get(name) : zone(name, 1)
    if (addresses === 'silent') return
    socket.send(answerTo(question.subarray(0, end), type, addresses), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}

/** RFC 1035, 4.1.2: labels behind a header of 12 bytes, then type and class. */
function questionIn(packet: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = packet.readUInt8(at); length !== 0; length = packet.readUInt8(at)) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: packet.readUInt16BE(at + 1), end: at + 5 }
}

function answerTo(question: Buffer, type: number, addresses: readonly string[] | undefined): Buffer {
  const bytes = (addresses ?? []).map(addressBytes).filter(({ length }) => length === (type === AAAA ? 16 : 4))
  const header = Buffer.alloc(12)
  header.writeUInt16BE(question.readUInt16BE(0), 0)
  // An answer, with recursion asked for and given.
  header.writeUInt16BE(0x81_80 + (addresses === undefined ? NAME_ERROR : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(bytes.length, 6)
  const records = bytes.map((address) => {
    const record = Buffer.alloc(12)
    // A pointer to the question's name; then type, class IN, TTL 0, length.
    record.writeUInt16BE(0xc0_0c, 0)
    record.writeUInt16BE(type, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt16BE(address.length, 10)
    return Buffer.concat([record, address])
  })
  return Buffer.concat([header, question.subarray(12), ...records])
}

function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  // The URL parser writes an address in hexadecimal groups, however it was written.
  const [head = '', tail = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(head), groups(tail)]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
