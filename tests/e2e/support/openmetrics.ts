/**
 * A strict reader of OpenMetrics text, after the ABNF and the rules of
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md for the types that are
 * used here. Throws where a scraper might.
 */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  name: string;
  type: string;
  unit?: string;
  help?: string;
  samples: Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const TEXT = '(?:[^"\\\\\\n]|\\\\["\\\\n])*';
const METADATA = new RegExp(`^# (TYPE|UNIT|HELP) (${NAME}) (.*)$`);
const SAMPLE = new RegExp(`^(${NAME})(\\{.*\\})? (\\S+)$`);
const LABEL = new RegExp(`([a-zA-Z_][a-zA-Z0-9_]*)="(${TEXT})"`, 'y');
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
/** What a sample's name has behind its family's. */
const SUFFIX: Record<string, string> = { gauge: '', counter: '_total', summary: '' };

export function parseOpenMetrics(text: string): Map<string, Family> {
  if (!text.endsWith('# EOF\n')) throw new Error('the text must end with "# EOF" and a line feed');
  const families = new Map<string, Family>();
  let current: Family | undefined;
  for (const [index, line] of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1).entries()) {
    const fail = (what: string) => new Error(`line ${index + 1}: ${what}: ${line}`);
    const [, keyword, name = '', rest = ''] = METADATA.exec(line) ?? [];
    if (keyword) {
      if (name !== current?.name) {
        if (families.has(name)) throw fail('the lines of a family must stand together');
        current = { name, type: 'unknown', samples: [] };
        families.set(name, current);
      }
      if (current.samples.length > 0) throw fail('metadata must come before the samples');
      describe(current, keyword, rest, fail);
      continue;
    }
    if (!current) throw fail('a sample without a family');
    current.samples.push(readSample(line, current, fail));
  }
  for (const { name, help, samples } of families.values())
    if (!help || samples.length === 0) throw new Error(`${name} has no help or no samples`);
  return families;
}

function describe(family: Family, keyword: string, rest: string, fail: (what: string) => Error): void {
  if (keyword === 'TYPE') {
    if (!(rest in SUFFIX)) throw fail('a type that is not known here');
    family.type = rest;
  } else if (keyword === 'UNIT') {
    if (!family.name.endsWith(`_${rest}`)) throw fail('the name must end with the unit');
    family.unit = rest;
  } else {
    if (!new RegExp(`^${TEXT}$`).test(rest)) throw fail('a help text that is not escaped');
    family.help = rest;
  }
}

function readSample(line: string, family: Family, fail: (what: string) => Error): Sample {
  const [, name, braces, number = ''] = SAMPLE.exec(line) ?? [];
  if (name !== `${family.name}${SUFFIX[family.type]}`) throw fail(`no sample of ${family.name}`);
  if (!NUMBER.test(number)) throw fail('no number');
  const value = Number(number);
  const labels = braces === undefined ? {} : readLabels(braces.slice(1, -1), fail);
  const { quantile } = labels;
  if ((quantile !== undefined) !== (family.type === 'summary')) throw fail('a quantile belongs to a summary');
  if (quantile !== undefined && !(Number(quantile) >= 0 && Number(quantile) <= 1)) throw fail('no quantile');
  if (family.type !== 'gauge' && value < 0) throw fail('must not be negative');
  const key = JSON.stringify(Object.entries(labels).sort());
  if (family.samples.some((one) => JSON.stringify(Object.entries(one.labels).sort()) === key))
    throw fail('a second sample with the same labels');
  return { labels, value };
}

function readLabels(text: string, fail: (what: string) => Error): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name = '', value = ''] = LABEL.exec(text) ?? [];
    if (!name || name in labels) throw fail('labels that cannot be read, or twice');
    labels[name] = value.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
    if (LABEL.lastIndex === text.length) break;
    if (text[LABEL.lastIndex++] !== ',' || LABEL.lastIndex === text.length) throw fail('no comma');
  }
  return labels;
}
