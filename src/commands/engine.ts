import type { Command } from 'commander'

/** The process that a worker starts for its engine; not for people. */
export function addEngineCommand(program: Command): void {
  program.command('engine', { hidden: true }).action(async () => {
    // Loaded here alone: no other command may carry the native libraries.
    const { runEngine } = await import('../worker/engine.ts')
    runEngine()
  })
}
