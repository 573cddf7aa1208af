/** The name of each page, where it is below a network, and whether something opens above it. */
export const PAGES: [name: string, path: string, isAbove?: boolean][];
