import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { Visitor, parseSync } from 'oxc-parser'

/**
 * How a file names another one: `type` is gone when the program runs, `dynamic` is loaded when its line is reached, and `start` is the entry of
 * another process or thread: `new URL('./entry.ts', import.meta.url)`.
 */
export type ImportKind = 'static' | 'type' | 'dynamic' | 'start'

export interface Import {
  readonly kind: ImportKind
  /** Path from the root, or a package's specifier. */
  readonly of: string
}

/** What each file below `root` imports, by its path from there with slashes. */
export type ImportGraph = ReadonlyMap<string, readonly Import[]>

export function importGraph(root: string, folder: string): ImportGraph {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [slashed(relative(root, path)), importsOf(path, root)]))
}

/** A relative specifier becomes a path from `root`; what is none, a package, stays. */
function importsOf(path: string, root: string): readonly Import[] {
  const text = readFileSync(path, 'utf8')
  return importsIn(path, text).map(({ kind, of }) => ({
    kind,
    of: of.startsWith('.') ? slashed(relative(root, resolve(dirname(path), of))) : of,
  }))
}

/** In the order of the file, as they are written. */
export function importsIn(path: string, text: string): readonly Import[] {
  const { program, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const found: Import[] = []
  const add = (kind: ImportKind, of: string | null | undefined): void => {
    if (typeof of === 'string') found.push({ kind, of })
  }
  new Visitor({
    ImportDeclaration: ({ importKind, specifiers, source }) => {
      // `import { type A, type B }` is one of types as well.
      const isOfTypes =
        specifiers.length > 0 &&
        specifiers.every((specifier) => specifier.type === 'ImportSpecifier' && specifier.importKind === 'type')
      add(importKind === 'type' || isOfTypes ? 'type' : 'static', source.value)
    },
    ExportNamedDeclaration: ({ exportKind, source }) => add(exportKind === 'type' ? 'type' : 'static', source?.value),
    ExportAllDeclaration: ({ exportKind, source }) => add(exportKind === 'type' ? 'type' : 'static', source.value),
    ImportExpression: ({ source }) => add('dynamic', beginningOf(source)),
    TSImportType: ({ source }) => add('type', source.value),
    NewExpression: ({ callee, arguments: [first, base] }) => {
      if (callee.type !== 'Identifier' || callee.name !== 'URL' || first === undefined) return
      if (base?.type !== 'MemberExpression' || base.object.type !== 'MetaProperty') return
      // The extension is the importing file's: of TypeScript here, of JavaScript when it is compiled.
      const entry = beginningOf(first)
      add('start', entry?.endsWith('.ts') === false ? `${entry}.ts` : entry)
    },
  }).visit(program)
  return found
}

/** Of a text, or of a template up to what is put into it. */
function beginningOf(node: { readonly type: string }): string | undefined {
  if ('value' in node && typeof node.value === 'string') return node.value
  if (!('quasis' in node) || !Array.isArray(node.quasis)) return undefined
  const [first] = node.quasis as readonly { readonly value: { readonly cooked: string | null } }[]
  return first?.value.cooked ?? undefined
}

function slashed(path: string): string {
  return path.replaceAll(sep, '/')
}

/** Circles of files, one for each knot of files that all lead to each other: its shortest, as the files on the way, the first one twice. */
export function circles(graph: ImportGraph, kinds: readonly ImportKind[]): readonly (readonly string[])[] {
  const next = (file: string): readonly string[] =>
    (graph.get(file) ?? []).filter(({ kind, of }) => kinds.includes(kind) && graph.has(of)).map(({ of }) => of)
  const found: (readonly string[])[] = []
  const seen = new Set<string>()
  for (const file of graph.keys()) {
    if (seen.has(file)) continue
    const way = shortestWay(file, file, next)
    if (way === undefined) continue
    found.push(way)
    for (const on of way) seen.add(on)
  }
  return found
}

function shortestWay(
  from: string,
  to: string,
  next: (file: string) => readonly string[],
): readonly string[] | undefined {
  const before = new Map<string, string>()
  for (const file of walk(from, next, before)) {
    if (!next(file).includes(to)) continue
    const way = [to]
    for (let on: string | undefined = file; on !== undefined && on !== from; on = before.get(on)) way.unshift(on)
    return [from, ...way]
  }
  return undefined
}

/** Breadth first, each file once. */
function* walk(
  from: string,
  next: (file: string) => readonly string[],
  before: Map<string, string> = new Map(),
): Generator<string> {
  const queue = [from]
  const known = new Set(queue)
  for (let file; (file = queue.shift()) !== undefined;) {
    yield file
    for (const of of next(file)) {
      if (known.has(of)) continue
      known.add(of)
      before.set(of, file)
      queue.push(of)
    }
  }
}

/** All that is loaded with these files, packages included: what they import by such kinds, and what that imports, and so on. */
export function closure(
  graph: ImportGraph,
  files: readonly string[],
  kinds: readonly ImportKind[],
): ReadonlySet<string> {
  const next = (file: string): readonly string[] =>
    (graph.get(file) ?? []).filter(({ kind }) => kinds.includes(kind)).map(({ of }) => of)
  return new Set(files.flatMap((file) => [...walk(file, next)]))
}
