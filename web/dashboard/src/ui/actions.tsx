import { createContext, type FormEvent, type ReactNode, useContext, useId, useState } from 'react';
import { Button } from '../../../src/ui/Button.tsx';
import { Dialog } from '../../../src/ui/Dialog.tsx';
import { useMessages } from '../../../src/ui/messages.tsx';
import { useApi } from '../api/api.ts';
import type { Done } from '../api/contract.ts';
import { changed } from '../lib/changes.ts';

/** Something that changes the queue, told before it is done. */
export interface Action {
  /** A question: “Cancel this job?” */
  title: string;
  /** What will happen, and to whom. */
  text: string;
  /** What the button says: “Cancel the job”. */
  confirm: string;
  /** More to choose, above the reason: fields of the form that is sent. */
  fields?: ReactNode;
  run: (reason: string, form: FormData) => Promise<Done>;
  /** What has been done, in a sentence. */
  done: (done: Done) => string;
}

type Act = (action: Action) => void;

const Context = createContext<Act>(() => {});

/** Has an action confirmed, with a reason, and done. */
export const useAct = (): Act => useContext(Context);

export function ActionsProvider({ children }: { children: ReactNode }) {
  const [action, act] = useState<Action>();
  return (
    <Context value={act}>
      {children}
      {action && <Confirm action={action} close={() => act(undefined)} />}
    </Context>
  );
}

/** Characters, as the database has it. */
const MOST = 500;

function Confirm({ action, close }: { action: Action; close: () => void }) {
  const { call } = useApi();
  const { say } = useMessages();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const ids = useId();

  const undo = async (auditId: number) => {
    try {
      await call('admin_undo', { p_audit_id: auditId, p_reason: 'Undone at once' });
      say('It is as it was before.');
    } catch (error) {
      say(messageOf(error));
    }
    changed();
  };
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem('');
    try {
      const done = await action.run(reason.trim(), new FormData(event.currentTarget));
      close();
      const { audit_id: id, is_undoable: isUndoable } = done;
      const offer = { kind: 'undo', label: 'Undo', take: () => void undo(id), lapse: () => {} } as const;
      say(action.done(done), isUndoable ? offer : undefined);
      changed();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={action.title} onClose={close}>
      <form className="stack confirm" onSubmit={send}>
        <p>{action.text}</p>
        {action.fields}
        <div className="field">
          <label htmlFor={`${ids}reason`}>Reason</label>
          <textarea
            // Before the dialog opens: the focus goes there, and not to the button that closes it.
            ref={(field) => {
              field?.toggleAttribute('autofocus', !action.fields);
            }}
            id={`${ids}reason`}
            rows={2}
            maxLength={MOST}
            required
            value={reason}
            aria-describedby={`${ids}hint`}
            onChange={(event) => setReason(event.target.value)}
          />
          <p className="hint" id={`${ids}hint`}>
            Kept in the audit page, with your name and the time.
          </p>
        </div>
        {problem && (
          <p className="error" role="alert">
            {problem}
          </p>
        )}
        <div className="row-of-buttons">
          <Button kind="primary" type="submit" busy={busy}>
            {action.confirm}
          </Button>
          <Button onClick={close}>Back</Button>
        </div>
      </form>
    </Dialog>
  );
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
