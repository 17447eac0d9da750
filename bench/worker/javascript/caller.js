/** Calls what is reached over bindings alone, in the name of another Worker of ours. */
export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    const [, user] = /^\/publish\/(.+)$/.exec(pathname) ?? [];
    if (!user) return env.PROCESS_JOBS.fetch(request);
    const channel = env.LIVE_CHANNEL.getByName(user);
    return channel.fetch('https://live-channel/publish', { method: 'POST', body: request.body });
  },
};
