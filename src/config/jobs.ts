import type { Settings, ValueType, Values } from './setting.ts'
import { count, durationMs, integer, named, orOff, secondsAsMs } from './value-types.ts'

/** The rest of it is the driver's to read. */
const postgresUrl: ValueType<string> = {
  takes: 'url',
  expects: 'a URL of PostgreSQL, such as postgres://sotto:secret@db.example.com:5432/sotto',
  read: (value) => {
    const url = URL.parse(value)
    return url !== null && /^postgres(?:ql)?:$/.test(url.protocol) ? value : undefined
  },
}

/** Where jobs lie, how long they may take and stay, and how many of them a key may have. */
export const JOBS_SETTINGS = {
  databaseUrl: {
    variable: 'DATABASE_URL',
    flag: null,
    type: postgresUrl,
    default: null,
    meaning: 'a PostgreSQL that several servers and workers share; by default a database in the data folder',
    isSecret: true,
    see: '[below](#many-machines)',
  },
  leaseMs: {
    variable: 'SOTTO_LEASE',
    flag: 'lease',
    type: secondsAsMs(integer(2, 3600)),
    // Long enough for a few missed heartbeats, short enough that a lost worker's job soon runs again.
    default: '45',
    meaning: 'how long after its last sign of life a worker counts as dead, and its jobs run elsewhere',
    see: '[below](#when-a-worker-dies)',
  },
  maxRunMs: {
    variable: 'SOTTO_MAX_JOB_SECONDS',
    flag: 'max-job-seconds',
    type: orOff(secondsAsMs(count)),
    // The longest recording at a seventh of real time, as a large model may have on few cores beside other jobs.
    default: '604800',
    meaning: 'how long one run of a job may take; off: as long as it takes',
    see: '[below](#limits)',
  },
  maxAudioSeconds: {
    variable: 'SOTTO_MAX_AUDIO_SECONDS',
    flag: 'max-audio-seconds',
    type: orOff(named('seconds', count)),
    // Longer than any meeting, and a bound to what a few bytes can decode to.
    default: '86400',
    meaning: 'longest recording that an asynchronous job may have, by what it decodes to; off: any',
    see: '[below](#limits)',
  },
  queuedJobs: {
    variable: 'SOTTO_MAX_QUEUED_JOBS',
    flag: 'max-queued-jobs',
    type: orOff(count),
    default: 'off',
    meaning: 'jobs of one API key that may wait; more are refused with 429',
    see: '[below](#limits)',
  },
  runningJobs: {
    variable: 'SOTTO_MAX_RUNNING_JOBS',
    flag: 'max-running-jobs',
    type: orOff(count),
    default: 'off',
    meaning: 'jobs of one API key that may run at the same time; more of them wait',
    see: '[below](#limits)',
  },
  audioSecondsPerDay: {
    variable: 'SOTTO_MAX_AUDIO_SECONDS_PER_DAY',
    flag: 'max-audio-seconds-per-day',
    type: orOff(count),
    default: 'off',
    meaning: 'seconds of audio that one API key may submit on one day of UTC; more are refused with 429',
    see: '[below](#limits)',
  },
  retentionMs: {
    variable: 'SOTTO_RETENTION',
    flag: 'retention',
    type: orOff(durationMs),
    default: 'off',
    meaning: 'how long finished jobs are kept, with their recordings and results, such as 30d; off: for ever',
    see: '[below](#what-is-kept)',
  },
} as const satisfies Settings

type JobsValues = Values<typeof JOBS_SETTINGS>

export type JobsConfig = Omit<JobsValues, keyof KeyLimits> & {
  /** Of one API key; null: any number. */
  readonly limits: KeyLimits
}

type KeyLimits = Pick<JobsValues, 'queuedJobs' | 'runningJobs' | 'audioSecondsPerDay'>

export function jobsConfig({ queuedJobs, runningJobs, audioSecondsPerDay, ...others }: JobsValues): JobsConfig {
  return { ...others, limits: { queuedJobs, runningJobs, audioSecondsPerDay } }
}
