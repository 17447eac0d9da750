import fs from 'node:fs';
import { expect, test } from 'vitest';
import { clientTypes, TYPES } from '../../scripts/client-types.ts';

test('client/src/openapi.ts is what the description of the interface says', async () => {
  const isUpToDate = fs.readFileSync(TYPES, 'utf8') === (await clientTypes());
  expect(isUpToDate, 'client/src/openapi.ts is out of date: run npm run client:types').toBe(true);
});
