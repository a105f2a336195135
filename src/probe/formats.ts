/** Containers with the media inside, as the engine takes them; what else FFmpeg knows only widens what hostile bytes can reach. */
export const FORMATS = [
  // What people have.
  ...['aac', 'ac3', 'aiff', 'amr', 'amrnb', 'amrwb', 'ape', 'asf', 'au', 'avi', 'caf', 'eac3', 'flac', 'flv', 'loas'],
  ...['matroska', 'mov', 'mp3', 'mpeg', 'mpegts', 'ogg', 'opus', 'oma', 'rm', 'w64', 'wav', 'wv', 'xwma', 'live_flv'],
  // Archives and lossless codecs.
  ...['bonk', 'dsf', 'dts', 'dtshd', 'iff', 'mlp', 'mpc', 'mpc8', 'osq', 'qoa', 'rka', 'shn', 'tak', 'truehd', 'tta'],
  // Corpora, phonetics and old workstations.
  ...['avr', 'hcom', 'ircam', 'nistsphere', 'nsp', 'paf', 'pvf', 'sox', 'voc', 'wsd', 'wve'],
  // Dictation machines, telephones, phones' voice notes.
  ...['act', 'dss', 'gsm', 'ilbc', 'lc3', 'qcp'],
  // Video recorders and broadcasting.
  ...['dhav', 'dv', 'gxf', 'iamf', 'laf', 'mxf', 'nut', 'nuv', 'pva', 's337m', 'spdif', 'ty', 'vqf', 'wtv'],
] as const
