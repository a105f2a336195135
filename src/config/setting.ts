/** What the values of settings look like as text, and how it is read. */
export interface ValueType<T> {
  /** For the help, such as `number` or `on|off`. */
  readonly takes: string
  /** Goes on the sentence "PORT takes …". */
  readonly expects: string
  /** For the documentation, such as `from 1 to 256`. */
  readonly range?: string
  /** Undefined: the text is no such value. */
  readonly read: (text: string) => T | undefined
}

/** One setting, described once: types, validation, `--help` and docs/configuration.md come from it. */
export interface Setting<T = unknown> {
  /** The environment variable. */
  readonly variable: string
  /** Name of the flag, without the dashes; null for what is better kept out of a command line. */
  readonly flag: string | null
  readonly type: ValueType<T>
  /** As somebody would write it, a `~` for the home folder included; null: the value is null. */
  readonly default: string | null
  readonly meaning: string
  /** The value is never shown. */
  readonly isSecret?: true
  /** Where the documentation says more: a Markdown link. */
  readonly see?: string
}

export type Settings = Readonly<Record<string, Setting>>

type Value<S extends Setting> =
  S['type'] extends ValueType<infer T> ? (S['default'] extends null ? T | null : T) : never

/** What settings are read as. */
export type Values<S extends Settings> = { readonly [Name in keyof S]: Value<S[Name]> }
