/** Something that the person at the keyboard can mend: one sentence, and a way out. */
export class Fault extends Error {}
