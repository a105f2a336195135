/** Reads a stretch of an object; shorter at its end. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>

/** A stored recording as a probe sees it: read where the headers are. */
export interface ProbedObject {
  readonly bytes: number
  /** Of its name, without the dot. */
  readonly extension: string
  readonly readRange: ReadRange
}

export interface ProbedLength {
  /** Undefined: the headers do not say it, or could not be read in time. */
  readonly seconds: number | undefined
  /** False where another try may say more: nothing of the file was looked at, or it could not be read. */
  readonly isFinal: boolean
}

/** Reads lengths off headers, somewhere where hostile ones do no harm. */
export interface LengthProbe {
  /**
   * Never fails, and answers within a few seconds.
   * @param owner whose recording it is: those of one owner do not keep the others waiting
   */
  lengthOf(object: ProbedObject, owner: string): Promise<ProbedLength>
}
