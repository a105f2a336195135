import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { FastifySwaggerUiOptions } from '@fastify/swagger-ui'
import { version } from '../../version.ts'

/** The frame of the OpenAPI document; the rest comes from the routes' schemas. */
export const OPENAPI: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Sotto',
      version,
      description:
        'Transcribes long recordings: ask for an upload URL, PUT the recording, submit it, and poll until ' +
        'the transcript is there. Errors are `{"code": <HTTP status>, "message": "…"}`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Async API', description: 'For recordings of any length.' },
      { name: 'Events', description: 'What happens, as it happens.' },
      { name: 'Synchronous API', description: 'For recordings of up to 60 seconds.' },
      { name: 'Webhooks', description: 'To hear of jobs instead of polling them.' },
      { name: 'OpenAI’s API', description: 'For programs that were made for OpenAI’s audio API.' },
      { name: 'whisper-asr-webservice', description: 'For subtitle managers that were made for it.' },
      { name: 'Usage', description: 'What a key has used.' },
      { name: 'Models', description: 'What can be submitted to.' },
      { name: 'Keys', description: 'Who may do what.' },
      { name: 'Health', description: 'For load balancers and supervisors.' },
    ],
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, or a short-lived token.' },
      },
    },
    security: [{ apiKey: [] }],
  },
}

/** The reference page; everything on it is served from here. */
export const UI: FastifySwaggerUiOptions = {
  routePrefix: '/docs',
  // The plugin's own has `upgrade-insecure-requests`, by which a page that came by plain HTTP asks for its scripts by HTTPS.
  staticCSP: {
    'default-src': "'self'",
    'base-uri': "'self'",
    'font-src': "'self' data:",
    'frame-ancestors': "'self'",
    'img-src': "'self' data:",
    'object-src': "'none'",
    'script-src': "'self'",
    'script-src-attr': "'none'",
    'style-src': "'self'",
  },
  uiConfig: {
    layout: 'BaseLayout',
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
  },
  theme: { title: 'Sotto API' },
}
