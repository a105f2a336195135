/** What a model takes that is to be loaded. */
export interface EngineNeeds {
  readonly modelFolder: string
  readonly bytes: number
  /** Tasks that its engine runs at the same time; their windows are decoded together. */
  readonly places: number
}

/** An engine process, as its pool and its scheduler see it. */
export interface Engine extends EngineNeeds {
  /** Whether it is one task's alone, and ends with it. */
  readonly isAlone: boolean
  /** Tasks that have a place in it, and how many of these are short. Without any it is idle, and may be unloaded. */
  readonly holders: number
  readonly expressHolders: number
  /** Places that are taken: an aborted task keeps its own until its native call returns. */
  readonly takenPlaces: number
  readonly loadedAtMs: number
  /** When its first task found the model loaded, or ended; undefined: not yet. */
  readonly servesSinceMs: number | undefined
}

/** The engine that tasks of a model share, if it is loaded. */
export function sharedEngine<Known extends Engine>(
  engines: Iterable<Known>,
  { modelFolder }: Pick<EngineNeeds, 'modelFolder'>,
): Known | undefined {
  for (const engine of engines) if (!engine.isAlone && engine.modelFolder === modelFolder) return engine
  return undefined
}

/** The last place is kept for short tasks, where there is more than one. */
export function hasPlace({ places, takenPlaces }: Engine, isExpress: boolean): boolean {
  return takenPlaces < (isExpress ? places : ordinaryPlaces(places))
}

export function ordinaryPlaces(places: number): number {
  return places === 1 ? 1 : places - 1
}
