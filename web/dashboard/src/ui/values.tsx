import type { ReactNode } from 'react';
import { useClock } from '../lib/clock.ts';
import { address } from '../lib/route.ts';
import { duration, NONE, time } from '../lib/words.ts';

/** A time, in the reader's zone; all of it when pointed at. */
export function At({ time: at }: { time: string | null | undefined }) {
  if (!at) return <span>{NONE}</span>;
  return (
    <time dateTime={at} title={new Date(at).toString()}>
      {time(at)}
    </time>
  );
}

/** How long ago something was, counted on. */
export function Age({ since }: { since: string | null | undefined }) {
  const now = useClock();
  if (!since) return <span>{NONE}</span>;
  return (
    <time dateTime={since} title={new Date(since).toString()}>
      {duration((now - Date.parse(since)) / 1_000)}
    </time>
  );
}

/** How long ago something was that is known by its minute: no longer than that. */
export function AgeByMinute({ minute }: { minute: string | null | undefined }) {
  const now = useClock();
  if (!minute) return <span>{NONE}</span>;
  const minutes = Math.max(1, Math.ceil((now - Date.parse(minute)) / 60_000));
  return (
    <time dateTime={minute} title={`In the minute of ${new Date(minute).toString()}`}>
      {`under ${duration(minutes * 60)}`}
    </time>
  );
}

/** How long it is until then, counted down; what it says once that is over. */
export function Until({ time: at, over }: { time: string | null | undefined; over: string }) {
  const now = useClock();
  if (!at) return <span>{NONE}</span>;
  const left = (Date.parse(at) - now) / 1_000;
  return (
    <time dateTime={at} title={new Date(at).toString()} data-over={left <= 0}>
      {left > 0 ? duration(Math.ceil(left)) : over}
    </time>
  );
}

const KINDS = ['job', 'generation', 'user', 'prediction'] as const;

interface IdProps {
  kind: (typeof KINDS)[number];
  id: string | null | undefined;
  /** Instead of the id's beginning. */
  children?: string | undefined;
}

/** The end of an id: those that are made at the same time begin alike. */
export const brief = (id: string): string => `…${id.slice(-8)}`;

/** An id that leads to what it names: its end, and all of it when pointed at. */
export function Id({ kind, id, children }: IdProps) {
  if (!id) return <span>{NONE}</span>;
  const to =
    kind === 'user'
      ? address('users', undefined, { search: id })
      : kind === 'prediction'
        ? address('predictions', undefined, { search: id })
        : address(kind, id);
  return (
    <a className="id" href={to} title={id} translate="no">
      {children ?? brief(id)}
    </a>
  );
}

/** Words of ours in a field of colour; never by colour alone. */
export function Tag({
  tone = 'plain',
  children,
}: {
  tone?: 'plain' | 'good' | 'warn' | 'bad';
  children: string;
}) {
  return <span className={`tag ${tone}`}>{children}</span>;
}

const TONES: Record<string, 'good' | 'warn' | 'bad'> = {
  completed: 'good',
  succeeded: 'good',
  delivered: 'good',
  failed: 'bad',
  gone: 'bad',
  aborted: 'bad',
  stuck: 'warn',
  blocked: 'warn',
};

export const Status = ({ of }: { of: string | null }) =>
  of ? <Tag tone={TONES[of] ?? 'plain'}>{of}</Tag> : <span>{NONE}</span>;

/** Facts of one thing, each with its name. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts-list">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? NONE}</dd>
        </div>
      ))}
    </dl>
  );
}

interface MeterProps {
  label: string;
  /** Of what is allowed. */
  value: number;
  most: number;
  /** Both in words. */
  says: string;
}

/** How much of something is used. */
export function Meter({ label, value, most, says }: MeterProps) {
  const share = most > 0 ? Math.min(1, value / most) : 1;
  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw <meter> as they like, some not at all in the dark
    <div
      className="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={most}
      aria-valuenow={Math.min(value, most)}
      aria-valuetext={says}
      data-tone={share >= 1 ? 'bad' : share >= 0.8 ? 'warn' : 'good'}
    >
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect className="meter-all" width="100" height="4" />
        <rect className="meter-used" width={share * 100} height="4" />
      </svg>
    </div>
  );
}

/** JSON as it is, for whoever looks into it. */
export function Json({ of }: { of: unknown }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <pre className="code" translate="no" tabIndex={0}>
      {JSON.stringify(of, null, 2)}
    </pre>
  );
}
