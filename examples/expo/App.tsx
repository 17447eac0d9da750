// The screen of an Expo app: makes a picture, also while the app is in the background. The app has picture-queue and
// @supabase/supabase-js, and in .env the three variables that are named here.
import { createClient as createSupabase } from '@supabase/supabase-js';
import { createClient } from 'picture-queue';
import { PictureQueueProvider, useImageGeneration } from 'picture-queue/react';
import { followAppState } from 'picture-queue/react-native';
import { useEffect, useState } from 'react';
import { AppState, Button, Image, Text, View } from 'react-native';

const supabase = createSupabase(
  process.env.EXPO_PUBLIC_SUPABASE_URL ?? '',
  process.env.EXPO_PUBLIC_SUPABASE_PUBLISHABLE_KEY ?? '',
  // Give it a storage for the session: https://supabase.com/docs/guides/auth/quickstarts/react-native
  { auth: { persistSession: false } },
);
const pictures = createClient({
  url: process.env.EXPO_PUBLIC_START_GENERATION_URL ?? '',
  getToken: async () => (await supabase.auth.getSession()).data.session?.access_token,
});

export default function App() {
  const [isSignedIn, setSignedIn] = useState(false);
  useEffect(() => followAppState(pictures, AppState), []);
  useEffect(() => {
    // In place of your app's sign-in screen.
    supabase.auth
      .signUp({ email: `me-${Date.now()}@example.com`, password: 'a-long-password' })
      .then(({ data }) => setSignedIn(data.session !== null));
  }, []);
  return (
    <PictureQueueProvider client={pictures}>
      {isSignedIn ? <Lighthouse /> : <Text>Signing in.</Text>}
    </PictureQueueProvider>
  );
}

function Lighthouse() {
  const { generate, cancel, isGenerating, status, progress, imageUrl, error } = useImageGeneration();
  const make = () => generate({ prompt: 'a lighthouse at dawn', model_id: 'black-forest-labs/flux-schnell' });
  return (
    <View>
      <Button title={isGenerating ? 'Cancel' : 'Make a picture'} onPress={isGenerating ? cancel : make} />
      <Text>{error ? error.message : `${status}, ${progress} %`}</Text>
      {imageUrl && <Image source={{ uri: imageUrl }} style={{ width: 300, height: 300 }} />}
    </View>
  );
}
