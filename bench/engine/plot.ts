import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PROJECT } from '../../test/support/server.ts'
import type { ComparisonRow } from './comparison.ts'
import type { Machine } from './machine.ts'
import { median } from './measurements.ts'
import type { Row } from './report.ts'

/** What was measured with one model and one search. */
interface Panel {
  readonly title: string
  readonly bars: readonly Bar[]
}

interface Bar {
  readonly name: string
  /** Seconds of audio a second. */
  readonly speed: number
  readonly isOurs: boolean
}

const WIDTH = 760
const MARGIN = 24
const LABEL_WIDTH = 250
const VALUE_WIDTH = 60
const BAR_HEIGHT = 20
const BAR_STRIDE = 26
const HEADER_HEIGHT = 66
const TITLE_HEIGHT = 30
const PANEL_GAP = 18

/** Ours stands out; the same on light and on dark pages. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .panel { font-weight: 600 }
  .note { font-size: 12px; fill: #59636e }
  .ours { fill: #0f7b6c }
  .peer { fill: #b8c0c8 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .ours { fill: #2ea08f }
    .peer { fill: #59636e }
  }`

/**
 * Draws the comparisons of the benchmark's JSON lines: how many seconds of audio each engine transcribes in a second.
 *
 *     npm run bench -- engine-plot <lines> [svg]
 *
 * Of comparisons that are there twice the last one counts.
 */
export async function run([lines, svg = join(PROJECT, 'docs/engine.svg')]: readonly string[]): Promise<void> {
  if (lines === undefined) throw new Error('Name the file of JSON lines that --out has written.')
  const text = await readFile(lines, 'utf8')
  const rows = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row)
  const machine = rows.findLast((row) => row.row === 'machine')
  if (machine === undefined) throw new Error(`${lines} does not say on which machine it was measured.`)
  await writeFile(svg, draw(panelsOf(rows), machine))
  console.log(svg)
}

function panelsOf(rows: readonly Row[]): readonly Panel[] {
  const last = new Map<string, ComparisonRow>()
  for (const row of rows) if (row.row === 'comparison') last.set(`${row.on} ${row.against}`, row)
  const byTitle = Map.groupBy(last.values(), ({ on }) => on)
  return [...byTitle].map(([title, comparisons]) => {
    const ours = median(comparisons.map(({ audioSeconds, ours: { seconds } }) => audioSeconds / seconds))
    const peers = comparisons.flatMap(({ peer, audioSeconds }) =>
      peer === 'not here' ? [] : [{ name: peer.name, speed: audioSeconds / peer.seconds, isOurs: false }],
    )
    return { title, bars: [{ name: 'Sotto', speed: ours, isOurs: true }, ...peers] }
  })
}

function draw(panels: readonly Panel[], machine: Machine): string {
  const heights = panels.map(({ bars }) => TITLE_HEIGHT + bars.length * BAR_STRIDE + PANEL_GAP)
  const height = heights.reduce((sum, each) => sum + each, HEADER_HEIGHT)
  const parts = panels.map((panel, index) =>
    drawPanel(
      panel,
      heights.slice(0, index).reduce((sum, each) => sum + each, HEADER_HEIGHT),
    ),
  )
  const note = `${machine.cpu}, ${machine.cores} cores, ${machine.threads} threads each; ONNX Runtime ${machine.onnxruntime}, Node ${machine.node}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>Seconds of audio transcribed in a second</title>
<style>${STYLE}
</style>
<text class="title" x="${MARGIN}" y="30">Seconds of audio transcribed in a second: longer is faster</text>
<text class="note" x="${MARGIN}" y="50">${escape(note)}</text>
${parts.join('\n')}
</svg>
`
}

/** Bars are to scale within their panel. */
function drawPanel({ title, bars }: Panel, top: number): string {
  const fastest = Math.max(...bars.map(({ speed }) => speed))
  const widest = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
  const drawn = bars.map(({ name, speed, isOurs }, index) => {
    const y = top + TITLE_HEIGHT + index * BAR_STRIDE
    const x = MARGIN + LABEL_WIDTH
    const width = ((widest * speed) / fastest).toFixed(1)
    const baseline = y + BAR_HEIGHT - 5
    return `<text x="${x - 8}" y="${baseline}" text-anchor="end">${escape(name)}</text>
<rect class="${isOurs ? 'ours' : 'peer'}" x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>
<text x="${x + Number(width) + 8}" y="${baseline}">${speed.toFixed(1)}</text>`
  })
  return [`<text class="panel" x="${MARGIN}" y="${top + 18}">${escape(title)}</text>`, ...drawn].join('\n')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
