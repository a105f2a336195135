/** Whether engine processes are started by bubblewrap: where that works, always, or never. */
export const SANDBOX_CHOICES = ['auto', 'on', 'off'] as const
export type SandboxChoice = (typeof SANDBOX_CHOICES)[number]
