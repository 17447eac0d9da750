import type { Result } from './rehearsal.ts';

/** The section of docs/operations/runbook/backup.md. */
export function section({ lines, unknown, tables }: Result, date: Date): string {
  return [
    `Written by \`npm run rehearse:restore\` on ${date.toISOString().slice(0, 10)}; do not edit. All rows of ${tables} tables were there after the restore, none more and none fewer; every prediction of what the dump knew is in the ledger as at the provider, with its price.`,
    '',
    '| stood, at the dump | generations | ended, after the restore | paid, in all |',
    '|---|---:|---|---:|',
    ...lines.map(
      ({ state, generations, ended, paid }) => `| ${state} | ${generations} | ${ended} | ${paid} |`,
    ),
    '',
    `Everything that could end had ended, and was paid, in the lost time between dump and restore. Besides, ${unknown.predictions} generations were started in it: the restored database knows neither them nor the $${unknown.usd.toFixed(3)} that they cost.`,
  ].join('\n');
}
