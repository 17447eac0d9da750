import type { Usage } from '../../../client/src/openapi.ts';
import type { Account, Auth } from '../auth/session.ts';
import { Dialog } from '../ui/Dialog.tsx';
import { ChangePassword } from './ChangePassword.tsx';
import { DeleteAccount } from './DeleteAccount.tsx';
import { PlanFacts } from './PlanFacts.tsx';
import { SignOutEverywhere } from './SignOutEverywhere.tsx';

interface AccountDialogProps {
  account: Account;
  auth: Auth;
  /** undefined: it is not known. */
  usage: Usage | undefined;
  /** Forgets what this browser knows of the user, before the session ends. */
  forget: () => void;
  onClose: () => void;
}

/** The user's account: the plan, the password, the sessions, and its end. */
export function AccountDialog({ account, auth, usage, forget, onClose }: AccountDialogProps) {
  return (
    <Dialog title="Your account" onClose={onClose}>
      <div className="account">
        <p>
          <span>Signed in as</span> <strong translate="no">{account.email}</strong>
        </p>
        <PlanFacts usage={usage} />
        <ChangePassword auth={auth} />
        <SignOutEverywhere auth={auth} forget={forget} />
        <DeleteAccount account={account} auth={auth} forget={forget} />
      </div>
    </Dialog>
  );
}
