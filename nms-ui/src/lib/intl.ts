// How a language writes numbers, moments and counts. Forms are kept: making one takes longer than a hundred uses of it.

function kept<Form, Options>(make: (language: string, options?: Options) => Form): (language: string, options?: Options) => Form {
  const known = new Map<string, Form>();
  return (language, options) => {
    const key = options === undefined ? language : `${language} ${JSON.stringify(options)}`;
    const form = known.get(key) ?? make(language, options);
    known.set(key, form);
    return form;
  };
}

export const numbers = kept((language: string, options?: Intl.NumberFormatOptions) => new Intl.NumberFormat(language, options));
export const moments = kept((language: string, options?: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(language, options));

/** Whether a count takes the first of two forms (CLDR, whole numbers): in French and Portuguese nought does, too. */
export function isOne(language: string, count: number): boolean {
  return language === "fr" || language === "pt" ? count >= 0 && count < 2 : count === 1;
}

/** A number with three digits that count. Below a thousand the languages differ by the decimal sign alone, and nothing has to be made for it. */
export function threeDigits(value: number, language: string): string {
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1000) return numbers(language, { maximumSignificantDigits: 3 }).format(value);
  return language === "en" ? String(rounded) : String(rounded).replace(".", ",");
}

/** A whole number. */
export function integer(value: number, language: string): string {
  return Number.isInteger(value) && value >= 0 && value < 1000 ? String(value) : numbers(language).format(value);
}
