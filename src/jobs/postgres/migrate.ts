/** One step of the schema's history. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number
  /** The oldest program, by how many steps it knows, that may work with the schema behind this step. */
  readonly compatibleFrom: number
  readonly sql: string
}
