import type { ReactNode } from 'react';
import { Icon, type IconName } from './Icon.tsx';

interface BannerProps {
  tone: 'calm' | 'warn' | 'bad';
  icon?: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

/** A message that stays until it is no longer true; read out when it appears. */
export function Banner({ tone, icon = 'alert', title, children, action }: BannerProps) {
  return (
    <div className={`banner ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon name={icon} />
      <div className="banner-text">
        <strong>{title}</strong>
        {children && <p>{children}</p>}
      </div>
      {action}
    </div>
  );
}
