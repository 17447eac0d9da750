import type { GenerateParams } from 'picture-queue';

/** Requests as code, to be run elsewhere. Tokens stay out of it: they come from the environment. */

const TOKEN = 'PICTURE_QUEUE_TOKEN';

const body = (params: GenerateParams) => JSON.stringify(params, null, 2);

/** For a shell, with the user's access token in PICTURE_QUEUE_TOKEN. */
export function asCurl(origin: string, params: GenerateParams): string {
  return [
    `curl ${quoted(`${origin}/start-generation`)} \\`,
    `  -H "Authorization: Bearer $${TOKEN}" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d ${quoted(body(params))}`,
  ].join('\n');
}

/** For Node and the like, with the client. */
export function asTypeScript(origin: string, params: GenerateParams): string {
  // Names need no quotes; no line of a text begins like one, since JSON has its line ends escaped.
  const literal = body(params).replace(/^(\s*)"(\w+)":/gm, '$1$2:');
  return `import { createClient } from 'picture-queue';

const client = createClient({
  url: ${JSON.stringify(origin)},
  // The access token of the user who makes the picture.
  getToken: () => process.env.${TOKEN},
});
const { images } = await client.generate(${literal});
console.log(images[0]?.url);
`;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
