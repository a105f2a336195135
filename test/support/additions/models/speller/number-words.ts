const ONES = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
const TEENS = ['eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen']
const TENS = ['', '', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety']

/** The words of a whole number from 0 to 99. */
export function numberWords(number: number): readonly string[] {
  const small = [...ONES, ...TEENS][number]
  if (small !== undefined) return [small]
  const ones = number % 10
  return [TENS[Math.floor(number / 10)] ?? 'many', ...(ones === 0 ? [] : [ONES[ones] ?? ''])]
}
