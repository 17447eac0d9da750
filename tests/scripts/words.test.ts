import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/**
 * One word for one thing: docs/reference/glossary.md has the words, this list the ones that they replaced. It has
 * only what a machine can tell; a word that also has another sense is listed with the files in which it has none.
 */

interface Retired {
  word: RegExp;
  instead: string;
  /** The files to look through. Absent: all. */
  files?: RegExp;
  /** Lines in which the word means something else, and what. */
  except?: [line: RegExp, meaning: string];
}

const RUST = /\.rs$/;
const SHIPPED = /^(shared\/src|functions|xtask|client\/src|supabase)\//;
const CLIENT = /^client\/src\//;
/** What speaks of the queue: the SQL, what reads it, and the pages about it. */
const QUEUE =
  /^(supabase|functions|bench\/model-check|tests\/(database|conformance)|docs|shared\/tests|shared\/src\/(pipeline|ports|metrics))/;
/** What nobody reads but who builds and operates. */
const NOT_FOR_USERS =
  /^(shared\/src|functions|xtask|supabase|scripts|bench|client\/src|docs\/(concepts|operations))\//;

const RETIRED: Retired[] = [
  // The queue
  {
    word: /\blanes?\b/i,
    instead: 'slots (private.user_slots)',
    except: [/private\.lanes/, 'a schema of before'],
  },
  { word: /\bprivate\.(lines|places|line_heads?)\b/, instead: 'ready_queues, user_slots, queue_head' },
  {
    word: /\b(next|low|head)_turn\b|\bturn_(step|at)\b|\bturns wrong\b/,
    instead: 'next_time, virtual_time_step, …',
  },
  {
    word: /\bfree places?\b|\bplaces? (that )?(is|are) free\b|\bno places? free\b/i,
    instead: 'slot',
    files: QUEUE,
  },
  { word: /\b(its|their|a|the) user(?:'|’)s places?\b/i, instead: 'slots' },
  { word: /\bplaces? in (the |its )?(queue|line)\b/i, instead: 'position' },
  {
    word: /\b(its|a) turn\b|\bfair turns\b/i,
    instead: 'virtual time, or what is waited for',
    files: /^(shared|functions|supabase)\//,
  },
  { word: /\blearned\b/i, instead: 'source of a prediction, or measured', files: SHIPPED },
  {
    word: /\bheld (jobs?|ones?)\b|\bjobs? ((is|was|are|were) )?held\b/i,
    instead: 'blocked',
    files: QUEUE,
  },
  {
    word: /\bheld\b/,
    instead: 'blocked',
    files: /^(supabase\/migrations|tests\/database\/(slots|running|metrics|views))/,
    except: [/'is_held'|"is_held"|\{is_held\}/, 'paused by an operator, in answers to the dashboard'],
  },
  { word: /\bheld\b/, instead: 'blocked', files: /^docs\/operations\/(operate|troubleshooting|logs)/ },
  {
    word: /\bfree_slots?(_of)?\b/,
    instead: 'release_slot, release_slots: they hand the slot on',
    files: /\.(sql|md)$/,
  },
  { word: /\badmit_(due|model)\b/, instead: 'reserve_due, check_model', files: /\.(sql|md)$/ },
  { word: /\b(take|read)_word\b/, instead: 'take_enum, read_enum' },
  { word: /\bchores?\b/i, instead: 'maintenance' },
  { word: /\b(the|its|own) books\b|\bbooks are\b|\bBookEntry\b/i, instead: 'the ledger' },
  // The Workers
  { word: /\bcouriers?\b/i, instead: 'WebhookSender' },
  { word: /\bverdicts?\b/i, instead: 'DeliveryOutcome, or what it is about' },
  { word: /\bToSend\b/, instead: 'Delivery', files: RUST },
  { word: /\bworkplace\b/i, instead: 'App' },
  {
    word: /\bworlds?\b/i,
    instead: 'Runtime, EdgeRuntime; in dev/replicate Simulation',
    files: /^(shared|functions|dev|bench\/model-check)\//,
    except: [/the outside world/, 'what is not ours'],
  },
  {
    word: /\b(struct|enum|catalogue::|live::)\s*Ask\b|\bmap_ask\b/,
    instead: 'GenerationParams, Subscription',
  },
  { word: /\bpass_on\b|\bexcerpts?\b/i, instead: 'peek, pipe' },
  { word: /\brelay(s|ed|ing)?\b/i, instead: 'pipe', except: [/6to4 relays/, 'RFC 7526'] },
  {
    word: /\bfn (because|telling|about)\b|\.(because|telling)\(/,
    instead: 'with_cause, with_field, …',
    files: RUST,
  },
  // The client
  { word: /\bpatienceMs\b/, instead: 'giveUpAfterMs' },
  { word: /\bhasten(s|ers?)?\b/i, instead: 'pollNow' },
  { word: /\bmayHeal\b/, instead: 'isRetryable' },
  { word: /\bisPassing\b/, instead: 'isTransient' },
  {
    word: /\b(look|hear|tell|spread)\(|\b(tell|look|hear|heard):/,
    instead: 'poll, onMessage, emit, jitter',
    files: CLIENT,
  },
  { word: /\b(looks|news|Way|Tell)\b/, instead: 'polls, isNew, Connector, Emit', files: CLIENT },
  // Scripts
  { word: /\b(StackFault|UsageError)\b|\bclass \w*Fault extends Error\b/, instead: 'UserError' },
  { word: /\bFault\b/, instead: 'UserError: a Fault is what tests inject', files: /^scripts\// },
  // Elsewhere
  {
    word: /(?<!\bat )\bfaults?\b/i,
    instead: 'Failure, Problem, error: a fault is what tests inject',
    files: SHIPPED,
  },
  {
    word: /(?<!\bat )\bfaults?\b/i,
    instead: 'failure, error, defect: a fault is what tests inject',
    files: /^(docs\/(?!operations\/soak)|README|CHANGELOG|CONTRIBUTING)/,
    except: [
      /decisions\/|\bsoak\b|what tests inject|tests break on purpose/,
      'names of pages, and what tests inject',
    ],
  },
  {
    word: /\bpictures?\b(?![ -]?queue)/i,
    instead: 'generation, image',
    files: NOT_FOR_USERS,
    except: [/SOURCE: \[|decisions\/|quick-start\.md#/, 'what models say; names of pages'],
  },
];

/** What keeps the words of its time. */
const NOT_READ = [
  'bench/queue/before', // the schema of an earlier version, which the benchmark runs beside this one
  'docs/decisions', // what was decided, and how it was called then
  'docs/operations/benchmarks.md', // written by a run: it names the functions that were measured
  'tests/scripts/words.test.ts',
  'package-lock.json',
  'dev/replicate/models.json', // what Replicate says of its models
];

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_OURS = ['node_modules', 'target', 'build', 'dist'];
const TEXT = /\.(md|ts|tsx|mts|mjs|js|rs|sql|py|sh|toml|yml|json|html|css)$/;

function files(folder = ''): string[] {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.name.startsWith('.') || NOT_OURS.includes(entry.name) || NOT_READ.includes(file)) return [];
    return entry.isDirectory() ? files(file) : TEXT.test(file) ? [file] : [];
  });
}

/** Takes compound names apart, so that words are seen in `wordOf`, `WordOf`, `word_of` and `WORD_OF`. */
const apart = (text: string) =>
  text
    .replaceAll('_', ' ')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2');

/** The lines, from 1, in which the word is; in any spelling. */
function linesOf(word: RegExp, spellings: string[]): Map<number, string> {
  const all = spellings.flatMap((text) =>
    [...text.matchAll(new RegExp(word, `g${word.flags}`))].map(({ 0: used, index }) => {
      return [text.slice(0, index).split('\n').length, used] as const;
    }),
  );
  return new Map(all.reverse());
}

/** Each use of a retired word, as `file:line: word → what to use`; in the file's own name as `file: word → …`. */
function uses(file: string, text: string): string[] {
  const lines = text.split('\n');
  const inText = [text, apart(text)];
  const inName = [file, apart(file)];
  const found = RETIRED.flatMap(({ word, instead, files, except }) => {
    if (files && !files.test(file)) return [];
    const isMeant = (line = '') => !except?.[0].test(line);
    return [
      ...[...linesOf(word, inName).values()].map((used) => `${file}: ${used} → ${instead}`),
      ...[...linesOf(word, inText)]
        .filter(([line]) => isMeant(lines[line - 1]))
        .map(([line, used]) => `${file}:${line}: ${used} → ${instead}`),
    ];
  });
  return found.sort();
}

test('no retired word is in use', () => {
  const all = files();
  expect(all.length).toBeGreaterThan(500);
  expect(all.flatMap((file) => uses(file, fs.readFileSync(path.join(ROOT, file), 'utf8')))).toEqual([]);
});

describe('a retired word is found', () => {
  test.each([
    ['functions/edge/src/lib.rs', 'pub struct Courier;', 'Courier → WebhookSender'],
    ['supabase/migrations/1_queue.sql', "-- one\n'held', v_held", 'held → blocked'],
    ['docs/guides/client.md', '`patienceMs`', 'patienceMs → giveUpAfterMs'],
    ['client/src/polling.ts', 'const mayHeal = 1;', 'mayHeal → isRetryable'],
    ['scripts/tools.mjs', 'class StackFault extends Error {}', 'class StackFault extends Error → UserError'],
    ['docs/concepts/queue.md', 'the cron does its chores', 'chores → maintenance'],
    // Endings and folders.
    ['functions/edge/src/lib.rs', '/// the place that is free now', 'place that is free → slot'],
    ['functions/edge/src/host.mjs', 'async function excerpt(response) {}', 'excerpt → peek'],
    ['bench/worker/javascript/storage.js', '// one\nasync function relay() {}', 'relay → pipe'],
    ['bench/pressure/goals.ts', 'export interface Verdict {', 'Verdict → DeliveryOutcome'],
    ['examples/curl/live.sh', '# what the courier brings', 'courier → WebhookSender'],
    // Compound names.
    ['shared/src/pipeline/deliver_webhook.rs', 'const EXCERPT_BYTES: usize = 256;', 'EXCERPT → peek'],
    ['bench/queue/report.ts', 'function verdictsOf(run) {', 'verdicts → DeliveryOutcome'],
    ['shared/src/live/change.rs', 'pub struct LiveFault {', 'Fault → Failure'],
    ['functions/process-jobs/src/lib.rs', 'for fault in swept.faults {', 'fault → Failure'],
    ['shared/tests/support/queue.rs', 'job_held: &Job,', 'job held → blocked'],
    ['shared/tests/pipeline_predictions.rs', 'fn it_is_in_the_books() {', 'the books → the ledger'],
    ['scripts/smoke/step.ts', 'async function fetchPicture() {', 'Picture → generation, image'],
    ['docs/concepts/architecture.md', 'an unclear fault', 'fault → failure'],
    ['shared/src/pipeline/generate.rs', '/// The job waits for its turn.', 'its turn → virtual time'],
    ['supabase/migrations/1_tables.sql', 'learned_by text', 'learned → source'],
    ['docs/operations/operate.md', 'Pictures of a user', 'Pictures → generation, image'],
    // Names of files.
    ['scripts/smoke/steps/picture.ts', '', 'picture → generation, image'],
    ['bench/pressure/verdict.ts', '', 'verdict → DeliveryOutcome'],
    ['bench/model-check/world.ts', '', 'world → Runtime'],
    ['shared/src/pipeline/webhookCourier.rs', '', 'Courier → WebhookSender'],
  ])('%s: %s', (file, text, expected) => {
    const at = text === '' ? file : `${file}:${text.split('\n').length}`;
    const found = uses(file, text);
    expect(
      found.some((use) => use.startsWith(`${at}: ${expected}`)),
      found.join('\n'),
    ).toBe(true);
  });

  test('and the same word in another sense is not', () => {
    expect(uses('tests/browser/once.test.ts', 'a key that is held')).toEqual([]);
    expect(uses('shared/src/policy/address_policy.rs', '// 6to4 relays')).toEqual([]);
    expect(uses('dev/replicate/faults.ts', 'export interface Fault {}')).toEqual([]);
  });
});
