import { expect, test } from 'vitest';
import { parseOpenMetrics } from './support/openmetrics.ts';

// The reader that judges /metrics must refuse what a scraper refuses.

const GOOD =
  '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds So long.\na_seconds{b="c\\"\\n"} 1.5\n';

test('what is right is read', () => {
  const family = parseOpenMetrics(`${GOOD}# EOF\n`).get('a_seconds');
  expect(family).toMatchObject({ type: 'gauge', unit: 'seconds', help: 'So long.' });
  expect(family?.samples).toEqual([{ labels: { b: 'c"\n' }, value: 1.5 }]);
});

test.each([
  ['no end', GOOD],
  ['something behind the end', `${GOOD}# EOF\n\n`],
  ['an empty line', `${GOOD}\n# EOF\n`],
  ['a sample of another family', `${GOOD}b 1\n# EOF\n`],
  ['a sample twice', `${GOOD}a_seconds 1\na_seconds 1\n# EOF\n`],
  ['a family in two places', `${GOOD}# TYPE b gauge\n# HELP b B.\nb 1\n# TYPE a_seconds gauge\n# EOF\n`],
  ['metadata behind samples', `${GOOD}# HELP a_seconds Again.\n# EOF\n`],
  ['a unit that the name lacks', '# TYPE a gauge\n# UNIT a seconds\n# HELP a A.\na 1\n# EOF\n'],
  ['a counter without _total', '# TYPE a counter\n# HELP a A.\na 1\n# EOF\n'],
  ['a counter below zero', '# TYPE a counter\n# HELP a A.\na_total -1\n# EOF\n'],
  ['a quantile above one', '# TYPE a summary\n# HELP a A.\na{quantile="1.5"} 1\n# EOF\n'],
  ['a label without quotes', '# TYPE a gauge\n# HELP a A.\na{b=c} 1\n# EOF\n'],
  ['a label that breaks out', '# TYPE a gauge\n# HELP a A.\na{b="c" 1\n"} 1\n# EOF\n'],
  ['a label twice', '# TYPE a gauge\n# HELP a A.\na{b="c",b="d"} 1\n# EOF\n'],
  ['no number', '# TYPE a gauge\n# HELP a A.\na one\n# EOF\n'],
])('%s is refused', (_, text) => {
  expect(() => parseOpenMetrics(text)).toThrow();
});
