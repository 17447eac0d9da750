import type { Outcome } from '../auth/session.ts';

/** What came of a form that was sent. */
export function Result({ result }: { result: Outcome | undefined }) {
  if (result && !result.ok) {
    return (
      <p className="error" role="alert">
        {result.why}
      </p>
    );
  }
  if (!result?.next) return null;
  return (
    <p className="note" role="status">
      {result.next}
    </p>
  );
}
