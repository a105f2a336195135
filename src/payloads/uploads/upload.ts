import { createHmac, randomUUIDv7, timingSafeEqual } from 'node:crypto'
import type { PayloadKey } from '../payload-key.ts'

/** Where the API takes uploads, before the name of the upload's file. */
export const UPLOADS_PATH = '/v1/input/uploads'

const FOLDER = 'uploads/'
const UUID = String.raw`[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}`
const MAC = String.raw`[\da-f]{32}`
const EXTENSION = String.raw`[a-z\d]{1,16}`
/** What an upload's file is called; without a MAC by the version before. */
export const UPLOAD_FILE_PATTERN = `^${UUID}(?:-${MAC})?\\.${EXTENSION}$`
const MINTED_FILE = new RegExp(`^(${UUID})-(${MAC})\\.(${EXTENSION})$`)
const FORMER_FILE = new RegExp(`^${UUID}\\.(${EXTENSION})$`)
const MAC_BYTES = 16

/** Of a recording that nobody has told the format of. */
export const UNKNOWN_EXTENSION = 'bin'

/** What shows whose an upload is. */
type Proof =
  | { readonly kind: 'mac'; readonly uuid: string; readonly mac: Buffer }
  /** The path that it was to be sent to was signed for this owner. */
  | { readonly kind: 'signed_path'; readonly owner: string }

/**
 * A place for one recording, made for one API key. A submit names nothing but the place, so the place itself proves its owner:
 * `uploads/<uuid>-<mac>.<extension>`, the MAC being the first half of an HMAC-SHA256 over the owner and all else in the name.
 */
export class Upload {
  readonly key: PayloadKey
  readonly extension: string
  readonly #proof: Proof

  private constructor(file: string, extension: string, proof: Proof) {
    this.key = keyOfFile(file)
    this.extension = extension
    this.#proof = proof
  }

  /** A new one. @param extension 1 to 16 letters and digits, such as `mp3` */
  static mint(secret: Buffer, owner: string, extension: string): Upload {
    const uuid = randomUUIDv7()
    const mac = macOf(secret, owner, uuid, extension)
    return new Upload(`${uuid}-${mac.toString('hex')}.${extension}`, extension, { kind: 'mac', uuid, mac })
  }

  /** Of a key with a MAC, whoever made it for whomever; undefined for any other key. */
  static of(key: PayloadKey): Upload | undefined {
    if (!key.startsWith(FOLDER)) return undefined
    const file = key.slice(FOLDER.length)
    const [, uuid, mac, extension] = MINTED_FILE.exec(file) ?? []
    if (uuid === undefined || mac === undefined || extension === undefined) return undefined
    return new Upload(file, extension, { kind: 'mac', uuid, mac: Buffer.from(mac, 'hex') })
  }

  /**
   * Of a URL of the API's, by whichever host and prefix clients know it.
   * @param signer says for whom a path was signed, by the URL's own signature; undefined: it was not signed here
   */
  static at(url: URL, signer: (path: string) => string | undefined): Upload | undefined {
    const file = fileOf(url)
    if (file === undefined) return undefined
    return Upload.of(keyOfFile(file)) ?? Upload.#former(file, signer)
  }

  /** The version before gave out names without a MAC, whose URLs may still come back. */
  static #former(file: string, signer: (path: string) => string | undefined): Upload | undefined {
    const [, extension] = FORMER_FILE.exec(file) ?? []
    if (extension === undefined) return undefined
    const owner = signer(`${UPLOADS_PATH}/${file}`)
    return owner === undefined ? undefined : new Upload(file, extension, { kind: 'signed_path', owner })
  }

  /** Where the API takes it, to be signed. */
  get path(): string {
    return `${UPLOADS_PATH}/${this.key.slice(FOLDER.length)}`
  }

  isOwnedBy(owner: string, secret: Buffer): boolean {
    const proof = this.#proof
    switch (proof.kind) {
      case 'mac':
        return timingSafeEqual(proof.mac, macOf(secret, owner, proof.uuid, this.extension))
      case 'signed_path':
        return proof.owner === owner
    }
  }
}

/** @param file as in the API's route */
export function keyOfFile(file: string): PayloadKey {
  return FOLDER + file
}

function fileOf({ pathname }: URL): string | undefined {
  const at = pathname.lastIndexOf('/')
  return pathname.slice(0, at).endsWith(UPLOADS_PATH) ? pathname.slice(at + 1) : undefined
}

/** JSON keeps the parts apart whatever is in them. */
function macOf(secret: Buffer, owner: string, uuid: string, extension: string): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([owner, uuid, extension]))
    .digest()
    .subarray(0, MAC_BYTES)
}
