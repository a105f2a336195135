import type { ApiSettings } from './api/context.ts'
import type { Config } from './config/config.ts'

/** What the API takes of each part of the configuration. */
export function apiSettings({ server, jobs, payloads, engine, openai }: Config): ApiSettings {
  return {
    publicUrl: server.publicUrl,
    trustedProxies: server.trustedProxies,
    corsOrigins: server.corsOrigins,
    maxRequestsPerSecond: server.maxRequestsPerSecond,
    maxStreams: server.maxStreams,
    pollUrlTtlSeconds: server.pollUrlTtlSeconds,
    syncTimeoutMs: server.syncTimeoutMs,
    maxUploadBytes: payloads.maxUploadBytes,
    uploadUrlTtlSeconds: payloads.uploadUrlTtlSeconds,
    maxAudioSeconds: jobs.maxAudioSeconds,
    retentionMs: jobs.retentionMs,
    keyLimits: jobs.limits,
    openai: { ...openai, maxBytes: Math.min(openai.maxBytes, payloads.maxUploadBytes) },
    framework: engine.remote === null ? 'onnxruntime' : 'openai-api',
  }
}
