/** What can be set at the start and changed while running (`POST /_control/settings`). */
export interface Settings {
  /** How long a run takes, in milliseconds. */
  generation_ms: number;
  /** How long a prediction waits in `starting`, in milliseconds. */
  queue_ms: number;
  /** Creates per minute before 429, with a burst of a tenth; null: unlimited. */
  create_limit_per_minute: number | null;
  /** First pause before a final webhook is sent again; the pauses double, the last try comes after 120 of them. */
  webhook_retry_ms: number;
  /** How long a webhook's receiver may take to answer, in milliseconds. */
  webhook_timeout_ms: number;
  /** How long input and output are kept after the end, in milliseconds. */
  retention_ms: number;
  /** Whether prediction objects carry `webhook` and `webhook_events_filter`. */
  echo_webhook: boolean;
  /** How far the platform's clock is ahead of this machine's, in milliseconds; negative: behind it. */
  clock_offset_ms: number;
  /** An outage: every create is answered with this status and makes nothing; null: none. */
  create_status: number | null;
  /** The same for reading a prediction, the list of them, and cancelling. */
  read_status: number | null;
}

export const defaultSettings: Settings = {
  generation_ms: 0,
  queue_ms: 0,
  create_limit_per_minute: null,
  webhook_retry_ms: 500,
  webhook_timeout_ms: 30_000,
  retention_ms: 3_600_000,
  echo_webhook: true,
  clock_offset_ms: 0,
  create_status: null,
  read_status: null,
};
