import type { TrackItem } from './track-reader.ts'

/** A scrap ends at a jump of its timestamps by so much, or is none when it is longer. */
const SCRAP_SECONDS = 0.1

type FrameItem = TrackItem & { type: 'frame' }

/**
 * Leaves out what a damaged stretch of a file leaves here and there: sound that stands alone, shorter than any syllable, behind what could
 * not be read and before a gap. As a click in the silence it would only mislead.
 */
export function* withoutScraps(items: Generator<TrackItem>): Generator<TrackItem> {
  const held: FrameItem[] = []
  let heldSeconds = 0
  const release = function* (): Generator<TrackItem> {
    for (let item = held.shift(); item !== undefined; item = held.shift()) {
      yield item
      item.frame.free()
    }
    heldSeconds = 0
  }
  for (const item of items) {
    if (item.type !== 'frame') {
      if (item.type !== 'sign') yield* release()
      yield item
      continue
    }
    const [first] = held
    if (first !== undefined && isBehindGap(first, heldSeconds, item)) {
      for (const { frame } of held.splice(0)) frame.free()
      yield { ...item, lostBefore: first.lostBefore }
      heldSeconds = 0
      continue
    }
    const copy = first !== undefined || (item.lostBefore?.readErrors ?? 0) > 0 ? item.frame.clone() : null
    if (copy === null) {
      yield item
      continue
    }
    held.push({ ...item, frame: copy })
    heldSeconds += copy.nbSamples / copy.sampleRate
    if (heldSeconds >= SCRAP_SECONDS) yield* release()
  }
}

function isBehindGap(first: FrameItem, heldSeconds: number, { at }: FrameItem): boolean {
  return first.at !== undefined && at !== undefined && at - first.at - heldSeconds > SCRAP_SECONDS
}
