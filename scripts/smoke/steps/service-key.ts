import { type Answer, ask, type Service, said } from '../http.ts';
import { processGeneration, processJobs } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

/** The private paths: closed without the secret key, open with it in `apikey` alone. */
export const serviceKey: Step = {
  name: 'service-key',
  needs: ['project'],
  async run(smoke) {
    const { options } = smoke;
    const paths = [
      { service: processJobs(options), method: 'GET', path: '/metrics', open: [200] },
      // An empty body is refused after the key has been looked at.
      {
        service: processGeneration(options),
        method: 'POST',
        path: '/process-generation',
        open: [400, 404, 422],
      },
    ];
    for (const { service, method, path, open } of paths) {
      const request = { method, signal: smoke.signal, ...(method === 'POST' ? { body: {} } : {}) };
      const closed = await ask(service, path, request);
      if (closed.status === 500) throw misconfigured(service, closed);
      if (closed.status !== 401) {
        throw new StepFailure(
          `${service.name} answered ${said(closed)} to ${path} without a key`,
          `Is ${service.from} its address? It must answer 401.`,
        );
      }
      const opened = await ask(service, path, { ...request, headers: { apikey: options.serviceKey } });
      if (!open.includes(opened.status)) throw refused(smoke, service, opened);
    }
    return 'the private paths are closed, and open with the secret key in apikey';
  },
};

function misconfigured(service: Service, answer: Answer): StepFailure {
  return new StepFailure(
    `${service.name} answered ${said(answer)}`,
    `It lacks a variable: SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY or REPLICATE_API_TOKEN. npx wrangler tail ${service.name} names it in a line "configuration:".`,
  );
}

function refused(smoke: Smoke, service: Service, answer: Answer): StepFailure {
  if (answer.status !== 401) {
    return new StepFailure(
      `${service.name} answered ${said(answer)} with the secret key`,
      `Look at: npx wrangler tail ${service.name}`,
    );
  }
  const kind = smoke.options.serviceKey.startsWith('sb_') ? 'secret' : 'legacy service_role';
  return new StepFailure(
    `${service.name} does not take the ${kind} key given here`,
    `It has another one. Put the same into .env.production as SUPABASE_SERVICE_ROLE_KEY, then npm run setup (while keys are replaced: the new one, a space, the old one).`,
  );
}
