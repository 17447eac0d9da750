/** Carries out a call while the fault rules may refuse, delay, spoil or drop it. */
import type { Call, Fault } from './faults.ts';
import type { Reply } from './http.ts';
import { Problem, problemFor } from './problems.ts';
import type { Simulation } from './simulation.ts';

/** The connection is to be closed without an answer. */
export class Dropped extends Error {}

/** @param act what the call does; not called when the rules refuse it first */
export async function underFaults(
  simulation: Simulation,
  call: Call,
  act: (fault: Fault) => Promise<Reply> | Reply,
): Promise<Reply> {
  const outage = outageOf(call, simulation);
  // A rule that would have played keeps its turn for when the outage is over.
  if (outage !== null) throw problemFor(outage, undefined);
  const fault = simulation.faults.next(call);
  const delay = async (): Promise<void> => {
    if (fault.delay_ms !== undefined) await simulation.timers.sleep(fault.delay_ms);
  };
  if (fault.drop === 'before' || fault.status !== undefined) {
    await delay();
    if (fault.drop === 'before') throw new Dropped();
    throw refusal(fault.status ?? 500, fault);
  }
  const reply = await act(fault);
  await delay();
  if (fault.drop === 'after') throw new Dropped();
  if (fault.status_after !== undefined) throw refusal(fault.status_after, fault);
  return reply;
}

function outageOf({ endpoint }: Call, { settings }: Simulation): number | null {
  if (endpoint === 'create') return settings.create_status;
  return endpoint === 'get' || endpoint === 'list' || endpoint === 'cancel' ? settings.read_status : null;
}

function refusal(status: number, { retry_after, body }: Fault): Problem {
  const problem = problemFor(status, retry_after);
  return body === undefined ? problem : new Problem(status, body);
}
