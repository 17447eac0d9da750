import { hintFor } from './installation.ts';
import type { Options } from './options.ts';
import { type Smoke, type Step, StepFailure, StepSkipped } from './step.ts';

export interface StepReport {
  name: string;
  ok: boolean;
  ms: number;
  detail: string;
  /** What to do; only where it did not pass. */
  fix?: string;
  /** It was not tried. */
  skipped?: true;
}

export interface Report {
  /** Whether every step passed. */
  ok: boolean;
  started_at: string;
  ms: number;
  steps: StepReport[];
  /** What could not be removed, and why. */
  left_behind: string[];
}

export interface Listener {
  step(report: StepReport): void;
  progress(text: string): void;
}

/** Runs the steps one after another; one that fails stops only those that need it. What was made is removed. */
export async function run(
  options: Options,
  steps: Step[],
  signal: AbortSignal,
  listener: Listener,
): Promise<Report> {
  const begun = Date.now();
  const secrets = [options.serviceKey, options.anonKey];
  const clean = (text: string) => hideAll(text, secrets);
  const undo: { what: string; action: () => Promise<void> }[] = [];
  const smoke: Smoke = {
    options,
    signal,
    progress: (text) => listener.progress(clean(text)),
    hide: (secret) => void secrets.push(secret),
    cleanUp: (what, action) => void undo.push({ what, action }),
  };
  const reports: StepReport[] = [];
  for (const step of steps) {
    const at = Date.now();
    const missing = step.needs?.find((name) => reports.some((report) => report.name === name && !report.ok));
    const reason = signal.aborted ? 'interrupted' : missing && `it needs the step "${missing}"`;
    const result = reason
      ? { ok: false, skipped: true as const, detail: `not tried: ${reason}` }
      : await attempt(step, smoke);
    const report: StepReport = { name: step.name, ms: Date.now() - at, ...result };
    report.detail = clean(report.detail);
    if (report.fix !== undefined) report.fix = clean(hintFor(report.fix, options.installation));
    reports.push(report);
    listener.step(report);
  }
  const left: string[] = [];
  for (const { what, action } of undo.reverse()) {
    await action().catch((error) =>
      left.push(clean(`${what}: ${error instanceof Error ? error.message : error}`)),
    );
  }
  return {
    ok: reports.every(({ ok }) => ok),
    started_at: new Date(begun).toISOString(),
    ms: Date.now() - begun,
    steps: reports,
    left_behind: left,
  };
}

async function attempt(step: Step, smoke: Smoke): Promise<Omit<StepReport, 'name' | 'ms'>> {
  try {
    return { ok: true, detail: await step.run(smoke) };
  } catch (error) {
    if (error instanceof StepSkipped) {
      return { ok: !error.wanted, skipped: true, detail: `not tried: ${error.message}` };
    }
    if (error instanceof StepFailure) return { ok: false, detail: error.message, fix: error.fix };
    if (smoke.signal.aborted) return { ok: false, detail: 'interrupted', fix: 'Run it again.' };
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ok: false, detail: text, fix: 'This should not happen: please report it.' };
  }
}

/** Longer ones first: one may hold another. */
function hideAll(text: string, secrets: string[]): string {
  return secrets
    .filter((secret) => secret.length > 0)
    .toSorted((a, b) => b.length - a.length)
    .reduce((shown, secret) => shown.replaceAll(secret, '[hidden]'), text);
}
