import { closeSync, createWriteStream, fsync, openSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import process from 'node:process'

/** A bare server that pipes each body to a file, and with `/synced` makes it durable before it answers. */
const [folder = ''] = process.argv.slice(2)
let files = 0
const server = createServer((request, response) => {
  const file = createWriteStream(join(folder, `pipe-${files++}`))
  request.pipe(file).on('finish', () => {
    if (request.url !== '/synced') return response.end('ok')
    const handle = openSync(file.path, 'r+')
    return fsync(handle, () => {
      closeSync(handle)
      response.end('ok')
    })
  })
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') process.send?.(`http://127.0.0.1:${address.port}`)
})
