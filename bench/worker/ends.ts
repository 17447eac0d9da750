const PATIENCE_MS = 60_000;

/** Which images have been stored, and who waits for that. */
export class Ends {
  readonly #ended = new Set<string>();
  readonly #waiting = new Map<string, (fault?: string) => void>();

  end(jobId: string): void {
    const tell = this.#waiting.get(jobId);
    if (tell) tell();
    else this.#ended.add(jobId);
  }

  of(jobId: string): Promise<void> {
    if (this.#ended.delete(jobId)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`the image of the job ${jobId} was never stored`));
      const timer = setTimeout(fail, PATIENCE_MS);
      this.#waiting.set(jobId, (fault) => {
        clearTimeout(timer);
        this.#waiting.delete(jobId);
        if (fault === undefined) resolve();
        else reject(new Error(fault));
      });
    });
  }

  /** Something has come that should not: who waits, waits in vain. */
  fail(fault: string): void {
    for (const tell of this.#waiting.values()) tell(fault);
  }
}
