/**
 * Functions that run in a page, before its own scripts. Browsers that translate a page put a `<font>` in the place
 * of each text: React, which knows of the text alone, then fails to remove it or to put something in front of it.
 * Where a text is all that its element holds, React replaces the element's content instead, and nothing breaks.
 */

/** Reports each text of ours that stands beside other nodes, as an error in the console. */
export function reportMixedTexts(): void {
  const reported = new Set<string>();
  const isText = (node: Node) => node.nodeType === Node.TEXT_NODE && (node.textContent ?? '').trim() !== '';
  const look = (element: Node) => {
    if (!(element instanceof Element) || !element.closest('#root')) return;
    if (element.childNodes.length < 2 || ![...element.childNodes].some(isText)) return;
    const found = element.outerHTML.slice(0, 160);
    if (reported.has(found)) return;
    reported.add(found);
    console.error(`a text stands beside other nodes, wrap it in an element: ${found}`);
  };
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      look(target);
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        look(node);
        node.querySelectorAll('*').forEach(look);
      }
    }
  }).observe(document, { childList: true, subtree: true });
}

/** Does what a translator does, and goes on doing it; the words stay as they are. */
export function translate(): void {
  const skipped = new Set(['SCRIPT', 'STYLE', 'TEXTAREA', 'FONT', 'NOSCRIPT']);
  const one = (text: Text) => {
    const parent = text.parentElement;
    if (!parent || skipped.has(parent.nodeName) || !text.data.trim()) return;
    if (!parent.closest('body') || parent.closest('[translate=no]')) return;
    const outer = document.createElement('font');
    const inner = document.createElement('font');
    inner.textContent = text.data;
    outer.append(inner);
    parent.replaceChild(outer, text);
  };
  const all = (root: Node) => {
    if (root instanceof Text) return one(root);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const texts: Text[] = [];
    while (walker.nextNode()) texts.push(walker.currentNode as Text);
    texts.forEach(one);
  };
  let due: Node[] = [];
  new MutationObserver((records) => {
    for (const { addedNodes } of records) due.push(...addedNodes);
  }).observe(document, { childList: true, subtree: true });
  setInterval(() => {
    const now = due;
    due = [];
    for (const node of now) if (node.isConnected) all(node);
  }, 20);
}
