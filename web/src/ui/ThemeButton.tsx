import { useTheme } from '../lib/theme.ts';
import { IconButton } from './Button.tsx';

/** Changes between light and dark. */
export function ThemeButton() {
  const [theme, choose] = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <IconButton
      icon={theme === 'dark' ? 'sun' : 'moon'}
      label={`Switch to ${other} theme`}
      onClick={() => choose(other)}
    />
  );
}
