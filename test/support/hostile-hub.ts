import type { HubAnswer, HubSibling, HubTruth } from './hub.ts'

/** A lie of the hub's about a repository, and what the download is to end with. */
export interface HostileAnswer {
  readonly name: string
  readonly code: string
  readonly answer: (truth: HubTruth) => HubAnswer
}

const PETABYTE = 2 ** 50

/** What a hub must not get through with. All but the endless ones are a few bytes. */
export const HOSTILE_ANSWERS: readonly HostileAnswer[] = [
  { name: 'no JSON', code: 'model.hub_invalid', answer: () => ({ body: '<html>' }) },
  { name: 'nothing', code: 'model.hub_invalid', answer: () => ({ body: '' }) },
  { name: 'other JSON', code: 'model.hub_invalid', answer: () => ({ body: '[[[[]]]]' }) },
  { name: 'JSON without an end', code: 'model.hub_invalid', answer: () => ({ body: endless('[{"rfilename":"x"},') }) },
  { name: 'zeros without an end', code: 'model.hub_invalid', answer: () => ({ body: endless('\0') }) },
  {
    name: 'nesting',
    code: 'model.hub_invalid',
    answer: (truth) => changed(truth, { siblings: '['.repeat(100_000) }),
  },
  {
    name: 'a commit that is a path',
    code: 'model.hub_invalid',
    answer: (truth) => changed(truth, { sha: '../../../../../../tmp/commit' }),
  },
  {
    name: 'a hash that is a path',
    code: 'model.hub_invalid',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, blobId: '../../../blob' })),
  },
  {
    name: 'a config of a petabyte',
    code: 'model.hub_invalid',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, size: PETABYTE }), 'config.json'),
  },
  {
    name: 'weights of a petabyte',
    code: 'model.disk_full',
    answer: (truth) =>
      withFiles(truth, ({ lfs, ...file }) => ({ ...file, ...(lfs && { lfs: { ...lfs, size: PETABYTE } }) })),
  },
  {
    name: 'a negative size',
    code: 'model.hub_invalid',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, size: -1 })),
  },
  {
    name: 'a size that is no number',
    code: 'model.hub_invalid',
    answer: (truth) => ({ body: JSON.stringify(truth).replace(/"size":\d+/, '"size":1e999') }),
  },
  { name: 'no files', code: 'model.incomplete', answer: (truth) => changed(truth, { siblings: [] }) },
  {
    name: 'a small file of other content',
    code: 'model.corrupt',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, blobId: '0'.repeat(40) }), 'config.json'),
  },
  {
    name: 'a small file that is shorter than announced',
    code: 'model.corrupt',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, size: file.size + 1 }), 'config.json'),
  },
  {
    name: 'a small file that is longer than announced',
    code: 'model.corrupt',
    answer: (truth) => withFiles(truth, (file) => ({ ...file, size: 1 }), 'config.json'),
  },
]

/** Texts of `model.safetensors.index.json` that name no shards beside it. */
export const HOSTILE_INDEXES: readonly string[] = [
  '',
  'null',
  '{"weight_map": {}}',
  '{"weight_map": []}',
  '{"weight_map": {"a": "../x"}}',
  '{"weight_map": {"a": ".."}}',
  '{"weight_map": {"a": "/etc/passwd"}}',
  '{"weight_map": {"a": "x/../../y.safetensors"}}',
  '{"weight_map": {"a": 1}}',
  `{"weight_map": {"a": ${'['.repeat(10_000)}`,
]

function changed(truth: HubTruth, fields: Readonly<Record<string, unknown>>): HubAnswer {
  return { body: JSON.stringify({ ...truth, ...fields }) }
}

function withFiles(truth: HubTruth, change: (file: HubSibling) => HubSibling, only?: string): HubAnswer {
  const siblings = truth.siblings.map((file) => (only === undefined || file.rfilename === only ? change(file) : file))
  return changed(truth, { siblings })
}

function* endless(text: string): Generator<Buffer> {
  const chunk = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)))
  for (;;) yield chunk
}
