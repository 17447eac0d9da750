/**
 * The frames of Phoenix channels, in the two forms that Supabase's clients speak: objects in version 1.0.0, lists in
 * version 2.0.0. https://hexdocs.pm/phoenix/writing_a_channels_client.html
 */
export interface Frame {
  /** The `ref` of the join that the frame belongs to; version 1.0.0 does not have it on the way to the client. */
  joinRef: string | null;
  /** Names a request; its reply has the same. */
  ref: string | null;
  topic: string;
  event: string;
  payload: unknown;
}

export interface Serializer {
  encode(frame: Frame): string;
  /** undefined: it is no frame */
  decode(text: string): Frame | undefined;
}

const objects: Serializer = {
  encode: ({ topic, event, payload, ref }) => JSON.stringify({ topic, event, payload, ref }),
  decode: (text) => {
    const value = parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const { join_ref, ref, topic, event, payload } = value as Record<string, unknown>;
    return toFrame(join_ref, ref, topic, event, payload);
  },
};

const lists: Serializer = {
  encode: ({ joinRef, ref, topic, event, payload }) => JSON.stringify([joinRef, ref, topic, event, payload]),
  decode: (text) => {
    const value = parse(text);
    if (!Array.isArray(value) || value.length !== 5) return undefined;
    return toFrame(value[0], value[1], value[2], value[3], value[4]);
  },
};

/** @param vsn of the query; without one a client speaks 1.0.0 */
export function serializerOf(vsn: string | null): Serializer | undefined {
  if (vsn === null || vsn.startsWith('1.')) return objects;
  return vsn.startsWith('2.') ? lists : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toFrame(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): Frame | undefined {
  if (typeof topic !== 'string' || typeof event !== 'string') return undefined;
  return { joinRef: toRef(joinRef), ref: toRef(ref), topic, event, payload };
}

const toRef = (ref: unknown) => (ref === undefined || ref === null ? null : String(ref));
