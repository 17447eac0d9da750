#!/usr/bin/env node
// In place of npx, where a command needs an account: asks the real program for the help of the same command, and fails
// where it has no such command or no such option. Nothing is sent anywhere.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [name, ...args] = process.argv.slice(2);
const tool = name.replace(/@.*/, '');
const words = args.slice(0, args.findIndex((each) => each.startsWith('-')) >>> 0);
// What follows the command itself, such as the name of a secret, is no part of it.
const command = words.filter((word) => /^[a-z]+$/.test(word));
const bin = fileURLToPath(new URL(`../../../node_modules/.bin/${tool}`, import.meta.url));
const help = execFileSync(bin, [...command, '--help'], {
  encoding: 'utf8',
  env: { ...process.env, WRANGLER_SEND_METRICS: 'false', FORCE_COLOR: '0' },
});
const wrong = [
  ...(help.includes(`${tool} ${command.join(' ')}`) ? [] : [command.join(' ')]),
  ...args.filter((each) => each.startsWith('--')).filter((each) => !help.includes(each.replace(/=.*/, ''))),
];
if (wrong.length > 0) {
  process.stderr.write(`${tool} does not know ${wrong.join(', ')} of: ${tool} ${args.join(' ')}\n${help}`);
  process.exit(1);
}
process.stdout.write(`${tool} ${args.join(' ')}\n`);
