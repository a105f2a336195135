import Type from 'typebox'

/** A part of a recording that is finished, in a form that can be kept: plain JSON, from which a later run goes on. */
export const ResumePointSchema = Type.Object({
  /** Of models; to all others `data` is opaque. */
  family: Type.String({ minLength: 1 }),
  /** Of the family's form of `data`. */
  version: Type.Integer({ minimum: 1 }),
  data: Type.Unknown(),
})

export type ResumePoint = Type.Static<typeof ResumePointSchema>
