/** A Worker's name at Cloudflare: production's have no suffix, those of other installations the installation's name. */
export const nameOf = (worker: string, installation: string) =>
  installation === 'production' ? worker : `${worker}-${installation}`;
