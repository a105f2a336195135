import Type from 'typebox'
import type { Static, TSchema } from 'typebox'

/**
 * The schema, or null. Not as a union: to tell which of its schemas a value is of, the serialiser would validate it, transcripts
 * whole.
 */
export function nullable<Schema extends TSchema>(schema: Schema): Type.TUnsafe<Static<Schema> | null> {
  const { type, enum: values, ...rest }: { readonly type?: unknown; readonly enum?: readonly unknown[] } = { ...schema }
  return Type.Unsafe<Static<Schema> | null>({
    ...rest,
    ...(type === undefined ? {} : { type: [type, 'null'] }),
    ...(values === undefined ? {} : { enum: [...values, null] }),
  })
}
