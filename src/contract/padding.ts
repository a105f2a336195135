/** Encoders pad what they write: a recording of just the longest length that is allowed decodes to a little more. */
export const TOLERATED_PADDING_SECONDS = 0.5
