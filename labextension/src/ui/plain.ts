/** Text of strangers, as it is shown to somebody who decides by it. */

/**
 * Give a text with all that could mislead made visible.
 *
 * Control characters, changes of the direction, line breaks and what has no width are written as
 * their numbers.
 */
export function plainText(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    character => `\\u{${character.codePointAt(0)!.toString(16)}}`
  );
}
