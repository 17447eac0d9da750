import type { Service } from './http.ts';
import type { Options } from './options.ts';

export const startGeneration = (options: Options): Service => ({
  name: 'start-generation',
  url: options.startGenerationUrl,
  from: '--url',
});

export const processJobs = (options: Options): Service => ({
  name: 'process-jobs',
  url: options.processJobsUrl,
  from: '--process-jobs-url',
});

export const processGeneration = (options: Options): Service => ({
  name: 'process-generation',
  url: options.processGenerationUrl,
  from: '--process-generation-url',
});

export const supabase = (options: Options): Service => ({
  name: 'Supabase',
  url: options.supabaseUrl,
  from: 'SUPABASE_URL',
});

/** Keys of today, `sb_…`, are no tokens: they go into `apikey` and nowhere else. */
export const isToken = (key: string): boolean => !key.startsWith('sb_');

/** The headers with which the Workers send this key to Supabase. */
export function keyHeaders(key: string): Record<string, string> {
  return { apikey: key, ...(isToken(key) ? { authorization: `Bearer ${key}` } : {}) };
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
