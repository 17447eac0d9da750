// A worker of somebody's own, for jobs of a type that is not ours: node own-worker.mjs TYPE hold|work
// It claims one job over the API, prints its id, and holds it until it is killed, or completes it.
const [type, what] = process.argv.slice(2);
const { SUPABASE_URL, SECRET_KEY } = process.env;

async function rpc(name, args) {
  const answer = await fetch(`${SUPABASE_URL}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', apikey: SECRET_KEY },
    body: JSON.stringify(args),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${JSON.stringify(body)}`);
  return body;
}

const [job] = await rpc('claim_jobs', { p_limit: 1, p_lease_seconds: 7200, p_job_types: [type] });
if (!job) throw new Error(`no job of the type ${type} is to be had`);
console.log(job.id);
if (what === 'hold') setInterval(() => {}, 60_000);
else await rpc('complete_job', { p_job_id: job.id, p_lease: job.lease });
