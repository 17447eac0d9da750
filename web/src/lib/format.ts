/** Numbers and times in words for people. */

const usd = (digits: number) =>
  new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: digits });
const CENTS = usd(2);
const PARTS_OF_CENTS = usd(4);

/** Less than that would be shown as nothing, which it is not. US dollars. */
const LEAST_SHOWN = 0.0001;

/** US dollars: `$0.003`, `$0.04`, `$1.20`, `under $0.0001`. */
export function money(amount: number): string {
  if (amount > 0 && amount < LEAST_SHOWN) return `under ${PARTS_OF_CENTS.format(LEAST_SHOWN)}`;
  return (amount < 0.1 ? PARTS_OF_CENTS : CENTS).format(amount);
}

/** A length of time, roughly: `3 s`, `2 min`, `5 h`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(n: number): string {
  const suffixes = { zero: 'th', one: 'st', two: 'nd', few: 'rd', many: 'th', other: 'th' };
  return `${n}${suffixes[new Intl.PluralRules('en', { type: 'ordinal' }).select(n)]}`;
}

const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** `5 minutes ago`, `yesterday`; a date where it is long past. */
export function ago(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1_000;
  if (seconds < 45) return 'just now';
  if (seconds > 7 * 86_400) return new Date(iso).toLocaleDateString('en', { dateStyle: 'medium' });
  for (const [unit, length] of STEPS) {
    if (seconds >= length) return AGO.format(-Math.round(seconds / length), unit);
  }
  return '1 minute ago';
}

/** `12:30`, with the day where it is not today. */
export function clock(at: Date, now = new Date()): string {
  const time = at.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString('en', { weekday: 'long' })}, ${time}`;
}

/** `1 picture`, `3 pictures`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** `1.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.max(1, Math.round(bytes / 1_000))} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
