import { Icon } from '../ui/Icon.tsx';

/** As long as the server takes a text to look for. */
const LONGEST = 200;

/** A text to look for in the prompts. */
export function Search({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <div className="feed-search">
      <Icon name="search" />
      <input
        type="search"
        aria-label="Search in your prompts"
        placeholder="Search in prompts"
        maxLength={LONGEST}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
