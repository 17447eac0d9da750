import type { Step } from '../step.ts';
import { cancel } from './cancel.ts';
import { cron } from './cron.ts';
import { health } from './health.ts';
import { image } from './image.ts';
import { liveEvents } from './live-events.ts';
import { models } from './models.ts';
import { pages } from './pages.ts';
import { project } from './project.ts';
import { serviceKey } from './service-key.ts';
import { signIn } from './sign-in.ts';
import { storage } from './storage.ts';
import { upload } from './upload.ts';
import { webhook } from './webhook.ts';

/** In this order: later ones use what earlier ones have found, and what costs nothing comes first. */
export const STEPS: Step[] = [
  project,
  health,
  pages,
  serviceKey,
  signIn,
  models,
  storage,
  upload,
  cancel,
  image,
  liveEvents,
  webhook,
  cron,
];
