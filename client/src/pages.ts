import { asyncIterator } from './platform.ts';
import type { Generation, GenerationPage } from './types.ts';

/** Read it with `for await`: generation by generation, or page by page. */
export interface Pages extends AsyncIterable<Generation> {
  pages(): AsyncIterable<GenerationPage>;
}

/** @param fetch a page, from a cursor on or from the beginning */
export function pages(fetch: (cursor: { cursor?: string }) => Promise<GenerationPage>): Pages {
  async function* all(): AsyncGenerator<GenerationPage, void> {
    let cursor: { cursor?: string } | undefined = {};
    while (cursor) {
      const page: GenerationPage = await fetch(cursor);
      yield page;
      cursor = page.next_cursor === null ? undefined : { cursor: page.next_cursor };
    }
  }
  return {
    pages: all,
    async *[asyncIterator]() {
      for await (const page of all()) yield* page.generations;
    },
  };
}
