import { useEffect, useRef, useState } from 'react';
import { Button } from '../../../src/ui/Button.tsx';
import { useMessages } from '../../../src/ui/messages.tsx';
import { useApi } from '../api/api.ts';
import type { AnalyticsArgs, Day, Dimension } from '../api/contract.ts';
import { toCsv } from '../lib/csv.ts';
import { exportRows, fieldOf, type Progress } from '../lib/export.ts';
import { save } from '../lib/save.ts';
import { count, number } from '../lib/words.ts';

interface ExportProps {
  args: AnalyticsArgs & { p_from: Day; p_to: Day };
  by: readonly Dimension[];
}

const DAY_MS = 86_400_000;
/** Both included. */
const days = (from: Day, to: Day) => Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;

/** Everything of what is chosen as a file: all days, also of all users, and not only what the page shows. */
export function Export({ args, by }: ExportProps) {
  const { call } = useApi();
  const { say } = useMessages();
  const [running, setRunning] = useState<Progress & { of: ExportProps['args'] }>();
  const control = useRef<AbortController>(undefined);
  const cancel = useRef<HTMLDivElement>(null);
  const download = useRef<HTMLDivElement>(null);
  const hasRun = useRef(false);
  const isRunning = running !== undefined;
  useEffect(() => () => control.current?.abort(), []);
  // The button that was pressed is gone: the focus goes to what has come in its place.
  useEffect(() => {
    const isLost = document.activeElement === document.body;
    if (isRunning) cancel.current?.querySelector('button')?.focus();
    else if (hasRun.current && isLost) download.current?.querySelector('button')?.focus();
    hasRun.current = isRunning;
  }, [isRunning]);

  const begin = async () => {
    const own = new AbortController();
    control.current = own;
    setRunning({ rows: 0, day: '', of: args });
    try {
      const rows = await exportRows(call, args, by, own.signal, (progress) =>
        setRunning({ ...progress, of: args }),
      );
      const names = [...by.map(fieldOf), 'generations', 'seconds', 'cost_usd'] as const;
      save(toCsv(rows, names), `picture-queue-${args.p_from}-${args.p_to}.csv`, 'text/csv');
      say(`The file is saved, with ${count(rows.length, 'row')}.`);
    } catch (error) {
      say(
        own.signal.aborted
          ? 'The download is cancelled. No file was saved.'
          : `No file was saved. ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (control.current === own) setRunning(undefined);
  };

  if (!running)
    return (
      <div ref={download}>
        <Button icon="download" onClick={() => void begin()}>
          Download as CSV
        </Button>
      </div>
    );
  const all = days(running.of.p_from, running.of.p_to);
  const done = running.day ? days(running.of.p_from, running.day) : 0;
  return (
    <div className="export" ref={cancel}>
      <progress aria-label="Download" max={all} value={done} />
      <span className="hint">{`${number(running.rows)} rows, day ${number(done)} of ${number(all)}`}</span>
      <Button onClick={() => control.current?.abort()}>Cancel the download</Button>
    </div>
  );
}
