/** A spreadsheet takes a cell that begins so for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number | null): string {
  if (value === null || typeof value === 'number') return String(value ?? '');
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as RFC 4180 has them, with a line of names. */
export function toCsv<R>(rows: readonly R[], names: readonly (keyof R & string)[]): string {
  const lines = rows.map((row) => names.map((name) => cell(row[name] as string | number | null)).join(','));
  return `${[names.join(','), ...lines].join('\r\n')}\r\n`;
}
