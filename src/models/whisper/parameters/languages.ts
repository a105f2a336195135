/** Whisper's languages in the order of their tokens; `yue` came with large-v3. */
export const LANGUAGES = {
  en: 'english',
  zh: 'chinese',
  de: 'german',
  es: 'spanish',
  ru: 'russian',
  ko: 'korean',
  fr: 'french',
  ja: 'japanese',
  pt: 'portuguese',
  tr: 'turkish',
  pl: 'polish',
  ca: 'catalan',
  nl: 'dutch',
  ar: 'arabic',
  sv: 'swedish',
  it: 'italian',
  id: 'indonesian',
  hi: 'hindi',
  fi: 'finnish',
  vi: 'vietnamese',
  he: 'hebrew',
  uk: 'ukrainian',
  el: 'greek',
  ms: 'malay',
  cs: 'czech',
  ro: 'romanian',
  da: 'danish',
  hu: 'hungarian',
  ta: 'tamil',
  no: 'norwegian',
  th: 'thai',
  ur: 'urdu',
  hr: 'croatian',
  bg: 'bulgarian',
  lt: 'lithuanian',
  la: 'latin',
  mi: 'maori',
  ml: 'malayalam',
  cy: 'welsh',
  sk: 'slovak',
  te: 'telugu',
  fa: 'persian',
  lv: 'latvian',
  bn: 'bengali',
  sr: 'serbian',
  az: 'azerbaijani',
  sl: 'slovenian',
  kn: 'kannada',
  et: 'estonian',
  mk: 'macedonian',
  br: 'breton',
  eu: 'basque',
  is: 'icelandic',
  hy: 'armenian',
  ne: 'nepali',
  mn: 'mongolian',
  bs: 'bosnian',
  kk: 'kazakh',
  sq: 'albanian',
  sw: 'swahili',
  gl: 'galician',
  mr: 'marathi',
  pa: 'punjabi',
  si: 'sinhala',
  km: 'khmer',
  sn: 'shona',
  yo: 'yoruba',
  so: 'somali',
  af: 'afrikaans',
  oc: 'occitan',
  ka: 'georgian',
  be: 'belarusian',
  tg: 'tajik',
  sd: 'sindhi',
  gu: 'gujarati',
  am: 'amharic',
  yi: 'yiddish',
  lo: 'lao',
  uz: 'uzbek',
  fo: 'faroese',
  ht: 'haitian creole',
  ps: 'pashto',
  tk: 'turkmen',
  nn: 'nynorsk',
  mt: 'maltese',
  sa: 'sanskrit',
  lb: 'luxembourgish',
  my: 'myanmar',
  bo: 'tibetan',
  tl: 'tagalog',
  mg: 'malagasy',
  as: 'assamese',
  tt: 'tatar',
  haw: 'hawaiian',
  ln: 'lingala',
  ha: 'hausa',
  ba: 'bashkir',
  jw: 'javanese',
  su: 'sundanese',
  yue: 'cantonese',
} as const satisfies Record<string, string>

/** Other names that the reference takes. */
const ALIASES: Readonly<Record<string, string>> = {
  burmese: 'my',
  valencian: 'ca',
  flemish: 'nl',
  haitian: 'ht',
  letzeburgesch: 'lb',
  pushto: 'ps',
  panjabi: 'pa',
  moldavian: 'ro',
  moldovan: 'ro',
  sinhalese: 'si',
  castilian: 'es',
  mandarin: 'zh',
}

const CODES_BY_NAME: ReadonlyMap<string, string> = new Map([
  ...Object.entries(LANGUAGES).map(([code, name]) => [name, code] as const),
  ...Object.entries(ALIASES),
])

/** What ICU calls languages that Whisper has under another code; also part of another language here, as Bokmål is. */
const BY_CANONICAL_CODE: ReadonlyMap<string, string> = new Map([
  ['jv', 'jw'],
  ['nb', 'no'],
  ['fil', 'tl'],
])

/** A language's code of two or three letters, and what BCP 47 lets follow, such as a script and a country. */
const TAG = /^([a-z]{2,3})(?:[-_][a-z\d]{1,8})*$/

/**
 * The code of a language that is given by its code, a BCP 47 tag or a locale of it (`en-US`, `es_419`), or its English name, in
 * any case; null when it is to be detected (`auto`, or nothing); undefined when it is no language of Whisper's.
 */
export function languageCode(text: string): string | null | undefined {
  const name = text.trim().toLowerCase()
  if (name === '' || name === 'auto') return null
  const code = TAG.exec(name)?.[1]
  if (code === undefined) return CODES_BY_NAME.get(name)
  return Object.hasOwn(LANGUAGES, code) ? code : (CODES_BY_NAME.get(name) ?? canonicalCode(code))
}

/** Undefined when it is no code of Whisper's. */
export function languageName(code: string): string | undefined {
  return Object.entries(LANGUAGES).find(([known]) => known === code)?.[1]
}

/** Of codes that were replaced, as `iw` by `he`, or have a shorter form, as `deu` has `de`. */
function canonicalCode(code: string): string | undefined {
  const { language } = new Intl.Locale(code)
  const known = BY_CANONICAL_CODE.get(language) ?? language
  return Object.hasOwn(LANGUAGES, known) ? known : undefined
}
