/** Questions on the terminal. */
import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** @returns what was typed, without spaces around it */
export async function ask(question: string, usual = ''): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const hint = usual === '' ? '' : ` [${usual}]`;
  return (await answerTo(reader, `? ${question}${hint}: `)) || usual;
}

/** The same, and what is typed is not shown. */
export async function askSecret(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true });
  process.stderr.write(`? ${question} (not shown): `);
  const answer = await answerTo(reader, '');
  process.stderr.write('\n');
  return answer;
}

/** @returns the chosen one; asks again until there is one */
export async function choose<T>(question: string, choices: T[], label: (choice: T) => string): Promise<T> {
  for (const [index, choice] of choices.entries()) process.stderr.write(`  ${index + 1}  ${label(choice)}\n`);
  for (;;) {
    const chosen = choices[Number(await ask(question, '1')) - 1];
    if (chosen !== undefined) return chosen;
    process.stderr.write(`  A number from 1 to ${choices.length}, please.\n`);
  }
}

/** Ctrl-C and the end of the input leave the command; what was answered before is kept. */
async function answerTo(reader: Interface, prompt: string): Promise<string> {
  const leave = () => {
    process.stderr.write('\nLeft. What you have answered is kept; run it again to go on.\n');
    process.exit(130);
  };
  reader.once('SIGINT', leave).once('close', leave);
  const answer = (await reader.question(prompt)).trim();
  reader.off('close', leave);
  reader.close();
  return answer;
}
