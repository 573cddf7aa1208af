/** The name of each page, and where it is below a network. */
export const PAGES: [name: string, path: string][];
