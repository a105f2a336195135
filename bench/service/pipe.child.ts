import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import process from 'node:process'

/** A bare server that pipes each body to a file. */
const [folder = ''] = process.argv.slice(2)
let files = 0
const server = createServer((request, response) => {
  const file = createWriteStream(join(folder, `pipe-${files++}`))
  request.pipe(file).on('finish', () => response.end('ok'))
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.send?.(`http://127.0.0.1:${address.port}`)
})
