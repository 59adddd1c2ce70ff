/** Text that is HTML already, written by us. Whatever else goes into a page is escaped by `html`. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** A template whose values are escaped, for text and for attributes in quotes. */
export const html = (parts: TemplateStringsArray, ...values: readonly (string | Html)[]): Html =>
  new Html(
    parts
      .flatMap((part, index) => {
        const value = values[index];
        return value === undefined ? [part] : [part, value instanceof Html ? value.toString() : escaped(value)];
      })
      .join(''),
  );
