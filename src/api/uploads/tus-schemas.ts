import Type from 'typebox'
import { UploadParams, errors } from '../schemas.ts'

const text = (description: string) => Type.Optional(Type.String({ description }))

const frame = {
  tags: ['Async API'],
  security: [],
  params: UploadParams,
}
const Version = { 'tus-resumable': text('1.0.0') }
const Offset = text('Bytes that are there, on disk.')
const Length = text('Bytes that the whole recording has.')
const Expires = text('Until when the URL may be used, while the upload is not complete.')

/** The OpenAPI document's entries; the headers' values are looked at by `tus-headers.ts`, which says more of what is wrong. */
export const TUS_SCHEMAS = {
  options: {
    ...frame,
    summary: 'What resumable uploads can do here',
    response: {
      204: Type.Null({
        description: 'The protocol’s version and extensions, and the largest upload.',
        headers: { 'Tus-Version': text('1.0.0'), 'Tus-Extension': text(''), 'Tus-Max-Size': text('Bytes.') },
      }),
    },
  },
  head: {
    ...frame,
    summary: 'Ask how far an upload has come',
    description:
      'Works with the presigned URL, also before anything was uploaded. Upload-Length is left out, and Upload-Defer-Length is 1, ' +
      'while it was not said.',
    headers: Type.Object(Version),
    response: {
      200: Type.Null({
        description: 'How far it is.',
        headers: {
          'Upload-Offset': Offset,
          'Upload-Length': Length,
          'Upload-Defer-Length': text('1'),
          'Upload-Expires': Expires,
        },
      }),
      ...errors(400, 403, 412, 503),
    },
  },
  patch: {
    ...frame,
    summary: '2. Upload the recording in parts that go on where the last one broke off',
    description:
      'tus 1.0 on the presigned URL: the bytes from Upload-Offset on, with Content-Type: application/offset+octet-stream. What ' +
      'arrives stays when the connection breaks; HEAD says where to go on.',
    headers: Type.Object({
      ...Version,
      'upload-offset': text('The bytes that HEAD says are there; 0 at first.'),
      'upload-length': text('Bytes that the whole recording has. Needed once, unless the URL has it as `length`.'),
    }),
    response: {
      204: Type.Null({
        description: 'It is on disk.',
        headers: { 'Upload-Offset': Offset, 'Upload-Expires': Expires },
      }),
      ...errors(400, 403, 409, 412, 413, 415, 423, 503),
    },
  },
  delete: {
    ...frame,
    summary: 'Remove an upload that was not submitted',
    headers: Type.Object(Version),
    response: {
      204: Type.Null({ description: 'It is gone; the URL may be used again.' }),
      ...errors(403, 409, 412, 503),
    },
  },
  post: { params: UploadParams, hide: true },
}
