/** Values that this browser keeps; where it keeps none, everything works without. */
export function recall<T>(name: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`picture-queue:${name}`);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(`picture-queue:${name}`, JSON.stringify(value));
  } catch {
    // switched off or full
  }
}
