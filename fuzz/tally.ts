/** How often each thing came. */
export class Tally {
  readonly #counts = new Map<string, number>()

  count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  toString(): string {
    const names = [...this.#counts.keys()].sort()
    return names.map((name) => `${this.#counts.get(name)} × ${name}`).join(', ')
  }
}
