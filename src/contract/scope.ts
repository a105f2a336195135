/** What an API key may do: submit, cancel and remove jobs; see them and their results; manage keys and the server. */
export const SCOPES = ['transcribe', 'read', 'admin'] as const
export type Scope = (typeof SCOPES)[number]
