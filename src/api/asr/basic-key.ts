import type { FastifyInstance } from 'fastify'

const BASIC = /^Basic +([A-Za-z\d+/=_-]{1,1024})$/i

/**
 * Takes an API key as the password of Basic authentication, with any user: a client that has room for nothing but a URL sends that by
 * itself, of `http://sotto:<key>@host`. To be added to a plugin: its hooks come before the key of a route is looked at.
 */
export function addBasicKeys(api: FastifyInstance): void {
  api.addHook('onRequest', ({ headers }, _reply, done) => {
    const [, encoded] = BASIC.exec(headers.authorization ?? '') ?? []
    if (encoded !== undefined) {
      const userAndPassword = Buffer.from(encoded, 'base64').toString()
      headers.authorization = `Bearer ${userAndPassword.slice(userAndPassword.indexOf(':') + 1)}`
    }
    done()
  })
}
