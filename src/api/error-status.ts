/** The HTTP status for each code of the other rooms' errors; what is not here is a fault of the server. */
const STATUS: Readonly<Record<string, number>> = {
  'input.invalid': 400,
  'input.unsupported': 400,
  'engine.unreachable': 503,
  'engine.unavailable': 503,
  'engine.timeout': 503,
  'engine.forbidden': 503,
  'engine.refused': 422,
  'model.unknown': 404,
  'model.unreachable': 503,
  'model.forbidden': 503,
  'model.not_found': 503,
  'model.corrupt': 503,
  'model.disk_full': 503,
  'model.incomplete': 503,
  'model.hub_invalid': 503,
  'payload.too_large': 413,
  'payload.interrupted': 400,
  'payload.incomplete': 409,
  'payload.missing': 410,
  'payload.unavailable': 503,
  'payload.wrong_offset': 409,
  'payload.wrong_length': 400,
  'payload.complete': 409,
  'payload.superseded': 423,
  'store.unavailable': 503,
  'idempotency.mismatch': 422,
  'limit.reached': 429,
  'audio.empty': 422,
  'audio.not_media': 422,
  'audio.no_audio_stream': 422,
  'audio.damaged': 422,
  'audio.truncated': 422,
  'audio.too_long': 413,
  'checkpoint.missing_file': 503,
  'checkpoint.invalid': 503,
  'checkpoint.unsupported': 422,
}

/** Undefined for codes that no user is meant to see, and for what is no code of ours at all. */
export function statusOf(code: unknown): number | undefined {
  return typeof code === 'string' && Object.hasOwn(STATUS, code) ? STATUS[code] : undefined
}
