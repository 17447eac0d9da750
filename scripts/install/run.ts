/** What both commands do alike: the list of steps, and what is told of them. */

import path from 'node:path';
import { say } from '../progress.mjs';
import { UserError } from '../user-error.mjs';
import { EnvFile, type Values } from './env-file.ts';
import type { Options } from './options.ts';
import { combine, complaints } from './settings.ts';

/** What a step found: that nothing had to be done, or what it has done. */
export type Outcome = { unchanged: string } | { done: string } | { unchecked: string };

export interface Step {
  title: string;
  run(): Promise<Outcome>;
}

/** Runs the steps in order. A failure says where it stands. */
export async function runSteps(command: string, steps: Step[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const [index, { title, run }] of steps.entries()) {
    const place = `${index + 1}/${steps.length} ${title}`;
    try {
      const outcome = await run();
      outcomes.push(outcome);
      say(`${mark(outcome)} ${place}: ${Object.values(outcome)[0]}`);
    } catch (error) {
      const done = steps.slice(0, index).map((step) => step.title);
      const so = done.length === 0 ? 'Nothing was done before.' : `Done before: ${done.join(', ')}.`;
      const where = `${so} ${command} goes on from here when you run it again.`;
      if (error instanceof UserError) throw new UserError(`${place}: ${error.message}\n  ${where}`);
      // A defect of ours, told with its stack; where it stands is no less true.
      say(`✖ ${place} did not end. ${where}`);
      throw error;
    }
  }
  return outcomes;
}

function mark(outcome: Outcome): string {
  if ('done' in outcome) return '✔';
  return 'unchanged' in outcome ? '=' : '–';
}

/** A command of ours as a person types it. */
export function commandOf(command: string, installation: string, ...args: string[]): string {
  const all = [...args, ...(installation === 'production' ? [] : ['--name', installation])];
  return [`npm run ${command}`, ...(all.length > 0 ? ['--', ...all] : [])].join(' ');
}

export const envFileOf = ({ dir, name }: Options) => new EnvFile(path.join(dir, `.env.${name}`));

/** What is known of the installation. @throws UserError that names all that cannot be right */
export function readValues(options: Options): Values {
  const file = envFileOf(options);
  const { values, overruled } = combine(file.read(), process.env);
  if (overruled.length > 0)
    say(
      `${overruled.join(', ')} differ${overruled.length === 1 ? 's' : ''} in the environment: ${path.basename(file.file)} counts.`,
    );
  const wrong = complaints(values);
  if (wrong.length > 0)
    throw new UserError(`${wrong.join('\n  ')}\n  They are read from ${file.file} and the environment.`);
  if (values.SUPABASE_PROJECT_REF)
    values.SUPABASE_URL ??= `https://${values.SUPABASE_PROJECT_REF}.supabase.co`;
  if (values.SUPABASE_URL) values.SUPABASE_URL = values.SUPABASE_URL.replace(/\/$/, '');
  return values;
}
