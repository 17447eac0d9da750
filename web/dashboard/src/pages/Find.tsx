import { useEffect } from 'react';
import { useAsk } from '../api/api.ts';
import type { Found } from '../api/contract.ts';
import { address, useRoute } from '../lib/route.ts';
import { Answered, Head } from '../ui/Page.tsx';

/** What an id is: goes on to the page of what it names. */
export function Find() {
  const { query } = useRoute();
  const id = query.get('id') ?? '';
  const isEmail = id.includes('@');
  return (
    <>
      <Head
        title="Find"
        lead="By the id of a generation, a job, an image, a batch, a user, a prediction, a webhook or a model."
      />
      {isEmail ? <GoOn to={address('users', undefined, { search: id })} /> : id && <Asked id={id} />}
    </>
  );
}

function Asked({ id }: { id: string }) {
  const found = useAsk('admin_find', { p_id: id }, 0);
  return (
    <Answered polled={found}>
      {(data) => {
        const to = pageOf(data);
        return to ? (
          <GoOn to={to} />
        ) : (
          <p className="empty">
            <span>Nothing is known by </span>
            <code translate="no">{id}</code>
            <span>. What has been pruned or deleted is not found; a prediction stays in the ledger.</span>
          </p>
        );
      }}
    </Answered>
  );
}

/** In the place of this page: the way back leads to where one came from. */
function GoOn({ to }: { to: string }) {
  useEffect(() => location.replace(to), [to]);
  return (
    <a className="text-link" href={to}>
      Go on
    </a>
  );
}

function pageOf({ kind, id, generation_id: generation }: Found): string | undefined {
  if (!id) return undefined;
  switch (kind) {
    case 'job':
      return address('job', id);
    case 'user':
      return address('users', undefined, { search: id });
    case 'prediction':
      return address('predictions', undefined, { search: id });
    case 'model':
      return address('models', undefined, { search: id });
    case 'batch':
      return generation ? address('generation', generation) : undefined;
    case 'generation':
    case 'webhook':
    case 'image':
      return address('generation', generation ?? id);
    default:
      return undefined;
  }
}
