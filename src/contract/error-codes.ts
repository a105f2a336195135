/** What is known of every error that has a code, beside its own message. */
export interface CodeFacts {
  /** Whether the same thing may go well at another time, without anybody's doing anything about it. */
  readonly retryable: boolean
  /** What is wrong, in Markdown. */
  readonly meaning: string
}

const passing = (meaning: string): CodeFacts => ({ retryable: true, meaning })
const lasting = (meaning: string): CodeFacts => ({ retryable: false, meaning })

/** What jobs fail with, in the order of the table in docs/api.md. */
export const JOB_ERROR_CODES = {
  'job.not_started': lasting('it did not start by `startBy`'),
  'job.timeout': lasting('it ran longer than its `timeout`'),
  'job.too_slow': lasting('it ran longer than this server allows (`SOTTO_MAX_JOB_SECONDS`)'),
  'job.over_budget': lasting(
    'its clips and temperatures take more than [a recording of its length may](#what-a-job-may-decode)',
  ),
  'job.unreadable': lasting('what was stored of it is damaged'),
  'job.crashed': lasting('the worker that ran it died, five times without finishing a window in between'),
  'audio.empty': lasting('the file has no bytes'),
  'audio.not_media': lasting('the file is of no format that FFmpeg reads'),
  'audio.no_audio_stream': lasting('the file has no sound'),
  'audio.damaged': lasting('nothing in the file can be decoded'),
  'audio.unsupported': lasting('the file’s codec, sample rate or number of channels, which the message names'),
  'audio.silent': lasting('the file is a header without any samples'),
  'audio.too_long': lasting('the recording: see `SOTTO_MAX_AUDIO_SECONDS`'),
  'input.invalid': lasting(
    'a parameter that only the recording or the weights can judge, such as an `audio_track` that is not there, or `suppress_tokens` ' +
      'that leave nothing to choose from',
  ),
  'input.unsupported': lasting('[the other server](remote-engine.md) can’t honour a parameter, which is named'),
  'fetch.refused': lasting(
    'the URL, or what it redirects to, is none that [this server asks](configuration.md#urls-of-others)',
  ),
  'fetch.forbidden': lasting('the URL’s server wants credentials, which are not sent, or the URL has expired'),
  'fetch.not_found': lasting('there is nothing at the URL'),
  'fetch.too_large': lasting('what is at the URL is larger than `SOTTO_MAX_UPLOAD_BYTES`'),
  'fetch.bad_answer': lasting('the URL’s server answers what is no recording'),
  'fetch.unreachable': passing('the URL’s server can’t be reached, is busy or has failed, three times in a row'),
  'fetch.interrupted': passing('the recording broke off or was replaced while it was fetched, three times in a row'),
  'fetch.too_slow': passing('the URL’s server sends too slowly (`SOTTO_FETCH_TIMEOUT`), three times in a row'),
  'payload.replaced': lasting('something else was uploaded to the URL after it was submitted (S3)'),
  'payload.missing': lasting('the recording is gone'),
  'payload.unavailable': passing('where recordings lie did not answer for ten minutes, three times'),
  'model.unknown': lasting('the server that took the job does not know its model, or not any more (`SOTTO_MODELS`)'),
  'model.unreachable': passing('the hub did not answer, or was too busy, three times in a row'),
  'model.forbidden': lasting('the hub does not give the weights without another `HF_TOKEN`'),
  'model.not_found': lasting('the hub has no such model, or not in this revision'),
  'model.corrupt': lasting('what the hub gave is not what it had announced'),
  'model.incomplete': lasting('the model’s repository lacks a file that is needed to run it'),
  'model.hub_invalid': lasting('the hub’s answer can’t be understood, or is too large'),
  'model.disk_full': lasting('the weights do not fit on the disk of `HF_HOME`'),
  'model.cache_unusable': lasting('the server can’t write `HF_HOME`, where it keeps weights'),
  'checkpoint.missing_file': lasting('a file of the weights is missing'),
  'checkpoint.invalid': lasting('the weights can’t be used'),
  'checkpoint.damaged': lasting('the weights are damaged'),
  'checkpoint.unsupported': lasting(
    'the weights are of a kind that this version does not run, or do not know this language',
  ),
  'engine.load_failed': passing('the model could not be loaded, three times in a row: the server lacks memory, say'),
  'engine.cache_unusable': lasting('the server can’t write its cache folder (`SOTTO_CACHE_DIR`)'),
  'engine.disk_full': passing('the server’s disk was full for an hour'),
  'engine.spool_full': passing('the recording’s features do not fit on the server’s disk'),
  'engine.bad_result': lasting('the engine’s transcript can’t be stored: a number in it is none'),
  'engine.crashed': passing('the engine’s process died or hung, five times without finishing a window in between'),
  'engine.failed': passing('the engine, or the other server, failed three times in a row'),
  'engine.refused': lasting('the other server does not take the request'),
  'engine.forbidden': lasting('the other server does not take the key'),
  'engine.bad_answer': lasting('the other server’s answer can’t be understood'),
  'engine.unreachable': passing('the other server can’t be reached, three times in a row'),
  'engine.unavailable': passing('the other server was too busy, three times in a row'),
  'engine.timeout': passing('the other server took too long, three times in a row'),
  'server.failed': passing('this server, three times in a row'),
} as const satisfies Record<string, CodeFacts>

/** What requests and starts fail with, and what only the log ever sees. */
const OTHER_ERROR_CODES = {
  'config.invalid': lasting('a setting’s value'),
  'request.refused': lasting('a request that the API itself refuses, with a status of its own'),
  'limit.reached': passing('an API key has as much as it may have'),
  'key.scope_missing': lasting('the API key may not do this: the answer names the scope that it needs'),
  'key.model_forbidden': lasting('the API key may not use this model'),
  'key.token_confined': lasting('the short-lived token is for something else'),
  'key.last_admin': lasting('no API key with the scope `admin` would be left'),
  'key.of_environment': lasting('the API key is what the environment says'),
  'idempotency.mismatch': lasting('the idempotency key came with another request before'),
  'result.not_ready': passing('the job has not succeeded yet, so that it has no result'),
  'result.none': lasting('the job failed or was cancelled, so that it never has a result'),
  'recording.gone': lasting('the recording is being removed, or was removed just now'),
  'store.unavailable': passing('the database does not answer'),
  'store.in_use': lasting('another server owns the data folder'),
  'store.newer_schema': lasting('a newer version wrote the database'),
  'store.damaged': lasting('what the file holds is no database of ours, or is broken'),
  'store.refused': lasting('a constraint or trigger of the schema refused the write: a bug of the caller'),
  'outbound.refused': lasting('a URL that this server does not ask: see `SOTTO_FETCH_ALLOW`'),
  'outbound.unresolved': passing('the name servers do not answer about a URL’s host'),
  'payload.too_large': lasting('the body has more bytes than it may have'),
  'payload.interrupted': passing('the body broke off'),
  'payload.incomplete': lasting('what was uploaded in parts can’t be put together yet'),
  'payload.invalid_key': lasting('a key that the server would not make'),
  'payload.wrong_offset': lasting('the upload does not go on there'),
  'payload.wrong_length': lasting('the upload can’t have that many bytes'),
  'payload.complete': lasting('the upload has all its bytes'),
  'payload.superseded': passing('another request took the upload over'),
  'webhook.invalid': lasting('a webhook’s URL, secret or events are none'),
  'secret.invalid': lasting('the signing secret is not what was written'),
  'model.name_invalid': lasting('`SOTTO_MODELS` names what can be no repository'),
  'device.unavailable': lasting('the device that `SOTTO_DEVICE` asks for does not answer'),
  'sandbox.unavailable': lasting('`SOTTO_SANDBOX` is on, and no engine runs in one'),
  'engine.aborted': passing('the engine gave a task up that it had been told to abort'),
} as const satisfies Record<string, CodeFacts>

/** The registry: every code that an error of this program may have. Codes are part of the API, and never change their meaning. */
export const ERROR_CODES = { ...JOB_ERROR_CODES, ...OTHER_ERROR_CODES }

export type ErrorCode = keyof typeof ERROR_CODES

/** For what comes from another process, or from another version's. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
}
