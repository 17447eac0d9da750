import { expect, test } from 'vitest';
import { Database } from './support.ts';

// Answers that a Worker reads whole have a bound in bytes, whatever the longest texts are made of.

const WORKER_READS = 4 * 1024 * 1024;
/** In JSON, four and six bytes for a character. */
const TEXTS = { emoji: '😀'.repeat(4000), controls: '\u0001'.repeat(4000), quotes: '"'.repeat(4000) };

const db = await Database.open();

interface Page {
  generations: { id: string }[];
  next_cursor: string | null;
}

test.each(Object.entries(TEXTS))(
  '100 generations with the longest prompts of %s are pages that can be read',
  async (_, text) => {
    const user = await db.createUser();
    const ids: string[] = [];
    for (let i = 0; i < 10; i++) {
      const items = Array(10).fill({ prompt: text });
      const { generations } = await db.start(user, { items, negative_prompt: text });
      ids.push(...generations.map((one) => one.generation_id));
    }
    const seen: string[] = [];
    let pages = 0;
    let cursor: string | null = null;
    do {
      const args: Record<string, unknown> = { p_limit: 100, p_cursor: cursor };
      const page: Page = await db.callAs(user, 'list_generations', args);
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(WORKER_READS / 2 + 100_000);
      expect(page.generations.length).toBeGreaterThan(0);
      seen.push(...page.generations.map((one) => one.id));
      cursor = page.next_cursor;
      pages++;
    } while (cursor);
    const bytes = 200 * (Buffer.byteLength(JSON.stringify(text)) + 2);
    expect(pages > 1).toBe(bytes > WORKER_READS / 2);
    expect(seen.length).toBe(100);
    expect(new Set(seen)).toEqual(new Set(ids));
  },
);

test.each(Object.entries(TEXTS))(
  'a claim of the most jobs at once, with the longest prompts of %s, can be read',
  async (_, text) => {
    await db.clear();
    const user = await db.createUser({ running_jobs: null });
    const more = {
      negative_prompt: text,
      style: text.slice(0, 200),
      model_version: text.slice(0, 200),
      source_image_url: `https://example.com/${'a'.repeat(2000)}`,
      webhook_url: `https://example.com/${'a'.repeat(2000)}`,
    };
    for (let i = 0; i < 4; i++) await db.start(user, { ...more, items: Array(10).fill({ prompt: text }) });
    const jobs = await db.claim(40);
    expect(jobs.length).toBe(40);
    expect(Buffer.byteLength(JSON.stringify(jobs))).toBeLessThan(WORKER_READS);
  },
);
