/** Numbers and times in words for people. */

const NUMBER = new Intl.NumberFormat('en');
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const PERCENT = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
const usd = (digits: number) =>
  new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: digits });
const CENTS = usd(2);
const PARTS_OF_CENTS = usd(4);

/** `12,345`. */
export const number = (value: number): string => NUMBER.format(value);

/** `12.3K`: on a chart's axis. */
export const compact = (value: number): string => COMPACT.format(value);

/** @param share of 1 */
export const percent = (share: number): string => PERCENT.format(share);

/** US dollars: `$0.003`, `$1.20`. */
export const money = (amount: number): string =>
  (Math.abs(amount) < 0.1 ? PARTS_OF_CENTS : CENTS).format(amount);

/** What is not known, or is no limit. */
export const NONE = '–';

/** With what is there; a dash for what is not. */
export const or = <T>(value: T | null | undefined, say: (value: T) => string): string =>
  value === null || value === undefined ? NONE : say(value);

/** A length of time: `40 ms`, `3.2 s`, `5 min 20 s`, `3 h 5 min`, `2 d 4 h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 0.9995) return `${Math.round(s * 1_000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const whole = Math.round(s);
  const two = (unit: string, length: number, part: string, partLength: number) => {
    const rest = Math.floor((whole % length) / partLength);
    return `${Math.floor(whole / length)} ${unit}${rest > 0 ? ` ${rest} ${part}` : ''}`;
  };
  if (whole < 3_600) return two('min', 60, 's', 1);
  if (whole < 86_400) return two('h', 3_600, 'min', 60);
  return two('d', 86_400, 'h', 3_600);
}

/** A length of time in one unit, for a chart's axis: `400 ms`, `100 s`, `15 min`, `6 h`. */
export function briefly(seconds: number): string {
  const inUnit = (length: number, unit: string) =>
    `${NUMBER.format(Math.round((seconds / length) * 10) / 10)} ${unit}`;
  if (seconds === 0) return '0';
  if (seconds < 1) return inUnit(0.001, 'ms');
  if (seconds < 600) return inUnit(1, 's');
  return seconds < 3 * 3_600 ? inUnit(60, 'min') : inUnit(3_600, 'h');
}

/** `29 Nov 2026`, in the reader's own zone. */
export const date = (at: string): string =>
  new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** `12:30:05`, with the day where it is not today; in the reader's own zone. */
export function time(at: string | number | Date, now = new Date()): string {
  const date = new Date(at);
  const clock = date.toLocaleTimeString('en', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  if (date.toDateString() === now.toDateString()) return clock;
  return `${date.toLocaleDateString('en', { day: 'numeric', month: 'short', year: date.getFullYear() === now.getFullYear() ? undefined : 'numeric' })}, ${clock}`;
}

/** `3 jobs`, `1 job`. */
export const count = (n: number, noun: string): string => `${number(n)} ${noun}${n === 1 ? '' : 's'}`;
