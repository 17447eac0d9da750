import { Icon } from '../ui/Icon.tsx';

const EXAMPLES = [
  'A red fox in fresh snow, morning light',
  'An old observatory under the Milky Way',
  'Paper boats on a pond, watercolour',
];

/** Before the first picture. */
export function Empty({ onTry }: { onTry: (prompt: string) => void }) {
  return (
    <div className="empty">
      <div className="empty-frames" aria-hidden="true">
        <span />
        <span />
        <span />
      </div>
      <h3>Your first picture is a sentence away</h3>
      <p>Describe what you want to see, or begin with one of these:</p>
      <ul>
        {EXAMPLES.map((example) => (
          <li key={example}>
            <button type="button" className="button quiet" onClick={() => onTry(example)}>
              <Icon name="sparkle" />
              <span>{example}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
