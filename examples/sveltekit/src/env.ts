// The variables of a SvelteKit 3 app: what is not named here is undefined in it. Without one of them it does not start.
import { defineEnvVars } from '@sveltejs/kit/env';

export const variables = defineEnvVars({
  PUBLIC_SUPABASE_URL: { public: true },
  PUBLIC_SUPABASE_PUBLISHABLE_KEY: { public: true },
  PUBLIC_START_GENERATION_URL: { public: true },
  WEBHOOK_SECRET: {},
});
