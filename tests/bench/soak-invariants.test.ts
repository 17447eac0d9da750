import { expect, test } from 'vitest';
import type { Case, Evidence } from '../../bench/soak/evidence.ts';
import { check } from '../../bench/soak/invariants.ts';
import type { Load } from '../../bench/soak/load.ts';
import type { Planned } from '../../bench/soak/plan.ts';
import type { PredictionRecord } from '../../dev/replicate/control.ts';

/** A judge that never finds anything is worth nothing: each invariant is broken once. */

const planned: Planned = {
  number: 1,
  user: 0,
  request: { model_id: 'a/b', prompt: '', width: 1, height: 1 },
};

const prediction = (attempts: number, output: unknown, status: PredictionRecord['status'] = 'succeeded') =>
  ({
    id: `p${attempts}`,
    status,
    prediction: { webhook: `http://w/?job=j&lease=1&attempts=${attempts}`, output },
  }) as unknown as PredictionRecord;

const job = (job_type: string, status = 'completed'): Case['jobs'][number] => ({
  id: job_type,
  generation_id: 'g',
  job_type,
  status,
  attempts: 0,
  prediction_id: null,
  error_details: null,
});

function sound(): { one: Case; evidence: Evidence; load: Load } {
  const image = { generation_id: 'g', storage_path: 'u/g.png', public_url: '', file_size: 1 };
  const one: Case = {
    row: {
      id: 'g',
      status: 'completed',
      error_code: null,
      model: 'a/b',
      seconds: 1,
      created_at: new Date(0),
      completed_at: new Date(1_000),
    },
    jobs: [job('generate-image'), job('download-image')],
    predictions: [prediction(0, null, 'failed'), prediction(1, ['http://o/0.png'])],
    images: [image],
    objects: ['u/g.png'],
  };
  const stats = { predictions: 2, running: 0 } as Evidence['stats'];
  const ledger = new Map([
    ['p0', 'failed'],
    ['p1', 'succeeded'],
  ]);
  const lists = {
    jobs: one.jobs,
    images: [image],
    objects: one.objects,
    mispriced: [],
    strays: [],
    unreadable: [],
  };
  const all = { ...lists, ledger, stats };
  const load = { started: new Map([['g', planned]]), cancelled: new Set<string>(), repeats: 0, answers: [] };
  return { one, evidence: { cases: new Map([['g', one]]), ...all }, load };
}

const brokenIn = ({ evidence, load }: ReturnType<typeof sound>) =>
  check(evidence, load).flatMap(({ name, broken }) => (broken > 0 ? [name] : []));

test('attempts that went with killed workers are no fault of the system', () => {
  const run = sound();
  const died = { code: 'lease_expired', message: '' };
  const [failed] = run.one.jobs;
  Object.assign(run.one, { images: [], objects: [], jobs: [failed] });
  Object.assign(run.evidence, { images: [], objects: [] });
  Object.assign(run.one.row, { status: 'failed' });
  Object.assign(failed ?? {}, { status: 'failed', attempts: 3, error_details: [died, died, died] });
  expect(brokenIn(run)).toEqual([]);
  Object.assign(failed ?? {}, { error_details: [died, died, { code: 'provider_error', message: '' }] });
  expect(brokenIn(run).join(), 'the third one met no fault that was played').toContain('only what could not');
});

test('a sound run breaks nothing', () => expect(brokenIn(sound())).toEqual([]));

test.each<[string, (run: ReturnType<typeof sound>) => void]>([
  ['every start that was answered', ({ load }) => load.started.set('lost', planned)],
  ['every start that was answered', ({ load }) => load.started.clear()],
  ['every generation ended', ({ one }) => Object.assign(one.row, { status: 'processing' })],
  ['every job ended', ({ one }) => one.jobs.push(job('cancel-prediction', 'pending'))],
  ['images, completed generations', ({ one }) => one.images.pop()],
  ['images, completed generations', ({ one }) => one.objects.push('u/g.webp')],
  ['images, completed generations', ({ one }) => one.objects.splice(0, 1, 'u/g.jpg')],
  ['every image can be read', ({ evidence }) => evidence.unreadable.push('g')],
  ['no attempt created a second', ({ one }) => one.predictions.push(prediction(1, null, 'canceled'))],
  ['no image was paid for twice', ({ one }) => one.predictions.push(prediction(2, 'http://o/1.png'))],
  ['every prediction is in the ledger', ({ evidence }) => evidence.ledger.delete('p0')],
  ['every prediction is in the ledger', ({ evidence }) => evidence.ledger.set('p1', 'failed')],
  ['every image in the ledger has its price', ({ evidence }) => evidence.mispriced.push('g')],
  ['no generation was completed twice', ({ one }) => one.jobs.push(job('download-image'))],
  ['only what could not succeed', ({ one }) => Object.assign(one.row, { status: 'failed' })],
  ['only what could not succeed', ({ one }) => Object.assign(one.row, { status: 'cancelled' })],
  ['only what could not succeed', ({ load }) => load.cancelled.add('g')],
  ['no prediction runs on', ({ evidence }) => Object.assign(evidence.stats, { running: 1 })],
  ['nothing belongs to no generation', ({ evidence }) => evidence.strays.push('object x')],
])('%s: noticed when it is not so', (name, spoil) => {
  const run = sound();
  spoil(run);
  expect(brokenIn(run).join('; ')).toContain(name);
});
