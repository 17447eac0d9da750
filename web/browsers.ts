/**
 * The oldest browsers that the studio is made for: what it needs of CSS came last to these. Written in
 * docs/guides/studio.md, and what is built is checked against it by tests/web/browsers.test.ts.
 */
export const BROWSERS = { chrome: '111', edge: '111', firefox: '121', safari: '16.4', ios: '16.4' };
