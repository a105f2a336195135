import { execFileSync } from 'node:child_process'

/** Whether the example clients can run here: Python 3 with its package requests. */
export function hasRequests(): boolean {
  try {
    execFileSync('python3', ['-c', 'import requests'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
