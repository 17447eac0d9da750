// Makes a picture and saves it. With npm start running in another terminal:
//   source .local/env.sh && node examples/node/picture.mjs "a red fox in the snow"
import { writeFile } from 'node:fs/promises';
import { createClient as createSupabase } from '@supabase/supabase-js';
import { createClient } from '../../client/src/index.ts'; // in your project: from 'picture-queue'

const { LOCAL_SUPABASE_URL = '', LOCAL_PUBLISHABLE_KEY = '', START_GENERATION_URL = '' } = process.env;
const prompt = process.argv[2] ?? 'a lighthouse at dawn';

const supabase = createSupabase(LOCAL_SUPABASE_URL, LOCAL_PUBLISHABLE_KEY);
const { error } = await supabase.auth.signUp({
  email: `me-${Date.now()}@example.com`,
  password: 'a-long-password',
});
if (error) throw error;

const pictures = createClient({
  url: START_GENERATION_URL,
  // Asked before each request: supabase-js keeps the token fresh.
  getToken: async () => (await supabase.auth.getSession()).data.session?.access_token ?? null,
});

const { images } = await pictures.generate(
  { prompt, model_id: 'black-forest-labs/flux-schnell' },
  { onUpdate: ({ status, progress }) => console.log(`${status} ${progress} %`) },
);
for (const [index, { url, format }] of images.entries()) {
  const file = `picture-${index + 1}.${format}`;
  await writeFile(file, Buffer.from(await (await fetch(url)).arrayBuffer()));
  console.log(file);
}
