/**
 * `text` without those of `characters` that it ends with. What a regular expression like `/x+$/` looks for it looks for from every x on,
 * which takes a minute for a hundred thousand of them in front of something else.
 */
export function withoutTrailing(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}
