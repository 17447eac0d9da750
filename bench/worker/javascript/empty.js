/** A Worker that does nothing, to see what workerd itself costs. */
export default {
  fetch: () => new Response(null, { status: 202 }),
};

/** The bindings want it. */
export class LiveChannel {}
