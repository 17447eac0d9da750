import type { Situation } from './findings.ts';

/** The parts of which the reports are made. */
export function headOf(title: string, situation: Situation): string {
  const { database, version, role } = situation;
  return `# Move from the original: ${title}\n\n${new Date().toISOString()}, database ${database}, PostgreSQL ${version}, as ${role}.`;
}

export function table(head: string[], lines: string[][]): string {
  if (lines.length === 0) return 'There are none.';
  const row = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [row(head), `|${'---|'.repeat(head.length)}`, ...lines.map(row)].join('\n');
}

export function list(items: string[]): string {
  return items.length === 0 ? 'There are none.' : items.map((item) => `- ${item}`).join('\n');
}
