/** What somebody looks for on a page: by its role and its name, or by its text. JSON, since it goes into the page. */
export type Target = ({ role: string; name?: string; pattern?: string } | { text: string }) & {
  inside?: Target;
};

/** @param name all of it, or what fits */
export const role = (role: string, name?: string | RegExp, inside?: Target): Target => ({
  role,
  ...(typeof name === 'string' ? { name } : name ? { pattern: name.source } : {}),
  ...(inside ? { inside } : {}),
});

export const button = (name: string | RegExp, inside?: Target): Target => role('button', name, inside);

export const text = (text: string, inside?: Target): Target => ({ text, ...(inside ? { inside } : {}) });

export const described = (target: Target): string => {
  const inside = target.inside ? ` in ${described(target.inside)}` : '';
  if ('text' in target) return `“${target.text}”${inside}`;
  return `${target.role} ${target.name ?? target.pattern ?? ''}${inside}`;
};
