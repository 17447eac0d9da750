/** Hands a picture to the browser as a download: a link alone cannot, the file has another origin. */
export async function download(url: string, name: string): Promise<void> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`The picture could not be fetched (${answer.status}).`);
  const local = URL.createObjectURL(await answer.blob());
  const link = document.createElement('a');
  link.href = local;
  link.download = name;
  link.click();
  URL.revokeObjectURL(local);
}

/** A file's name from a prompt: `a-red-fox-in-the-snow.webp`. */
export function fileName(prompt: string, format: string): string {
  const words = prompt
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .split(/[^\p{Letter}\p{Number}]+/u)
    .filter(Boolean);
  let name = '';
  for (const word of words) {
    if (name.length + word.length > 50) break;
    name += name ? `-${word}` : word;
  }
  return `${name || 'picture'}.${format === 'jpeg' ? 'jpg' : format}`;
}

/**
 * What may be a picture among what the user has dropped, pasted or picked. Phones and browsers have many names
 * for the same type, or none: the server looks at the bytes.
 */
export function pictures(list: Iterable<File>): File[] {
  return [...list].filter(({ type }) => /^(image\/.*|application\/octet-stream|)$/.test(type));
}
