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
export const ages = kept((language: string, options?: Intl.RelativeTimeFormatOptions) => new Intl.RelativeTimeFormat(language, options));
export const plurals = kept((language: string, options?: Intl.PluralRulesOptions) => new Intl.PluralRules(language, options));
