/**
 * Containers with the media inside. What FFmpeg reads besides opens other files or devices: playlists, concatenation scripts,
 * session descriptions, image sequences, generators. An upload may be any of them, whatever it is called.
 */
const CONTAINERS = [
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
]

/** Decoders of sound. Those of pictures and subtitles are left out, with those that make sound from nothing or are experiments. */
export const DECODERS: ReadonlySet<string> = new Set([
  ...[
    'aac',
    'aac_latm',
    'ac3',
    'alac',
    'als',
    'amrnb',
    'amrwb',
    'ape',
    'aptx',
    'aptx_hd',
    'atrac1',
    'atrac3',
    'atrac3al',
  ],
  ...[
    'atrac3plus',
    'atrac3plusal',
    'atrac9',
    'bonk',
    'comfortnoise',
    'cook',
    'dca',
    'dolby_e',
    'dsd_lsbf',
    'dsd_lsbf_planar',
  ],
  ...[
    'dsd_msbf',
    'dsd_msbf_planar',
    'dss_sp',
    'dst',
    'dvaudio',
    'eac3',
    'evrc',
    'flac',
    'g723_1',
    'g728',
    'g729',
    'gsm',
  ],
  ...[
    'gsm_ms',
    '8svx_exp',
    '8svx_fib',
    'hcom',
    'iac',
    'ilbc',
    'imc',
    'mace3',
    'mace6',
    'mlp',
    'mp1',
    'mp1float',
    'mp2',
  ],
  ...['mp2float', 'mp3', 'mp3float', 'mp3adu', 'mp3adufloat', 'mp3on4', 'mp3on4float', 'mpc7', 'mpc8', 'msnsiren'],
  ...['nellymoser', 'opus', 'osq', 'paf_audio', 'qcelp', 'qdm2', 'qdmc', 'qoa', 'ra_144', 'ra_288', 'ralf', 'real_144'],
  ...[
    'real_288',
    'rka',
    's302m',
    'sbc',
    'shorten',
    'sipr',
    'siren',
    'speex',
    'tak',
    'truehd',
    'truespeech',
    'tta',
    'twinvq',
  ],
  ...['vorbis', 'wavpack', 'wmalossless', 'wmapro', 'wmav1', 'wmav2', 'wmavoice', 'xma1', 'xma2'],
  ...[
    'pcm_alaw',
    'pcm_bluray',
    'pcm_dvd',
    'pcm_f16le',
    'pcm_f24le',
    'pcm_f32be',
    'pcm_f32le',
    'pcm_f64be',
    'pcm_f64le',
  ],
  ...[
    'pcm_lxf',
    'pcm_mulaw',
    'pcm_s16be',
    'pcm_s16be_planar',
    'pcm_s16le',
    'pcm_s16le_planar',
    'pcm_s24be',
    'pcm_s24daud',
  ],
  ...[
    'pcm_s24le',
    'pcm_s24le_planar',
    'pcm_s32be',
    'pcm_s32le',
    'pcm_s32le_planar',
    'pcm_s64be',
    'pcm_s64le',
    'pcm_s8',
  ],
  ...[
    'pcm_s8_planar',
    'pcm_u16be',
    'pcm_u16le',
    'pcm_u24be',
    'pcm_u24le',
    'pcm_u32be',
    'pcm_u32le',
    'pcm_u8',
    'pcm_vidc',
  ],
  ...[
    'adpcm_adx',
    'adpcm_ct',
    'adpcm_ima_oki',
    'adpcm_ima_qt',
    'adpcm_ima_wav',
    'adpcm_ms',
    'adpcm_sanyo',
    'adpcm_sbpro_2',
  ],
  ...['adpcm_sbpro_3', 'adpcm_sbpro_4', 'adpcm_swf', 'adpcm_yamaha', 'g722', 'g726', 'g726le', 'sdx2_dpcm'],
])

/** In a file; a broadcast's recording has a few dozen. */
const MAX_STREAMS = 256

/** How FFmpeg opens what strangers send. */
export const OPEN_OPTIONS = {
  format_whitelist: CONTAINERS.join(','),
  codec_whitelist: [...DECODERS].join(','),
  max_streams: MAX_STREAMS,
  /** `subfile` reads a part of the same file; no container above names another one. */
  protocol_whitelist: 'file,subfile',
} as const

/** The same for samples whose header was read already. */
export const RAW_OPTIONS = {
  ...OPEN_OPTIONS,
  format_whitelist: 'u8,s16le,s24le,s32le,f32le,f64le,alaw,mulaw',
}
