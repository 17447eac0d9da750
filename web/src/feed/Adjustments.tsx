import type { Generation, Model } from 'picture-queue';
import { changesOf } from './facts.ts';

/** What the model did not take as it was asked for: what was asked, what was used, and why. */
export function Adjustments({ one, model }: { one: Generation; model: Model | undefined }) {
  const changes = changesOf(one, model);
  if (changes.length === 0) return null;
  return (
    <div className="adjustments">
      <h3>Adjusted for this model</h3>
      <ul>
        {changes.map(({ field, requested, used, reason }) => (
          <li key={field}>
            <p>{`${field}: ${requested} → ${used}`}</p>
            {reason && <p className="hint">{reason}</p>}
          </li>
        ))}
      </ul>
    </div>
  );
}
