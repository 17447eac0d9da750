import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Installation } from './installation.ts';

// npm run setup, killed at every step, and run again: it ends where an undisturbed run ends.

const MINUTES = 60_000;
const SETUP = ['--no-smoke'];

describe('npm run setup, killed', () => {
  let undisturbed: Installation;
  let cut: Installation;

  beforeAll(async () => {
    [undisturbed, cut] = await Promise.all([Installation.start(), Installation.start()]);
  });
  afterAll(() => Promise.all([undisturbed.stop(), cut.stop()]));

  test('at each step, ends in the same state', { timeout: 30 * MINUTES }, async () => {
    const whole = await undisturbed.run('setup', SETUP, undisturbed.settings());
    expect(whole.code, whole.output).toBe(0);

    // While it asks Supabase for the keys: some settings are written, some are not.
    await cutAt('the keys', (kill) => {
      cut.supabase.onAsk = (path) => path.endsWith('/api-keys') && kill();
    });
    cut.supabase.onAsk = () => {};
    expect(Object.keys(cut.file.read())).not.toContain('SUPABASE_SERVICE_ROLE_KEY');

    // In the midst of the migrations.
    await cutAt('the migrations', (kill) => {
      const timer = setInterval(async () => {
        if ((await cut.migrations().catch(() => [])).length < 3) return;
        clearInterval(timer);
        kill();
      }, 10);
    });
    const applied = await cut.migrations();
    expect(applied.length).toBeGreaterThan(2);

    // After each thing that it changes at Cloudflare, before it hears that it is done.
    const points = [...new Set(undisturbed.cloudflare.writes)];
    expect(points.length).toBeGreaterThan(6);
    const reached: string[] = [];
    for (const point of points) {
      const isCut = await cutAt(point, (kill) => {
        cut.cloudflare.onWrite = (what) => what === point && kill();
      });
      cut.cloudflare.onWrite = () => {};
      if (isCut) reached.push(point);
    }
    expect(reached.length, `killed at ${reached.join(', ')}`).toBeGreaterThan(6);

    const last = await cut.run('setup', SETUP);
    expect(last.code, last.output).toBe(0);
    const [wanted, found] = [await undisturbed.state(), await cut.state()];
    expect(found.workers).toEqual(wanted.workers);
    expect(found.migrations).toEqual(wanted.migrations);
    expect(cut.cloudflare.unknown).toEqual([]);
    expect(await cut.filesWithSecrets()).toEqual([]);

    const again = await cut.run('setup', SETUP);
    expect(again.output.match(/: unchanged/g), again.output).toHaveLength(5);
  });

  /** Runs it until it is killed. A point that is passed already does not come again. */
  async function cutAt(point: string, arm: (kill: () => void) => void): Promise<boolean> {
    let killed = false;
    arm(() => {
      if (killed) return;
      killed = true;
      cut.kill();
    });
    const { code, output } = await cut.run('setup', SETUP, cut.settings());
    expect(killed || code === 0, `${point}: ${output}`).toBe(true);
    return killed;
  }
});
