let loaded: Promise<Crypto> | undefined

/** The platform's Web Crypto; Node 18 has it in a module only, which bundlers for browsers are not to look for. */
export async function webCrypto(): Promise<Crypto> {
  const global = (globalThis as { readonly crypto?: Crypto }).crypto
  if (global !== undefined) return global
  const name = 'node:crypto'
  loaded ??= import(/* @vite-ignore */ name).then((module: { readonly webcrypto: Crypto }) => module.webcrypto)
  return await loaded
}
