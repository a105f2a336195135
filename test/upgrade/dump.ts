import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { MIGRATIONS } from '../../src/jobs/postgres/migrations.ts'

/** SQL that makes the same SQLite database in an empty file. What triggers would do on the inserts has been done already. */
export function dumpSqlite(path: string): string {
  using database = new DatabaseSync(path, { readOnly: true })
  const objects = database
    .prepare("select type, name, sql from sqlite_master where sql is not null and name not like 'sqlite_%'")
    .all()
    .map(({ type, name, sql }) => ({ isTable: type === 'table', name: String(name), sql: `${String(sql)};` }))
  const [tables, others] = [objects.filter(({ isTable }) => isTable), objects.filter(({ isTable }) => !isTable)]
  const inserts = [...tables.map(({ name }) => name), 'sqlite_sequence'].flatMap((table) =>
    database
      .prepare(`select * from ${table}`)
      .all()
      .map((row) => insert(table, row)),
  )
  const version = Number(database.prepare('pragma user_version').get()?.['user_version'])
  return lines(
    [...tables.map(({ sql }) => sql), ...inserts, ...others.map(({ sql }) => sql)],
    [`pragma user_version = ${version};`],
  )
}

/** SQL that makes the same PostgreSQL database in an empty one; jobs come first, whose triggers then find nothing to do. */
export async function dumpPostgres(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const rows = async (query: string): Promise<readonly Record<string, unknown>[]> => (await client.query(query)).rows
    const tables = await rows("select tablename as name from pg_tables where schemaname = 'public' order by 1")
    const names = ['jobs', ...tables.map(({ name }) => String(name)).filter((name) => name !== 'jobs')]
    const inserts: string[] = []
    for (const table of names.filter((name) => name !== HISTORY)) {
      const found = await rows(`select * from ${table} order by 1`)
      inserts.push(...found.map((row) => insert(table, row, 'overriding system value')))
    }
    const history = await rows(`select version, compatible_from from ${HISTORY} order by 1`)
    const sequence = "select setval(pg_get_serial_sequence('jobs', 'sequence'), (select max(sequence) from jobs));"
    return lines(
      [
        ...MIGRATIONS.map(({ sql }) => sql),
        `create table ${HISTORY} (version int primary key, compatible_from int not null, applied_at timestamptz not null default now());`,
        // The migration's own row is of another installation.
        'delete from installation;',
      ],
      [...inserts, ...history.map((row) => insert(HISTORY, row)), sequence],
    )
  } finally {
    await client.end()
  }
}

const HISTORY = 'schema_migrations'

function insert(table: string, row: Readonly<Record<string, unknown>>, how = ''): string {
  const columns = Object.keys(row).join(', ')
  return `insert into ${table} (${columns}) ${how} values (${Object.values(row).map(literal).join(', ')});`
}

function literal(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  throw new TypeError(`no column has values like ${typeof value}`)
}

function lines(...parts: readonly (readonly string[])[]): string {
  return `${parts.flat().join('\n')}\n`
}
