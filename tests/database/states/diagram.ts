/** An arrow of a state diagram. `[*]` is where nothing is yet, or no more. */
export interface Arrow {
  from: string;
  to: string;
  /** The functions that its label names. */
  functions: string[];
}

/** The mermaid blocks of a page, in order. */
export function mermaidBlocks(page: string): string[] {
  return [...page.matchAll(/```mermaid\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
}

/** The arrows of a mermaid state diagram; one that leaves a composite state leaves each state in it. */
export function readArrows(diagram: string): Arrow[] {
  const members = new Map<string, Set<string>>();
  const drawn: Arrow[] = [];
  let composite: Set<string> | undefined;
  for (const line of diagram.split('\n').map((text) => text.trim())) {
    const name = /^state (\w+) \{$/.exec(line)?.[1];
    const [, from, to, label = ''] = /^(\S+) --> (\S+?)(?:: (.+))?$/.exec(line) ?? [];
    if (name) {
      composite = new Set();
      members.set(name, composite);
    } else if (line === '}') {
      composite = undefined;
    } else if (from && to) {
      composite?.add(from).add(to);
      drawn.push({ from, to, functions: label.match(/[a-z]+(_[a-z]+)+/g) ?? [] });
    } else if (line !== '' && line !== 'stateDiagram-v2') {
      throw new Error(`a line of a state diagram is not understood: ${line}`);
    }
  }
  return drawn.flatMap((arrow) =>
    [...(members.get(arrow.from) ?? [arrow.from])].map((from) => ({ ...arrow, from })),
  );
}
