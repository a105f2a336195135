/** Where a client wants its jobs to run: on any CPU, or where a GPU may be there. */
export const SERVICE_TIERS = ['cpuflex', 'gpuflex'] as const
export type ServiceTier = (typeof SERVICE_TIERS)[number]
