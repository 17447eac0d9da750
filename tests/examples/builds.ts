/** The apps of examples/ as their frameworks' own starters lay them out, with the packages that they are built with. */

export interface App {
  name: string;
  /** From npm, beside picture-queue. */
  packages: string[];
  /** What a starter brings. */
  files: Record<string, string>;
  /** Where it reads its variables. */
  env: string;
  /** A package's program with its arguments. */
  build: string[];
}

const SUPABASE = '@supabase/supabase-js@2.119.1';

export const NEXTJS: App = {
  name: 'nextjs',
  packages: [
    'next@16.4.6',
    'react@19.3.1',
    'react-dom@19.3.1',
    'typescript@6.0.3',
    '@types/node@22.20.5',
    '@types/react@19.3.0',
    SUPABASE,
  ],
  files: {
    'package.json': '{ "private": true }',
    'app/layout.tsx': `import type { ReactNode } from 'react';
      export default function Layout({ children }: { children: ReactNode }) {
        return <html lang="en"><body>{children}</body></html>;
      }`,
  },
  env: '.env.local',
  build: ['next/dist/bin/next', 'build'],
};

export const SVELTEKIT: App = {
  name: 'sveltekit',
  packages: [
    '@sveltejs/kit@3.2.0',
    '@sveltejs/adapter-node@6.0.1',
    '@sveltejs/vite-plugin-svelte@7.3.1',
    'svelte@5.57.3',
    'typescript@6.0.3',
    'vite@8.3.8',
    SUPABASE,
  ],
  files: {
    'package.json': '{ "private": true, "type": "module" }',
    'vite.config.js': `import adapter from '@sveltejs/adapter-node';
      import { sveltekit } from '@sveltejs/kit/vite';
      export default { plugins: [sveltekit({ adapter: adapter() })] };`,
    'src/app.html': `<!doctype html><html lang="en"><head>%sveltekit.head%</head>
      <body><div>%sveltekit.body%</div></body></html>`,
  },
  env: '.env',
  build: ['vite/bin/vite.js', 'build'],
};

export const EXPO: App = {
  name: 'expo',
  packages: ['expo@58.0.26', 'react@19.3.0', 'react-native@0.88.1', SUPABASE],
  files: {
    'package.json': '{ "private": true, "main": "expo/AppEntry.js" }',
    'app.json': '{ "expo": { "name": "pictures", "slug": "pictures" } }',
  },
  env: '.env',
  build: ['expo/bin/cli', 'export', '--platform', 'android'],
};
