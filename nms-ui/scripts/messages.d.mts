import type { Plugin } from "vite";
export function messages(catalogue: string): Plugin;
