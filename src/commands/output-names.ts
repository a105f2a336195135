import { extname } from 'node:path'

/**
 * A name of its own for each recording's output, however alike the recordings' are: `talk.txt`; where others would have that too,
 * `talk.wav.txt`; and where even these are the same, since they come from different folders, `talk.wav.txt` and `talk.wav.2.txt`.
 * Names that differ in case alone count as the same, as on the disks of macOS and Windows.
 * @param extension with its dot
 */
export function outputNames(names: readonly string[], extension: string): readonly string[] {
  const short = names.map((name) => name.slice(0, name.length - extname(name).length))
  const shared = repeated(short)
  const long = names.map((name, index) => (shared.has(folded(short[index] ?? '')) ? name : (short[index] ?? name)))
  const taken = new Set<string>()
  return long.map((name) => {
    let output = `${name}${extension}`
    for (let number = 2; taken.has(folded(output)); number++) output = `${name}.${number}${extension}`
    taken.add(folded(output))
    return output
  })
}

function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.map(folded).filter((name) => seen.has(name) || !seen.add(name)))
}

function folded(name: string): string {
  return name.normalize('NFC').toLowerCase()
}
