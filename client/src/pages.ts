import { asyncIterator } from './platform.ts';
import type { Generation, GenerationPage } from './types.ts';

/** Read it with `for await`: generation by generation, or page by page. */
export interface Pages extends AsyncIterable<Generation> {
  pages(): AsyncIterable<GenerationPage>;
}

/** @param fetch a page, from a cursor on or from the beginning */
export function pages(fetch: (cursor?: string) => Promise<GenerationPage>): Pages {
  async function* all(): AsyncGenerator<GenerationPage, void> {
    let cursor: string | undefined;
    do {
      const page = await fetch(cursor);
      yield page;
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
  }
  return {
    pages: all,
    async *[asyncIterator]() {
      for await (const page of all()) yield* page.generations;
    },
  };
}
