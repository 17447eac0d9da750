/** Runs the simulator in the foreground until SIGINT or SIGTERM; see README.md for the options. */
import { parseArgs } from 'node:util';
import { startSimulator } from './simulator.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    token: { type: 'string' },
    'webhook-secret': { type: 'string' },
    'generation-ms': { type: 'string', default: '0' },
    state: { type: 'string' },
  },
});

const simulator = await startSimulator({
  host: values.host,
  port: Number(values.port),
  ...(values.token === undefined ? {} : { token: values.token }),
  ...(values['webhook-secret'] === undefined ? {} : { webhookSecret: values['webhook-secret'] }),
  ...(values.state === undefined ? {} : { state: values.state }),
  settings: { generation_ms: Number(values['generation-ms']) },
});

console.log(
  JSON.stringify({
    replicateUrl: simulator.url,
    replicateApiToken: simulator.token,
    replicateWebhookSecret: simulator.webhookSecret,
  }),
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void simulator.close();
  });
}
