import type { ReactNode } from 'react';
import { CallError } from '../api/call.ts';
import type { Polled } from '../lib/poll.ts';

interface HeadProps {
  title: string;
  /** One sentence: what this page is for. */
  lead?: string;
  /** What can be chosen or done for the whole page. */
  children?: ReactNode;
}

export function Head({ title, lead, children }: HeadProps) {
  return (
    <div className="page-head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children && <div className="page-tools">{children}</div>}
    </div>
  );
}

interface PanelProps {
  title: string;
  lead?: string;
  tools?: ReactNode;
  children: ReactNode;
}

export function Panel({ title, lead, tools, children }: PanelProps) {
  return (
    <section className="panel" aria-label={title}>
      <div className="panel-head">
        <div>
          <h2>{title}</h2>
          {lead && <p className="hint">{lead}</p>}
        </div>
        {tools && <div className="panel-tools">{tools}</div>}
      </div>
      {children}
    </section>
  );
}

/** What was asked for, once it is there; until then that it comes, or why it does not. */
export function Answered<T>({ polled, children }: { polled: Polled<T>; children: (data: T) => ReactNode }) {
  if (polled.data !== undefined) return children(polled.data);
  if (polled.error === undefined)
    return (
      <p className="waiting" role="status">
        Loading …
      </p>
    );
  const { error } = polled;
  return (
    <div className="waiting">
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {error instanceof CallError && error.hint && <p className="hint">{error.hint}</p>}
    </div>
  );
}
