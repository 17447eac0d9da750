import { expect, test } from 'vitest';
import { followAppState } from '../../client/src/react-native.ts';
import { AppState } from './app-state.ts';
import { clientOf, passUntil, setScene, until } from './live/play.ts';
import type { Kind } from './live/server.ts';

/** What a client does when a React Native app is in front again, on a clock that stands still meanwhile. */

const scene = setScene();

test('it checks a connection that may be dead, and replaces it', async () => {
  const appState = new AppState();
  const client = clientOf(scene.server);
  const stop = followAppState(client, appState);
  const unsubscribe = await scene.following(client, 'websocket' satisfies Kind);
  const [connection] = scene.server.of('websocket');
  expect(connection?.heard).toEqual([]);
  for (const state of ['inactive', 'background']) appState.become(state);
  appState.become('active');
  await until('a ping has come', () => connection?.heard.length === 1);

  scene.server.answersPings = false;
  appState.become('background');
  appState.become('active');
  await passUntil('another connection is tried', () => scene.server.attempts.length === 2);
  unsubscribe();
  stop();
  expect(appState.listeners.size).toBe(0);
  await scene.expectQuiet();
});

test('it polls at once, however long the pause would have been', async () => {
  const appState = new AppState();
  scene.server.change('g1', 'processing', 10);
  const client = clientOf(scene.server, { live: 'polling', polling: { minMs: 3_600_000, maxMs: 3_600_000 } });
  const stop = followAppState(client, appState);
  const unsubscribe = client.subscribe('g1', scene.note);
  await until('it is told how it stands', () => scene.updates.length === 1);
  scene.server.change('g1', 'processing', 70);
  appState.become('background');
  appState.become('active');
  await until('it is told more', () => scene.updates.at(-1)?.progress === 70);
  expect(scene.server.requests).toEqual(['GET /generations/g1', 'GET /generations/g1']);

  // Stopped, it leaves the app's states alone.
  stop();
  appState.become('active');
  unsubscribe();
  await scene.expectQuiet();
  expect(scene.server.requests).toHaveLength(2);
});
