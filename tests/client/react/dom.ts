import { Window } from 'happy-dom';

/** A DOM to render into; fetch and WebSocket stay Node's, so that real servers are reached. */
const window = new Window({ url: 'http://localhost/' });
Object.assign(globalThis, { window, document: window.document, HTMLElement: window.HTMLElement });
