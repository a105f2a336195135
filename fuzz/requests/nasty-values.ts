import { choose } from '../../test/support/random.ts'

/** Texts that programs have stumbled over: NUL, names of what every object has, paths, markup, halves of characters, formats. */
const NASTY_TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '%00',
  '%2e%2e%2f',
  '../../../../etc/passwd',
  '..\\..\\windows',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'prototype',
  'null',
  'undefined',
  'NaN',
  '-0',
  '1e999',
  '0x10',
  '9007199254740993',
  '-1',
  "' or 1=1 --",
  '"; drop table jobs; --',
  '${7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '\u202e\u0000\u200b',
  '\ud800',
  '\udfff\ud800',
  '🙂'.repeat(50),
  'é'.normalize('NFD'),
  'ﬀ',
  'İ',
  '\r\nX-Injected: 1',
  'a'.repeat(2000),
  '%'.repeat(40),
  '%zz',
  '%c0%af',
  '%ff%fe',
  '2028-12-31T23:59:60Z',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  'http://127.0.0.1:1/',
  'file:///etc/passwd',
  'javascript:alert(1)',
]

const NASTY_NUMBERS: readonly number[] = [
  ...[0, -0, -1, 1, 0.1, -0.000001, 1e-300, 1e300, -1e300, 5e-324],
  ...[255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 2 ** 64],
]

export function nastyText(random: () => number): string {
  const text = choose(NASTY_TEXTS, random)
  return random() < 0.2 ? text + choose(NASTY_TEXTS, random) : text
}

/** Any JSON value, of a type that may be wrong. */
export function nastyValue(random: () => number): unknown {
  const makers: readonly (() => unknown)[] = [
    () => null,
    () => random() < 0.5,
    () => choose(NASTY_NUMBERS, random),
    () => nastyText(random),
    () => [],
    () => ({}),
    () => Array.from({ length: Math.floor(200 * random()) }, () => nastyText(random)),
    () => ({ [nastyText(random)]: nastyText(random) }),
    () => nested(Math.floor(50 * random())),
  ]
  return choose(makers, random)()
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let n = 0; n < depth; n++) value = n % 2 === 0 ? [value] : { a: value }
  return value
}

/** JSON, or nearly so, as no serialiser writes it. */
export function nastyJson(random: () => number): string {
  const count = Math.floor(random() * (random() < 0.1 ? 150_000 : 20_000))
  const makers: readonly (() => string)[] = [
    () => '['.repeat(count),
    () => `${'['.repeat(count)}${']'.repeat(count)}`,
    () => `${'{"a":'.repeat(count)}1${'}'.repeat(count)}`,
    () => `{"URL":"x","input":${'{"input":'.repeat(count)}1${'}'.repeat(count)}}`,
    () => '{"__proto__":{"isAdmin":true},"URL":"x","input":{}}',
    () => '{"constructor":{"prototype":{"x":1}},"URL":"x","input":{}}',
    () => `{"URL":"x","URL":"y","input":{"temperature":${'9'.repeat(400)}}}`,
    () => '{"URL":"x","input":{"temperature":1e999}}',
    () => `{${'"a":1,'.repeat(count)}"b":2}`,
    () => '{"URL":"\\ud800","input":{}}',
    () => '{"URL":"x","input":{}',
    () => '\ufeff{"URL":"x","input":{}}',
    () => `{"Bytes":"${'AAAA'.repeat(10)}${' '.repeat(count)}!"}`,
    () => `{"Bytes":"${'A='.repeat(count)}"}`,
    () => 'null',
    () => '"text"',
    () => '1',
    () => ' ',
    () => '\0',
  ]
  return choose(makers, random)()
}
