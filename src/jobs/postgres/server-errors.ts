import { DatabaseError } from 'pg'
import { JobStoreError } from '../errors.ts'
import type { JobStoreErrorCode } from '../errors.ts'

type Meaning = readonly [JobStoreErrorCode, string]

/** By SQLSTATE, or by the two digits of its class (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const SERVER_MEANINGS: Readonly<Record<string, Meaning>> = {
  '08': ['store.unavailable', 'the connection to it broke; the next call makes a new one'],
  '22': ['store.refused', 'a value does not fit its column'],
  '23': ['store.refused', 'a rule of the schema refused the write'],
  '25006': ['store.unavailable', 'it is read-only now, as a standby is; name the primary in DATABASE_URL'],
  '28': [
    'store.unavailable',
    'it refuses the user, or the way of connecting; check the user of DATABASE_URL, and sslmode',
  ],
  '28P01': ['store.unavailable', 'it refuses the user or the password; check both in DATABASE_URL'],
  '3D': ['store.unavailable', 'there is no database of that name; create it, or change the name in DATABASE_URL'],
  '40': ['store.unavailable', 'another transaction was in the way; the next try may go through'],
  '42': ['store.damaged', 'its schema is not the one that this version of Sotto expects; restore it from a backup'],
  '42501': ['store.unavailable', 'the user may not do that; make it the owner of the database'],
  '53': ['store.unavailable', 'the server lacks memory or another resource'],
  '53100': ['store.unavailable', "the server's disk is full; make room on it"],
  '53300': [
    'store.unavailable',
    'the server has too many connections; raise its max_connections, or put a pooler before it',
  ],
  '55': ['store.unavailable', 'something else holds what the statement needs; the next try may go through'],
  '57': ['store.unavailable', 'the server ended the connection; the next call makes a new one'],
  '57014': [
    'store.unavailable',
    'the statement took too long and was ended; the server is overloaded, or something holds a lock',
  ],
  '57P03': ['store.unavailable', 'the server is starting up or shutting down'],
  '58': ['store.unavailable', 'the server reports an input or output error; look into its log'],
  P0001: ['store.refused', 'a trigger of the schema refused the write'],
  XX: ['store.damaged', 'the server reports an internal error; look into its log'],
}

const UNTRUSTED: Meaning = [
  'store.unavailable',
  'its certificate is not trusted; name its authority by sslrootcert in DATABASE_URL',
]
const UNREACHABLE: Meaning = ['store.unavailable', 'nothing answers there; check that it runs, and DATABASE_URL']

/** By `code`, as Node's sockets have it. */
const SOCKET_MEANINGS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ENOENT: UNREACHABLE,
  ENOTFOUND: ['store.unavailable', 'there is no host of that name; check DATABASE_URL'],
  EAI_AGAIN: ['store.unavailable', 'the name of its host cannot be looked up now'],
  CERT_HAS_EXPIRED: ['store.unavailable', 'its certificate has expired'],
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: ['store.unavailable', 'its certificate is for another host'],
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
}

/**
 * An error of the driver as a `JobStoreError`, the one place where they are told apart. What is not known to be the server's or the network's
 * doing is a bug of ours, and stays what it is, without the values that it may quote.
 *
 * @param server `host:port/database`, for the message
 */
export function storeErrorOf(cause: unknown, server: string): Error {
  if (cause instanceof JobStoreError) return cause
  const known = meaningOf(cause)
  if (known === undefined) return withoutValues(cause)
  const [code, meaning] = known
  return new JobStoreError(code, `The jobs database at ${server} failed: ${meaning}.`, { cause: withoutValues(cause) })
}

function meaningOf(error: unknown): Meaning | undefined {
  const code = codeOf(error)
  if (error instanceof DatabaseError) return SERVER_MEANINGS[code] ?? SERVER_MEANINGS[code.slice(0, 2)]
  if (!(error instanceof Error)) return undefined
  const isSockets = 'syscall' in error || code in SOCKET_MEANINGS
  return SOCKET_MEANINGS[code] ?? (isSockets || isDrivers(error) ? connectionFailed(error) : undefined)
}

/** The driver's own are plain and have no codes: a timeout, a broken connection, a server without TLS, a missing password. */
function isDrivers(error: Error): boolean {
  return Object.getPrototypeOf(error) === Error.prototype || codeOf(error).startsWith('ERR_SSL')
}

function connectionFailed({ message }: Error): Meaning {
  return ['store.unavailable', `the connection failed (${message})`]
}

/** Whether the connection is of no more use after this error, or leads to a server that cannot be written. */
export function endsConnection(error: unknown): boolean {
  return !(error instanceof DatabaseError) || /^(08|57P|25006)/.test(codeOf(error))
}

/** The SQLSTATE of the server's errors, the system's code of a socket's; empty: none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/**
 * The server quotes the row that it refused in `detail` and `where`, and the value that it could not read in the message; they
 * may be what somebody said into a microphone.
 */
function withoutValues(error: unknown): Error {
  if (!(error instanceof DatabaseError)) return error instanceof Error ? error : new Error(String(error))
  error.detail = undefined
  error.where = undefined
  error.internalQuery = undefined
  if (error.code?.startsWith('22') === true) {
    error.message = 'a value was refused'
    error.stack = `${error.name}: ${error.message}`
  }
  return error
}
