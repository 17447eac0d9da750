'use client';
// The page of a Next.js app: makes a picture in the browser and shows its progress. The app has picture-queue and
// @supabase/supabase-js, and in .env.local the three variables that are named here.
import { createClient as createSupabase } from '@supabase/supabase-js';
import { createClient } from 'picture-queue';
import { PictureQueueProvider, useImageGeneration } from 'picture-queue/react';
import { useEffect, useState } from 'react';

const supabase = createSupabase(
  process.env.NEXT_PUBLIC_SUPABASE_URL ?? '',
  process.env.NEXT_PUBLIC_SUPABASE_PUBLISHABLE_KEY ?? '',
);
const pictures = createClient({
  url: process.env.NEXT_PUBLIC_START_GENERATION_URL ?? '',
  getToken: async () => (await supabase.auth.getSession()).data.session?.access_token,
});

export default function Page() {
  const [isSignedIn, setSignedIn] = useState(false);
  useEffect(() => {
    // In place of your app's sign-in page.
    supabase.auth
      .signUp({ email: `me-${Date.now()}@example.com`, password: 'a-long-password' })
      .then(({ data }) => setSignedIn(data.session !== null));
  }, []);
  return (
    <PictureQueueProvider client={pictures}>
      {isSignedIn ? <Lighthouse /> : <p>Signing in.</p>}
    </PictureQueueProvider>
  );
}

function Lighthouse() {
  const { generate, cancel, isGenerating, status, progress, imageUrl, error } = useImageGeneration();
  const make = () => generate({ prompt: 'a lighthouse at dawn', model_id: 'black-forest-labs/flux-schnell' });
  return (
    <main>
      <button type="button" onClick={isGenerating ? cancel : make}>
        {isGenerating ? 'Cancel' : 'Make a picture'}
      </button>
      <output>{error ? error.message : `${status}, ${progress} %`}</output>
      {imageUrl && <img src={imageUrl} alt="A lighthouse at dawn" />}
    </main>
  );
}
