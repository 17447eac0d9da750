import { expect, test } from 'vitest';
import { toCsv } from '../../web/dashboard/src/lib/csv.ts';
import { briefly, duration, money, or, time } from '../../web/dashboard/src/lib/words.ts';

/** How the dashboard says numbers, and what it writes into a file. */

test.each([
  [0, '0 ms'],
  [0.0404, '40 ms'],
  [0.9996, '1.0 s'],
  [9.94, '9.9 s'],
  [59.4, '59 s'],
  [60, '1 min'],
  [3_599.6, '1 h'],
  [3_661, '1 h 1 min'],
  [86_400 * 2 + 4 * 3_600, '2 d 4 h'],
  [-3, '0 ms'],
])('%d seconds are %s', (seconds, said) => {
  expect(duration(seconds)).toBe(said);
});

test.each([
  [0, '0'],
  [0.4, '400 ms'],
  [100, '100 s'],
  [900, '15 min'],
  [6 * 3_600, '6 h'],
])('on an axis %d seconds are %s', (seconds, said) => {
  expect(briefly(seconds)).toBe(said);
});

test('money has as many digits as it needs, and what is not known is a dash', () => {
  expect([money(0.003), money(1.2), money(-0.5), or(null, money), or(0, money)]).toEqual([
    '$0.003',
    '$1.20',
    '-$0.50',
    '–',
    '$0.00',
  ]);
});

test('a time names its day where that is not today', () => {
  const now = new Date(2026, 10, 29, 15, 0, 0);
  expect(time(new Date(2026, 10, 29, 9, 5, 7), now)).toBe('09:05:07');
  expect(time(new Date(2026, 10, 28, 9, 5, 7), now)).toBe('Nov 28, 09:05:07');
  expect(time(new Date(2025, 10, 28, 9, 5, 7), now)).toBe('Nov 28, 2025, 09:05:07');
});

test('a file has quotes where they are needed, and no cell that a spreadsheet would run', () => {
  const rows = [
    { day: '2026-11-29', model: 'a,"b"', error_code: '=1+1', cost: 0.003 },
    { day: null, model: 'two\nlines', error_code: '-', cost: -1 },
  ];
  expect(toCsv(rows, ['day', 'model', 'error_code', 'cost'])).toBe(
    'day,model,error_code,cost\r\n2026-11-29,"a,""b""",\'=1+1,0.003\r\n,"two\nlines",\'-,-1\r\n',
  );
});
