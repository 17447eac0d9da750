import type { RunningSupabase } from '../../../dev/stack/supabase/index.ts';
import { createSupabase } from '../../stack/testing.ts';
import { type CountingProxy, type Intervention, startProxy } from './proxy.ts';
import { TestStack } from './stack.ts';
import { TestUser } from './user.ts';

/** A stack whose requests to Supabase pass a proxy that counts them. */
export interface CountedStack {
  supabase: RunningSupabase;
  proxy: CountingProxy;
  stack: TestStack;
  user: TestUser;
  stop(): Promise<void>;
}

/** @param env more variables of the workers */
export async function startCounted(
  env: Record<string, string> = {},
  intervene?: Intervention,
): Promise<CountedStack> {
  const supabase = await createSupabase();
  const proxy = await startProxy(supabase.url, intervene);
  const stack = await TestStack.start({
    env: {
      ...env,
      SUPABASE_URL: proxy.url,
      SUPABASE_ANON_KEY: supabase.anonKey,
      SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey,
      SUPABASE_JWT_SECRET: supabase.jwtSecret,
      DATABASE_URL: supabase.databaseUrl,
    },
  });
  const user = await TestUser.signUp(stack);
  // The first call of a new isolate fetches the project's public keys, once in many minutes.
  await user.call('GET', '/generations');
  const stop = async () => {
    await stack.stop();
    await proxy.stop();
    await supabase.stop();
  };
  return { supabase, proxy, stack, user, stop };
}
