/** What webhooks are told of a job. Names are dot-separated, as Standard Webhooks has it, and never change their meaning. */
export const WEBHOOK_EVENTS = {
  'job.accepted': 'it was submitted',
  'job.processing': 'a worker took it up; once for each attempt',
  'job.success': 'its transcript is there',
  'job.failed': 'it failed, and `error` says why',
  'job.cancelled': 'it was cancelled',
} as const

export type WebhookEvent = keyof typeof WEBHOOK_EVENTS

export const WEBHOOK_EVENT_TYPES = Object.keys(WEBHOOK_EVENTS) as readonly WebhookEvent[]

/** What is told where nothing else is asked for: how a job ended. */
export const TERMINAL_WEBHOOK_EVENTS = [
  'job.success',
  'job.failed',
  'job.cancelled',
] as const satisfies readonly WebhookEvent[]

/** For what is stored: other versions may know others. */
export function isWebhookEvent(text: string): text is WebhookEvent {
  return Object.hasOwn(WEBHOOK_EVENTS, text)
}
