import type { ComponentType } from 'react';
import { Alerts } from '../pages/Alerts.tsx';
import { Analytics } from '../pages/Analytics.tsx';
import { Audit } from '../pages/Audit.tsx';
import { Cron } from '../pages/Cron.tsx';
import { Find } from '../pages/Find.tsx';
import { Generation } from '../pages/Generation.tsx';
import { JobPage } from '../pages/JobPage.tsx';
import { Jobs } from '../pages/Jobs.tsx';
import { Models } from '../pages/Models.tsx';
import { Overview } from '../pages/Overview.tsx';
import { Plans } from '../pages/Plans.tsx';
import { Predictions } from '../pages/Predictions.tsx';
import { Users } from '../pages/Users.tsx';

export interface PageEntry {
  /** In the address; '' is the first. */
  path: string;
  title: string;
  /** In the navigation; a page of one thing is reached from what names that. */
  isListed: boolean;
  Page: ComponentType<{ id: string | undefined }>;
}

const listed = (path: string, title: string, Page: PageEntry['Page']) => ({
  path,
  title,
  isListed: true,
  Page,
});

export const PAGES: readonly PageEntry[] = [
  listed('', 'Overview', Overview),
  listed('alerts', 'Alerts', Alerts),
  listed('jobs', 'Jobs', Jobs),
  listed('users', 'Users', Users),
  listed('plans', 'Plans', Plans),
  listed('models', 'Models', Models),
  listed('predictions', 'Ledger', Predictions),
  listed('analytics', 'Analytics', Analytics),
  listed('cron', 'Cron', Cron),
  listed('audit', 'Audit', Audit),
  { path: 'job', title: 'Job', isListed: false, Page: JobPage },
  { path: 'generation', title: 'Generation', isListed: false, Page: Generation },
  { path: 'find', title: 'Find', isListed: false, Page: Find },
];
