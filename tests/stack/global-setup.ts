import type { TestProject } from 'vitest/node';
import { startTestServer } from '../../dev/stack/test-server.ts';
import type {} from './testing.ts';

/** vitest's globalSetup: one Postgres for the whole run, with the migrations applied once to a template. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer();
  project.provide('postgresUrl', server.superuserUrl);
  return server.stop;
}
