/** Where a run of a job stores its result: each attempt has a place of its own, so that a worker that lost its lease overwrites nothing. */
export function resultKeyOf(jobId: string, attempt: number): string {
  return `results/${jobId}/${attempt}.json`
}

/** What all results of a job lie below, of whatever attempt, with a slash at its end. */
export function resultsOf(jobId: string): string {
  return `results/${jobId}/`
}
