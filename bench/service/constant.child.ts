import process from 'node:process'
import fastify from 'fastify'

/** A Fastify route that answers a constant, on GET and on POST of JSON: what any server of ours can at most be as fast as. */
const [body = '{}'] = process.argv.slice(2)
const constant: unknown = JSON.parse(body)
const server = fastify()
server.get('/', () => constant)
server.post('/', () => constant)
process.send?.(await server.listen({ port: 0 }))
