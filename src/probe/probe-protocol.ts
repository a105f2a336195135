/** What a probe's process is told. It has one file at a time. */
export type ProbeRequest =
  | { readonly type: 'probe'; readonly bytes: number; readonly extension: string }
  /** Answers a `read`; null: it can't be read. */
  | { readonly type: 'bytes'; readonly bytes: Uint8Array | null }

export type ProbeReply =
  | { readonly type: 'ready' }
  | { readonly type: 'read'; readonly start: number; readonly end: number }
  /** Null: the headers do not say it. A process that is worn takes so much memory by now that another one is better. */
  | { readonly type: 'length'; readonly seconds: number | null; readonly isWorn: boolean }

/** What is read at a time: more than the headers of most files, and what FFmpeg needs to know an MP3 for one. */
export const BLOCK_BYTES = 2 ** 17
/** At the end of a file are the length of an Ogg, the tags of an MP3, the header of many an mp4. */
export const TAIL_BYTES = 2 ** 16
/** Headers that go on are read in ever longer stretches, since each of them is a request to the store. */
export const MAX_BLOCK_BYTES = 2 ** 20
/**
 * Of one file. Most need a tenth of a megabyte; the tables of an mp4 take one for each half an hour of video. Looking for chunks through a
 * file of any size ends here.
 */
export const MAX_READ_BYTES = 2 ** 24
