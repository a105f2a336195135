import type { Finding, PartReport } from './cases.ts'
import { describeFigures } from './watch/watch.ts'

/** Of one kind; what follows are mostly more of the same. */
const SHOWN = 3

/** Prints a part's figures and what was wrong, with the command that does it again; says whether nothing was. */
export function printReport(report: PartReport, seed: number): boolean {
  console.log(`${report.part}: ${report.cases} cases, ${report.findings.length} wrong`)
  for (const figure of [describeFigures(report.watch), ...report.figures]) console.log(`  ${figure}`)
  const kinds = Map.groupBy(report.findings, kindOf)
  for (const [, findings] of kinds) {
    for (const finding of findings.slice(0, SHOWN))
      console.log(`  WRONG ${finding.what}\n    again: ${commandFor(finding, seed)}`)
    if (findings.length > SHOWN) console.log(`  WRONG … and ${findings.length - SHOWN} more like these`)
  }
  return report.findings.length === 0
}

/** The same but for ids and numbers. */
function kindOf({ what }: Finding): string {
  const afterTarget = what.replace(/^[A-Za-z]+ \/\S*: /, '')
  return (
    afterTarget
      .split('\n')[0]
      ?.replaceAll(/[\da-f-]{8,}|\d+/g, '#')
      .slice(0, 50) ?? ''
  )
}

function commandFor({ part, case: number }: Finding, seed: number): string {
  const one = number === undefined ? '' : ` --case ${number}`
  return `npm run fuzz -- --only ${part} --seed ${seed}${one}`
}
