import type { Schema } from './schema-values.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema: Schema
}

/** One method of one route. */
export interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Undefined: the document describes none. */
  readonly body: Schema | undefined
}

interface Document {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly parameters?: readonly Parameter[]
            readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }
          }
        >
      >
    >
  >
}

/** Routes that the document leaves out. */
const HIDDEN = ['/openapi.json', '/docs', '/docs/json', '/docs/static/index.html', '/metrics', '/', '/nowhere'].map(
  (path): Operation => ({ method: 'get', path, parameters: [], body: undefined }),
)

/** All that a server says that it answers, and what it does not say. */
export async function operationsOf(baseUrl: string): Promise<readonly Operation[]> {
  const document = (await (await fetch(new URL('/openapi.json', baseUrl))).json()) as Document
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => {
      const body = Object.values(requestBody?.content ?? {})[0]?.schema
      return { method, path, parameters, body }
    }),
  )
  // What takes most is asked most.
  const posts = documented.filter(({ method }) => method === 'post')
  return [...documented, ...HIDDEN, ...posts, ...posts]
}
