const MAX_SHOWN_UNITS = 60;

/** A value as a message about it has it: the beginning of its JSON. */
export function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > MAX_SHOWN_UNITS ? `${text.slice(0, MAX_SHOWN_UNITS)}…` : text;
}

/** The message for a text that is not `words`, with what it is instead: for members that never hold a secret. */
export function mustBe(words: string): (issue: { input: unknown }) => string {
  return ({ input }) => `must be ${words}, not ${shownValue(input)}`;
}
