/** Markup that may stand in the page as it is. Only this file makes it. */
export class Html {
  readonly #markup: string;

  constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }
}

/** Text and numbers are escaped, undefined is nothing, a list is joined. */
export type Content = Html | string | number | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string);

function rendered(content: Content): string {
  if (content === undefined) return '';
  if (content instanceof Html) return content.toString();
  if (typeof content === 'object') return content.map(rendered).join('');
  return escaped(String(content));
}

/** Whatever is put in becomes text, also inside of a quoted attribute: captions and names are strangers' words. */
export const html = (strings: TemplateStringsArray, ...values: readonly Content[]): Html =>
  new Html(strings.reduce((all, text, index) => `${all}${rendered(values[index - 1])}${text}`));

/** JSON for a script element: without a `<` in it, nothing in a text can end that element or begin another one. */
export const inlineJson = (value: unknown): Html => new Html(JSON.stringify(value).replaceAll('<', '\\u003c'));

/** Our own code or style, for a script or style element. Throws when it holds what would end that element early. */
export function inlineSource(source: string): Html {
  if (/<\/(script|style)|<!--/i.test(source)) throw new Error('a source that ends its own element can not be inlined');
  return new Html(source);
}
