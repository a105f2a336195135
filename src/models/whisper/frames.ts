/** Frames of the log-mel: a hop of 160 samples at 16 kHz. */
export const FRAMES_PER_SECOND = 100
