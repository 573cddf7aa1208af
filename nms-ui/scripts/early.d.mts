import type { Plugin } from "vite";

export function early(module: string): Plugin;
